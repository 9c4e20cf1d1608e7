/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"

#define SPACES 16
#define PAGES 512

struct page_format {
    int unused;
};
static const struct page_format user_format;
const struct page_format *const arch_user_format = &user_format;

struct fake_page {
    uint64_t address;
    phys_addr physical;
    unsigned rights;
};

static struct {
    bool used;
    unsigned count;
    struct fake_page page[PAGES];
} spaces[SPACES + 1];

tsc_time fake_now;
tsc_time fake_timer;
char fake_console[4096];
static _Alignas(4096) uint8_t pool[FAKE_FRAMES * PAGE_SIZE];
static struct kernel_info info;
static struct quota machine_quota;

/* ---- arch.h -------------------------------------------------------------------------------- */

void arch_activate(struct cpu *cpu, struct thread *next)
{
    cpu->current = next;
}

void arch_resume_user(struct thread *thread)
{
    (void)thread;
    abort();
}

void arch_restart(struct cpu *cpu, struct thread *thread)
{
    (void)cpu;
    (void)thread;
    abort();
}

void arch_wait_for_interrupt(void)
{
    abort();
}

void arch_thread_init(struct arch_thread *thread, struct cpu *cpu, uint64_t entry, uint64_t stack,
                      uint64_t argument)
{
    (void)cpu;
    (void)stack;
    thread->frame.rip = entry;
    thread->frame.arg[0] = argument;
}

tsc_time arch_time(void)
{
    return fake_now;
}

void arch_timer_set(struct cpu *cpu, tsc_time deadline)
{
    (void)cpu;
    fake_timer = deadline;
}

phys_addr arch_pool_physical(const void *pointer)
{
    return (phys_addr)pointer;
}

void *arch_pool_pointer(phys_addr physical)
{
    return (void *)physical; // NOLINT
}

void *arch_window(phys_addr page)
{
    return (void *)page; // NOLINT
}

enum status arch_space_init(struct arch_space *space, const struct page_format *format,
                            struct quota *quota)
{
    void *frame = frame_alloc(quota);

    if (!frame) {
        return STATUS_NO_MEMORY;
    }
    for (unsigned i = 1; i <= SPACES; i++) {
        if (!spaces[i].used) {
            spaces[i].used = true;
            spaces[i].count = 0;
            *(uint64_t *)frame = i;
            *space = (struct arch_space){(uint64_t)frame, format};
            return STATUS_OK;
        }
    }
    frame_free(quota, frame);
    return STATUS_NO_MEMORY;
}

static unsigned space_index(const struct arch_space *space)
{
    return (unsigned)*(uint64_t *)space->root; // NOLINT
}

void arch_space_destroy(struct arch_space *space, struct quota *quota)
{
    spaces[space_index(space)].used = false;
    frame_free(quota, (void *)space->root); // NOLINT
}

static struct fake_page *find_page(const struct arch_space *space, uint64_t address)
{
    unsigned index = space_index(space);

    for (unsigned i = 0; i < spaces[index].count; i++) {
        if (spaces[index].page[i].address == address) {
            return &spaces[index].page[i];
        }
    }
    return NULL;
}

enum status arch_space_map(struct arch_space *space, uint64_t address, phys_addr physical,
                           uint64_t size, unsigned rights, struct quota *quota)
{
    unsigned index = space_index(space);

    (void)quota;
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        if (find_page(space, address + at) || spaces[index].count == PAGES) {
            if (at > 0) {
                arch_space_unmap(space, address, at, quota);
            }
            return STATUS_EXISTS;
        }
        spaces[index].page[spaces[index].count++] =
            (struct fake_page){address + at, physical + at, rights};
    }
    return STATUS_OK;
}

enum status arch_space_unmap(struct arch_space *space, uint64_t address, uint64_t size,
                             struct quota *quota)
{
    unsigned index = space_index(space);

    (void)quota;
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        struct fake_page *page = find_page(space, address + at);

        if (page) {
            *page = spaces[index].page[--spaces[index].count];
        }
    }
    return STATUS_OK;
}

bool arch_space_lookup(const struct arch_space *space, uint64_t address, struct mapping *out)
{
    const struct fake_page *page = find_page(space, address & ~(PAGE_SIZE - 1));

    if (page) {
        *out = (struct mapping){page->physical + address % PAGE_SIZE, PAGE_SIZE, page->rights};
    }
    return page != NULL;
}

void arch_seal(void)
{
}

void arch_console_write(const char *text, size_t length)
{
    size_t used = strlen(fake_console);
    size_t room = sizeof(fake_console) - 1 - used;

    memcpy(fake_console + used, text, length < room ? length : room);
}

int arch_console_read(void)
{
    return -1;
}

void arch_machine_off(void)
{
}

void arch_machine_reset(void)
{
}

void arch_machine_stop(void)
{
    mock_assert(0, "the machine stopped", __FILE__, __LINE__);
    abort();
}

/* ---- fake.h -------------------------------------------------------------------------------- */

struct cpu *fake_machine(void)
{
    memset(cpus, 0, sizeof(cpus));
    memset(spaces, 0, sizeof(spaces));
    memset(fake_console, 0, sizeof(fake_console));
    fake_now = 1000;
    fake_timer = TSC_NEVER;
    memory_init(pool, sizeof(pool));
    machine_quota = (struct quota){.limit = 8};
    thread_make_idle(&cpus[0], &machine_quota);
    task_set_info(&info);
    return &cpus[0];
}

struct task *fake_task(struct task *parent, uint64_t frames)
{
    struct task *task;

    assert_int_equal(task_create(parent, frames, &task), STATUS_OK);
    return task;
}

struct thread *fake_thread(struct task *task, uint8_t priority)
{
    struct thread *thread;

    assert_int_equal(thread_create(task, &cpus[0], priority, &thread), STATUS_OK);
    thread_wake(thread);
    return thread;
}

struct thread *fake_run(struct cpu *cpu)
{
    struct thread *next = thread_next(cpu);

    arch_activate(cpu, next);
    return next;
}

struct thread *fake_call(struct thread *self, enum syscall number, uint64_t a0, uint64_t a1,
                         uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    uint64_t args[6] = {a0, a1, a2, a3, a4, a5};

    assert_ptr_equal(self->cpu->current, self);
    memcpy(self->arch.frame.arg, args, sizeof(args));
    self->arch.frame.status = number;
    struct thread *next = kernel_syscall(self);

    arch_activate(self->cpu, next);
    return next;
}

int64_t fake_status(const struct thread *thread)
{
    return (int64_t)thread->arch.frame.status;
}
