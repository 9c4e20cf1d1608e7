/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"

#define SPACES 32
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
bool fake_masked[24];
char fake_console[4096];
static _Alignas(4096) uint8_t pool[FAKE_FRAMES * PAGE_SIZE];
static struct kernel_info info;
static struct quota machine_quota;
static bool again;       /* the call is to be executed once more */
static jmp_buf restart;  /* where arch_restart goes */
static struct thread *restarted;

struct cpu *fake_cpu;
static const struct processor_schedule no_windows[PROCESSORS_MAX];
static const struct schedule one_schedule = {.frame_ns = 10000000, .processor = no_windows};
/* The kernel sees it as a constant; the tests change it between machines. */
struct kernel_config fake_config = {
    .processors = 1,
    .time_partitions = 1,
    .time_slice_ns = 1000000000,
    .schedule_count = 1,
    .schedule = &one_schedule,
};
extern const struct kernel_config kernel_config __attribute__((alias("fake_config")));

static bool notified_itself;

/* ---- arch.h -------------------------------------------------------------------------------- */

struct thread *arch_activate(struct cpu *cpu, struct thread *next)
{
    cpu->current = next;
    cpu->arch.root = next->task ? next->task->space.root : 0;
    return next;
}

void arch_resume_user(struct thread *thread)
{
    (void)thread;
    abort();
}

void arch_restart(struct cpu *cpu, struct thread *thread)
{
    (void)cpu;
    restarted = thread;
    longjmp(restart, 1);
}

void arch_wait_for_interrupt(void)
{
    abort();
}

/* What a processor asked itself for is taken as soon as it leaves the kernel. */
static void take_own(struct cpu *cpu)
{
    while (notified_itself) {
        notified_itself = false;
        kernel_notified(cpu);
    }
}

void arch_take_interrupts(void)
{
    take_own(fake_cpu);
}

void arch_thread_init(struct arch_thread *thread, struct cpu *cpu, uint64_t entry, uint64_t stack,
                      uint64_t argument)
{
    (void)cpu;
    (void)stack;
    thread->frame.rip = entry;
    thread->frame.arg[0] = argument;
}

void arch_call_again(struct arch_thread *thread)
{
    (void)thread;
    again = true;
}

void arch_thread_go_to(struct arch_thread *thread, uint64_t entry, uint64_t stack)
{
    (void)stack;
    thread->frame.rip = entry;
}

void arch_thread_place(const struct arch_thread *thread, uint64_t *entry, uint64_t *stack)
{
    *entry = thread->frame.rip;
    *stack = 0;
}

void arch_start_processors(unsigned count)
{
    (void)count;
}

/* The other processor takes the interrupt at once. */
void arch_notify(struct cpu *cpu)
{
    struct cpu *self = fake_cpu;

    if (cpu == self) {
        notified_itself = true;
        return;
    }
    bool before = notified_itself;

    notified_itself = false;
    fake_cpu = cpu;
    struct thread *current = cpu->current;

    kernel_notified(cpu);
    take_own(cpu);
    notified_itself = before;
    arch_activate(cpu, current == cpu->idle ? thread_next(cpu) : kernel_preempted(current));
    fake_cpu = self;
}

void arch_pause(void)
{
    abort(); /* nothing to wait for: others are quick */
}

void arch_flush(struct cpu *cpu, const struct arch_space *dead)
{
    cpu->arch.flushes++;
    if (dead && cpu->arch.root == dead->root) {
        cpu->arch.root = 0;
    }
}

bool arch_space_loaded(const struct cpu *cpu, const struct arch_space *space)
{
    return cpu->arch.root == space->root;
}

bool arch_port_kept(uint32_t port)
{
    return port == 0x2f8;
}

uint32_t arch_port_read(uint16_t port, unsigned bytes)
{
    return port * 16u + bytes;
}

void arch_port_write(uint16_t port, unsigned bytes, uint32_t value)
{
    (void)port;
    (void)bytes;
    (void)value;
}

bool arch_irq_route(unsigned line, struct cpu *cpu)
{
    (void)cpu;
    return line < 24;
}

