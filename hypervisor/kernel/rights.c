/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/rights.h"

#include "kernel/calls.h"
#include "kernel/irq.h"
#include "kernel/map.h"
#include "kernel/task.h"

#define PORTS_IN_FRAME ((uint32_t)PAGE_SIZE * 8)

static const uint32_t right_count[RIGHT_COUNT] = {
    [RIGHT_PORT] = PORT_COUNT,
    [RIGHT_IRQ] = IRQ_LINES,
    [RIGHT_PEER] = TASK_MAX,
};

/* ---- Words ----------------------------------------------------------------------------------- */

/* What one step may cost, in words; those whose bits are looked at one by one cost more. */
enum { COST_IN_STEP = 16 };

/* The word in which the number's bit stands; NULL: the task holds none of its neighbours. */
static uint64_t *word_of(struct task *task, uint64_t right, uint64_t number)
{
    uint64_t *ports;

    switch (right) {
    case RIGHT_PORT:
        ports = task->rights.ports[number / PORTS_IN_FRAME];
        return ports ? &ports[number % PORTS_IN_FRAME / 64] : NULL;
    case RIGHT_IRQ:
        return &task->rights.irqs[number / 64];
    default:
        return &task->rights.peers[number / 64];
    }
}

/* The bits of the first numbers of a range that stand in one word; *length of them. */
static uint64_t first_bits(uint64_t right, uint64_t first, uint64_t count, uint64_t *length)
{
    uint64_t most = right == RIGHT_PORT ? 64 : 16;
    uint64_t rest = most - first % most;

    *length = rest < count ? rest : count;
    return UINT64_MAX >> (64 - *length) << first % 64;
}

bool rights_hold_irq(const struct task *task, uint64_t line)
{
    return (task->rights.irqs[line / 64] >> line % 64 & 1) != 0;
}

void rights_set_peer(struct task *task, const struct task *peer, bool may_talk)
{
    uint32_t slot = peer->id % TASK_MAX;
    uint64_t bit = 1UL << slot % 64, *word = &task->rights.peers[slot / 64];

    *word = may_talk ? *word | bit : *word & ~bit;
}

static enum status give(struct task *task, uint64_t right, uint64_t number, uint64_t bits)
{
    uint64_t *word = word_of(task, right, number);

    if (!word) {
        uint64_t *frame = frame_alloc(&task->quota);

        if (!frame) {
            return STATUS_NO_MEMORY;
        }
        /* Last: the task's threads on other processors look at it. */
        __atomic_store_n(&task->rights.ports[number / PORTS_IN_FRAME], frame, __ATOMIC_RELEASE);
        word = word_of(task, right, number);
    }
    *word |= bits;
    return STATUS_OK;
}

/* What a task holds without being given it is not taken. */
static bool is_natural_peer(const struct task *task, uint64_t slot)
{
    const struct task *peer = task_in_slot(slot);

    return peer && (task_controls(task, peer) || task->parent == peer);
}

