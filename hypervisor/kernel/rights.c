/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/rights.h"

#include "kernel/calls.h"
#include "kernel/irq.h"
#include "kernel/task.h"

#define PORTS_IN_FRAME ((uint32_t)PAGE_SIZE * 8)
enum { NUMBERS_IN_STEP = 128 };

static bool is_set(const uint64_t *bits, uint64_t number)
{
    return (bits[number / 64] >> number % 64 & 1) != 0;
}

static void set(uint64_t *bits, uint64_t number, bool value)
{
    uint64_t bit = 1UL << number % 64;

    bits[number / 64] = value ? bits[number / 64] | bit : bits[number / 64] & ~bit;
}

/* ---- One number ------------------------------------------------------------------------------ */

static bool holds_port(const struct task *task, uint64_t port)
{
    const uint64_t *bits = task->rights.ports[port / PORTS_IN_FRAME];

    return bits && is_set(bits, port % PORTS_IN_FRAME);
}

bool rights_hold_irq(const struct task *task, uint64_t line)
{
    return is_set(task->rights.irqs, line);
}

static bool holds_peer(const struct task *task, uint64_t slot)
{
    const struct task *peer = task_in_slot(slot);

    return peer && task_may_talk(task, peer);
}

static enum status set_port(struct task *task, uint64_t port, bool value)
{
    uint64_t **bits = &task->rights.ports[port / PORTS_IN_FRAME];

    if (!*bits && value) {
        *bits = frame_alloc(&task->quota);
        if (!*bits) {
            return STATUS_NO_MEMORY;
        }
    }
    if (*bits) {
        set(*bits, port % PORTS_IN_FRAME, value);
    }
    return STATUS_OK;
}

static enum status set_irq(struct task *task, uint64_t line, bool value)
{
    set(task->rights.irqs, line, value);
    if (!value) {
        irq_revoke(task, (unsigned)line);
    }
    return STATUS_OK;
}

void rights_set_peer(struct task *task, const struct task *peer, bool may_talk)
{
    set(task->rights.peers, peer->id % TASK_MAX, may_talk);
}

/* What it holds without being given it is not taken. */
static enum status set_peer(struct task *task, uint64_t slot, bool value)
{
    const struct task *peer = task_in_slot(slot);

    if (peer && !task_controls(task, peer) && task->parent != peer) {
        rights_set_peer(task, peer, value);
    }
    return STATUS_OK;
}

static const struct {
    uint32_t count;
    bool (*holds)(const struct task *task, uint64_t number);
    enum status (*set)(struct task *task, uint64_t number, bool value);
} kinds[RIGHT_COUNT] = {
    [RIGHT_PORT] = {PORT_COUNT, holds_port, set_port},
    [RIGHT_IRQ] = {IRQ_LINES, rights_hold_irq, set_irq},
    [RIGHT_PEER] = {TASK_MAX, holds_peer, set_peer},
};

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
    if (arg[1] >= RIGHT_COUNT || arg[3] == 0 || arg[3] > kinds[arg[1]].count ||
        arg[2] > kinds[arg[1]].count - arg[3]) {
        call_return(self, STATUS_BAD_ARGUMENT);
        return NULL;
    }
    return child;
}

struct thread *call_right_give(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg;
    struct task *child = find_child(self);

    if (!child) {
        return self;
    }
    for (unsigned i = 0; i < NUMBERS_IN_STEP && arg[3] > 0; i++, arg[2]++, arg[3]--) {
        if (!kinds[arg[1]].holds(self->task, arg[2])) {
            return call_return(self, STATUS_DENIED);
        }
        enum status status = kinds[arg[1]].set(child, arg[2], true);

        if (status != STATUS_OK) {
            return call_return(self, status);
        }
    }
    return arg[3] > 0 ? call_again(self) : call_return(self, STATUS_OK);
}

/* Number by number from the whole subtree: nobody can get it again from above meanwhile. */
struct thread *call_right_take(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg;
    struct task *child = find_child(self);
    unsigned done = 0;

    if (!child) {
        return self;
    }
    for (; done < NUMBERS_IN_STEP && arg[3] > 0; arg[2]++, arg[3]--) {
        for (struct task *task = child; task; task = task_after(task, child)) {
            kinds[arg[1]].set(task, arg[2], false);
            done++;
        }
    }
    return arg[3] > 0 ? call_again(self) : call_return(self, STATUS_OK);
}

enum status rights_all(struct task *task)
{
    for (uint32_t port = 0; port < PORT_COUNT; port++) {
        if (!arch_port_kept(port) && set_port(task, port, true) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    for (unsigned word = 0; word < IRQ_LINES / 64; word++) {
        task->rights.irqs[word] = UINT64_MAX;
    }
    return STATUS_OK;
}

void rights_destroy(struct task *task)
{
    for (unsigned i = 0; i < PORT_FRAMES; i++) {
        if (task->rights.ports[i]) {
            frame_free(&task->quota, task->rights.ports[i]);
        }
    }
}

/* ---- Ports ----------------------------------------------------------------------------------- */

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