void arch_irq_mask(unsigned line, bool masked)
{
    assert_true(line < 24);
    fake_masked[line] = masked;
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

bool arch_space_destroy(struct arch_space *space, struct quota *quota)
{
    spaces[space_index(space)].used = false;
    frame_free(quota, (void *)space->root); // NOLINT
    return true;
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

/* A few pages at once, so that callers have to come again. */
enum { PAGES_AT_ONCE = 3 };

enum status arch_space_map(struct arch_space *space, uint64_t address, phys_addr physical,
                           uint64_t size, unsigned rights, struct quota *quota, uint64_t *done)
{
    unsigned index = space_index(space);

    (void)quota;
    for (*done = 0; *done < size && *done < PAGES_AT_ONCE * PAGE_SIZE; *done += PAGE_SIZE) {
        if (find_page(space, address + *done) || spaces[index].count == PAGES) {
            return STATUS_EXISTS;
        }
        spaces[index].page[spaces[index].count++] =
            (struct fake_page){address + *done, physical + *done, rights};
    }
    return STATUS_OK;
}

enum status arch_space_unmap(struct arch_space *space, uint64_t address, uint64_t size,
                             struct quota *quota, uint64_t *done, bool *changed)
{
    unsigned index = space_index(space);

    (void)quota;
    *changed = false;
    for (*done = 0; *done < size && *done < PAGES_AT_ONCE * PAGE_SIZE; *done += PAGE_SIZE) {
        struct fake_page *page = find_page(space, address + *done);

        if (page) {
            *page = spaces[index].page[--spaces[index].count];
            *changed = true;
        }
    }
    return STATUS_OK;
}

/* From the first address on in the first step, all in the second. */
void arch_space_revoke(struct arch_space *space, uint64_t address, phys_addr physical,
                       uint64_t size, struct quota *quota, uint64_t *next, bool *changed)
{
    unsigned index = space_index(space);

    (void)quota;
    *next = address == 0 ? PAGE_SIZE : 0;
    *changed = false;
    for (unsigned i = 0; address > 0 && i < spaces[index].count;) {
        struct fake_page *page = &spaces[index].page[i];

        if (page->physical < physical + size && physical < page->physical + PAGE_SIZE) {
            *page = spaces[index].page[--spaces[index].count];
            *changed = true;
        } else {
            i++;
        }
    }
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

bool arch_console_put(char byte)
{
    arch_console_write(&byte, 1);
    return true;
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
    machine_quota = (struct quota){.limit = UINT64_MAX};
    for (unsigned i = 0; i < fake_config.processors; i++) {
        cpus[i].id = i;
        thread_init_cpu(&cpus[i], &machine_quota);
        window_start(&cpus[i], fake_now, 1000000); /* a tick is a nanosecond */
        cpus[i].current = cpus[i].idle;
    }
    task_set_info(&info);
    fake_cpu = &cpus[0];
    return fake_cpu;
}

void fake_become(struct cpu *cpu)
{
    fake_cpu = cpu;
}

struct task *fake_task_in(struct task *parent, uint64_t frames, uint8_t time_partition)
{
    const struct task_setup setup = {
        .frames = frames,
        .processors = (uint32_t)((1UL << fake_config.processors) - 1),
        .time_partition = time_partition,
        .priority = PRIORITY_MAX,
    };
    struct task *task;

    assert_int_equal(task_create(parent, &setup, &task), STATUS_OK);
    return task;
}

struct task *fake_task(struct task *parent, uint64_t frames)
{
    return fake_task_in(parent, frames, 0);
}

struct thread *fake_thread(struct task *task, uint8_t priority)
{
    struct thread *thread;

    assert_int_equal(thread_create(task, fake_cpu, priority, &thread), STATUS_OK);
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
    struct thread *next;

    do {
        again = false;
        next = kernel_syscall(self);
        take_own(self->cpu);
    } while (again && next == self);
    return fake_go(self->cpu, next);
}

/* Runs it until it goes on to another one. */
static __attribute__((noinline)) struct thread *resume(struct thread *thread)
{
    if (setjmp(restart) == 0) {
        thread->resume(thread);
    }
    return restarted;
}

struct thread *fake_go(struct cpu *cpu, struct thread *next)
{
    arch_activate(cpu, next);
    if (next->resume != arch_resume_user && next != cpu->idle && !next->vcpu) {
        return resume(next);
    }
    return next;
}

struct thread *fake_timer_fires(struct cpu *cpu)
{
    struct thread *current = cpu->current;

    fake_now = fake_timer;
    kernel_timer(cpu);
    return fake_go(cpu, current == cpu->idle ? thread_next(cpu) : kernel_preempted(current));
}

int64_t fake_status(const struct thread *thread)
{
    return (int64_t)thread->arch.frame.status;
}