/* Returns the cost. */
static int take(struct task *task, uint64_t right, uint64_t number, uint64_t bits)
{
    uint64_t *word = word_of(task, right, number);
    uint64_t base = number - number % 64;
    int cost = 1;

    if (!word || (*word & bits) == 0) {
        return cost;
    }
    bits &= *word;
    for (uint64_t rest = right == RIGHT_PEER ? bits : 0; rest != 0; rest &= rest - 1, cost++) {
        if (is_natural_peer(task, base + (unsigned)__builtin_ctzl(rest))) {
            bits &= ~(rest & -rest);
        }
    }
    *word &= ~bits;
    for (uint64_t rest = right == RIGHT_IRQ ? bits : 0; rest != 0; rest &= rest - 1, cost++) {
        irq_revoke(task, (unsigned)base + (unsigned)__builtin_ctzl(rest));
    }
    return cost;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

/* The child and the range of the call, both valid; or NULL after writing the status. */
static struct task *find_child(struct thread *self)
{
    const uint64_t *arg = self->arch.frame.arg;
    struct task *child = task_find((task_id)arg[0]);

    if (!child || child->parent != self->task || child->state != TASK_RUNS) {
        call_return(self, STATUS_BAD_ID);
        return NULL;
    }
    if (arg[1] >= RIGHT_COUNT || arg[3] == 0 || arg[3] > right_count[arg[1]] ||
        arg[2] > right_count[arg[1]] - arg[3]) {
        call_return(self, STATUS_BAD_ARGUMENT);
        return NULL;
    }
    return child;
}

struct thread *call_right_give(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg;
    struct task *child = find_child(self);
    uint64_t length;

    if (!child) {
        return self;
    }
    for (int cost = 0; cost < COST_IN_STEP && arg[3] > 0; cost++) {
        uint64_t bits = first_bits(arg[1], arg[2], arg[3], &length);
        const uint64_t *held = word_of(self->task, arg[1], arg[2]);
        uint64_t missing = held ? bits & ~*held : bits;

        if (missing != 0) { /* those below are given */
            bits &= (missing & -missing) - 1;
            length = (unsigned)__builtin_ctzl(missing) - arg[2] % 64;
        }
        enum status status = bits ? give(child, arg[1], arg[2], bits) : STATUS_OK;

        if (status != STATUS_OK) {
            return call_return(self, status);
        }
        arg[2] += length;
        arg[3] -= length;
        if (missing != 0) {
            return call_return(self, STATUS_DENIED);
        }
    }
    return arg[3] > 0 ? call_again(self) : call_return(self, STATUS_OK);
}

/* Word by word from the whole subtree, parents before their children: nobody can get it again
 * from above meanwhile. a4 is the task at which the next step begins. */
struct thread *call_right_take(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg, length;
    struct task *child = find_child(self);

    if (!child) {
        return self;
    }
    struct task *at = map_cursor(child, arg[4]);

    at = at ? at : child;
    for (int cost = 0; cost < COST_IN_STEP && arg[3] > 0;) {
        uint64_t bits = first_bits(arg[1], arg[2], arg[3], &length);

        cost += take(at, arg[1], arg[2], bits);
        at = task_after(at, child);
        if (!at) {
            at = child;
            arg[2] += length;
            arg[3] -= length;
        }
    }
    arg[4] = arg[3] > 0 ? at->id : 0;
    return arg[3] > 0 ? call_again(self) : call_return(self, STATUS_OK);
}

enum status rights_all(struct task *task)
{
    for (uint32_t port = 0; port < PORT_COUNT; port++) {
        if (!arch_port_kept(port) &&
            give(task, RIGHT_PORT, port, 1UL << port % 64) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    for (unsigned word = 0; word < IRQ_LINES / 64; word++) {
        task->rights.irqs[word] = UINT64_MAX;
    }
    return STATUS_OK;
}

bool rights_destroy(struct task *task)
{
    for (unsigned i = 0; i < PORT_FRAMES; i++) {
        if (task->rights.ports[i]) {
            frame_free(&task->quota, task->rights.ports[i]);
            task->rights.ports[i] = NULL;
            return false;
        }
    }
    return true;
}

/* ---- Ports ----------------------------------------------------------------------------------- */

static bool holds_port(const struct task *task, uint64_t port)
{
    const uint64_t *bits = task->rights.ports[port / PORTS_IN_FRAME];

    return bits && (bits[port % PORTS_IN_FRAME / 64] >> port % 64 & 1) != 0;
}

/* May the caller access them all? Writes the status if not. No lock: the bit is what counts at
 * the moment of the access. */
static bool may_access(struct thread *self, uint64_t port, uint64_t bytes)
{
    if ((bytes != 1 && bytes != 2 && bytes != 4) || port > PORT_COUNT - bytes) {
        call_return(self, STATUS_BAD_ARGUMENT);
        return false;
    }
    for (uint64_t i = 0; i < bytes; i++) {
        if (!holds_port(self->task, port + i)) {
            call_return(self, STATUS_DENIED);
            return false;
        }
    }
    return true;
}

struct thread *call_port_read(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg;

    if (may_access(self, arg[0], arg[1])) {
        arg[0] = arch_port_read((uint16_t)arg[0], (unsigned)arg[1]);
        call_return(self, STATUS_OK);
    }
    return self;
}

struct thread *call_port_write(struct thread *self)
{
    const uint64_t *arg = self->arch.frame.arg;

    if (may_access(self, arg[0], arg[1])) {
        arch_port_write((uint16_t)arg[0], (unsigned)arg[1], (uint32_t)arg[2]);
        call_return(self, STATUS_OK);
    }
    return self;
}
