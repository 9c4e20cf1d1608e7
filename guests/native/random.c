/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random system calls with random arguments: some as they should be, some with one argument
 * spoiled, some without any sense. They are made in child tasks that live one after the other
 * (life.h): children of theirs are the victims, whose threads begin anywhere; where the machine
 * has virtualization, VMs and vCPUs too, with random memory and state. Each life ends as it is, and
 * not a page of kernel memory may be missing then. At the end it prints how often each call gave
 * each status; every one that docs/interface.md tells has to come, and no other.
 *
 *   calls=N   100000
 *   life=N    calls in one life; 20000
 *   quota=N   pages of kernel memory of one life; 400
 *   seed=N    1
 *   port=N    an I/O port that it holds, with the three behind it; none
 *   irq=N     an interrupt line that it holds, and
 *   line=N    another, which the board does not have
 *   names     at the beginning and at the end makes tasks until there are no more names
 *
 * A life leaves alone what it stands on: its image, its stacks, its own end. When all is over, who
 * listens at its port "done" is told.
 */
#include "abi/vcpu.h"
#include "arguments.h"
#include "chance.h"
#include "clock.h"
#include "corners.h"
#include "heap.h"
#include "life.h"
#include "port.h"
#include "print.h"
#include "tally.h"
#include "thread.h"

#define CHILDREN 6u
#define CHILD_QUOTA 40u      /* pages, at most */
#define NAMES 16u            /* of threads that are remembered */
#define OWN_THREADS 24u      /* as threads come back with their task only */
#define VCPUS 3u
#define CHILD_BASE 0x0000500000000000UL /* where children get it */
#define CHILD_SIZE 0x40000UL
#define CHILD_STACK 0x0000500010000000UL /* top of the one stack that its threads share */
#define SOON 3000u           /* ticks of a wait */
#define REVOKE_MAX 0x8000u   /* bytes */
#define NAMES_QUOTA 2400u    /* pages: as many tasks as there are names */
#define SCRATCH_SIZE (2 * CORNER_PIECE)
#define STACK_SIZE 0x1000u

static task_id child[CHILDREN];     /* 0: none */
static unsigned child_priority[CHILDREN];
static thread_id thread[NAMES];     /* of children, living and dead */
static unsigned next_thread;
static thread_id self, server, sink, far, vcpu[VCPUS]; /* far: on another processor, or 0 */
static thread_id caller;            /* who waits for an answer of ours */
static unsigned own_threads;
static uint64_t scratch; /* of the heap: what is given, taken and unmapped */

/* ---- Sensible arguments ---------------------------------------------------------------------- */

static task_id some_child(void)
{
    return child[below(CHILDREN)];
}

static thread_id some_thread(void)
{
    switch (below(7)) {
    case 6:
        return far;
    case 0:
        return server;
    case 1:
        return sink;
    case 2:
        return once_in(8) ? PARTITION_INFO->console : sink;
    case 3:
        return caller;
    case 4:
        return 0x10000 | (thread_id)below(16); /* whosever it is */
    default:
        return thread[below(NAMES)];
    }
}

static thread_id some_vcpu(void)
{
    return vcpu[below(VCPUS)];
}

static uint64_t some_size(void)
{
    return (1 + below(once_in(10) ? 512 : 4)) * PAGE_SIZE;
}

static uint64_t some_scratch(void)
{
    return scratch + below(SCRATCH_SIZE / PAGE_SIZE) * PAGE_SIZE;
}

static uint64_t some_place(void)
{
    return CHILD_BASE + below(CHILD_SIZE / PAGE_SIZE) * PAGE_SIZE;
}

static uint64_t some_rights(void)
{
    return MEM_READ | (once_in(2) ? MEM_WRITE : 0);
}

static tsc_time some_deadline(void)
{
    return once_in(3) ? TSC_NOW : clock_now() + below(SOON);
}

static unsigned some_processor(void)
{
    return once_in(4) ? thread_last_processor() : thread_first_processor();
}

static uint64_t some_line(void)
{
    return argument_number(once_in(2) ? "irq" : "line", below(IRQ_LINES));
}

/* Below ours, if there are any: what it does not leave is lost. */
static unsigned some_priority(void)
{
    unsigned priority = PARTITION_INFO->priority;

    return 1 + (unsigned)below(priority > PRIORITY_MIN ? priority - 1 : priority);
}

/* ---- What threads of children do ------------------------------------------------------------- */

/* These need no stack. */
__asm__(".pushsection .text\n"
        "end_task: mov $17, %eax\n"
        "syscall\n"
        "end_thread: mov $22, %eax\n"
        "syscall\n"
        ".popsection\n");
_Static_assert(SYS_TASK_END == 17 && SYS_THREAD_END == 22, "end_task, end_thread");
void end_task(uint64_t code), end_thread(uint64_t unused);

static void keep_waiting(uint64_t unused)
{
    (void)unused;
    for (;;) {
        sys_ipc_wait(TSC_NEVER);
    }
}

static void keep_calling(uint64_t whom)
{
    for (;;) {
        const uint64_t words[4] = {1, 2, 3, 4};

        sys_ipc_call((thread_id)whom, clock_now() + 20 * SOON, words);
        sys_ipc_wait(clock_now() + SOON);
    }
}

static void keep_running(uint64_t unused)
{
    (void)unused;
    for (;;) {
        __builtin_ia32_pause();
    }
}

static uint64_t some_entry(void)
{
    static void (*const entries[])(uint64_t) = {
        end_task, end_thread, keep_waiting, keep_calling, keep_calling, keep_running,
    };

    return once_in(3) ? wild() % USER_TOP
                      : (uint64_t)entries[below(sizeof(entries) / sizeof(entries[0]))];
}

static void serve(uint64_t unused)
{
    struct message message = sys_ipc_wait(TSC_NEVER);

    (void)unused;
    for (;;) {
        message = sys_ipc_reply_wait(message.from, TSC_NEVER, message.word);
        if (message.status != STATUS_OK) {
            message.from = 0;
        }
    }
}

/* ---- Calls as they should be ----------------------------------------------------------------- */

static void fill_messages(enum syscall number, uint64_t arg[6])
{
    arg[0] = number == SYS_IPC_REPLY_WAIT && once_in(2) ? caller : some_thread();
    arg[1] = number == SYS_IPC_CALL ? clock_now() + SOON + below(4 * SOON) : some_deadline();
    if (number == SYS_IPC_REPLY_WAIT) {
        arg[2] = below(4); /* enum exception_answer */
    }
    if (number == SYS_EVENT_SIGNAL) {
        arg[1] = any();
    }
}

static void fill_quick(enum syscall number, uint64_t arg[6])
{
    switch (number) {
    case SYS_VCPU_RUN:
        arg[0] = some_vcpu();
        arg[1] = some_deadline();
        break;
    case SYS_VCPU_STATE_GET:
    case SYS_VCPU_STATE_SET:
        arg[0] = some_vcpu();
        arg[1] = any() & STATE_ALL;
        break;
    case SYS_VCPU_RECALL:
        arg[0] = some_vcpu();
        break;
    case SYS_PORT_READ:
    case SYS_PORT_WRITE:
        arg[0] = argument_number("port", below(PORT_COUNT)) + below(4);
        arg[1] = 1;
        break;
    default:
        fill_messages(number, arg);
    }
}

static void fill_task(enum syscall number, uint64_t arg[6])
{
    const struct partition_info *info = PARTITION_INFO;

    switch (number) {
    case SYS_TASK_CREATE:
        arg[0] = below(CHILD_QUOTA);
        arg[1] = info->processors;
        arg[2] = info->time_partition;
        arg[3] = some_priority();
        break;
    case SYS_THREAD_CREATE:
        arg[0] = some_child();
        arg[1] = some_entry();
        arg[2] = once_in(4) ? some_place() : CHILD_STACK - 8;
        arg[3] = some_priority() | (uint64_t)some_processor() << 8;
        arg[4] = once_in(2) ? self : server;
        arg[5] = arg[3] >> 8 != thread_first_processor() || once_in(10) ? 0 : self;
        break;
    default:
        arg[0] = some_child();
    }
}

static void fill_memory(enum syscall number, uint64_t arg[6])
{
    switch (number) {
    case SYS_MEM_MAP:
        arg[0] = some_child();
        arg[1] = some_scratch();
        arg[2] = some_place();
        arg[3] = some_size();
        arg[4] = some_rights();
        break;
    case SYS_MEM_UNMAP:
        arg[0] = some_child();
        arg[1] = some_place();
        arg[2] = some_size();
        if (once_in(20)) {
            arg[0] = 0;
            arg[1] = scratch + SCRATCH_SIZE / 2 + below(SCRATCH_SIZE / 4 / PAGE_SIZE) * PAGE_SIZE;
        }
        break;
    default: /* SYS_MEM_REVOKE */
        arg[0] = once_in(3) ? 0 : some_child();
        arg[1] = once_in(50) ? VMM_STATE_BASE : some_scratch();
        arg[2] = some_size();
        arg[3] = arg[4] = 0;
    }
}

static void fill_right(enum syscall number, uint64_t arg[6])
{
    arg[0] = some_child();
    arg[1] = once_in(3) ? RIGHT_PEER : once_in(2) ? RIGHT_IRQ : RIGHT_PORT;
    arg[2] = arg[1] == RIGHT_PORT  ? argument_number("port", 0x80)
             : arg[1] == RIGHT_IRQ ? some_line()
                                   : some_child() & 0xffff;
    arg[3] = 1;
    if (number == SYS_RIGHT_TAKE && once_in(4)) {
        arg[2] = 0;
        arg[3] = arg[1] == RIGHT_PORT ? PORT_COUNT : 64;
    }
}

static void fill_vm(enum syscall number, uint64_t arg[6])
{
    switch (number) {
    case SYS_VM_MAP:
        arg[0] = below(64) * PAGE_SIZE;
        arg[1] = some_scratch();
        arg[2] = some_size();
        arg[3] = some_rights();
        break;
    case SYS_VM_UNMAP:
        arg[0] = below(64) * PAGE_SIZE;
        arg[1] = some_size();
        break;
    default: /* SYS_VCPU_CREATE */
        arg[0] = VMM_STATE_BASE + below(VCPUS) * PAGE_SIZE;
        arg[1] = some_priority();
    }
}

static void fill(enum syscall number, uint64_t arg[6])
{
    if (number < SYSCALL_QUICK) {
        fill_quick(number, arg);
    } else if (number >= SYS_TASK_CREATE && number <= SYS_THREAD_END) {
        fill_task(number, arg);
    } else if (number >= SYS_MEM_MAP && number <= SYS_MEM_REVOKE) {
        fill_memory(number, arg);
    } else if (number == SYS_RIGHT_GIVE || number == SYS_RIGHT_TAKE) {
        fill_right(number, arg);
    } else if (number == SYS_IRQ_LISTEN || number == SYS_IRQ_DONE) {
        arg[0] = some_line();
        arg[1] = 1UL << 8;
    } else if (number >= SYS_VM_CREATE) {
        fill_vm(number, arg);
    }
}

/* ---- What must not be done ------------------------------------------------------------------- */

static bool is_child(uint64_t id)
{
    for (unsigned i = 0; i < CHILDREN; i++) {
        if (child[i] && child[i] == (task_id)id) {
            return true;
        }
    }
    return false;
}

/* Does the range touch anything but the scratch memory? One that makes no sense does not. */
static bool touches_own(uint64_t address, uint64_t size)
{
    uint64_t end = address + size;
    bool inside = address >= scratch && address < scratch + SCRATCH_SIZE && end >= address &&
                  end <= scratch + SCRATCH_SIZE;

    return !inside;
}

/* Nobody may write there but this program. */
static void protect_source(uint64_t *address, uint64_t size, uint64_t *rights)
{
    if (touches_own(*address, size)) {
        *rights &= ~(uint64_t)MEM_WRITE;
    }
}

/* Every wait comes to an end. */
static void bound_wait(enum syscall number, uint64_t arg[6])
{
    if (number <= SYS_IPC_REPLY_WAIT || number == SYS_VCPU_RUN) {
        tsc_time last = clock_now() + 20 * SOON;

        if (arg[1] > last) {
            arg[1] = last;
        }
    }
    if (number <= SYS_IPC_REPLY_WAIT && arg[0] == PARTITION_INFO->console) {
        arg[2] |= 0x100; /* no error is raised */
    }
}

/* False: this call is left out. */
static bool make_safe(enum syscall number, uint64_t arg[6])
{
    bound_wait(number, arg);
    switch (number) {
    case SYS_TASK_END:
    case SYS_THREAD_END:
        return false;
    case SYS_THREAD_CREATE:
        /* A thread of this task that begins anywhere would be its end. */
        if (!is_child(arg[0])) {
            arg[3] &= ~0xffUL; /* no such priority */
        }
        return true;
    case SYS_MEM_UNMAP:
        return is_child(arg[0]) || !touches_own(arg[1], arg[2]) || arg[2] == 0 ||
               (arg[1] | arg[2]) % PAGE_SIZE != 0;
    case SYS_MEM_REVOKE: /* one look at every table for each page: it would take hours */
        if (arg[2] < USER_TOP) {
            arg[2] %= REVOKE_MAX;
        }
        return true;
    case SYS_MEM_MAP:
        protect_source(&arg[1], arg[3], &arg[4]);
        return true;
    case SYS_VM_MAP:
        protect_source(&arg[1], arg[2], &arg[3]);
        return true;
    case SYS_VCPU_CREATE: /* they come back with the task only */
        return own_threads < OWN_THREADS || arg[1] == 0;
    default:
        return true;
    }
}

/* ---- What came of it ------------------------------------------------------------------------- */

static void remember_thread(thread_id id)
{
    thread[next_thread++ % NAMES] = id;
}

/* The code and a stack that the new child's threads can begin with. */
static void furnish(task_id id)
{
    const uint64_t text = USER_IMAGE_BASE;

    for (uint64_t page = 0; page < 8; page++) {
        tally(SYS_MEM_MAP, sys_mem_map(id, text + page * PAGE_SIZE, text + page * PAGE_SIZE,
                                       PAGE_SIZE, MEM_READ | MEM_EXECUTE));
    }
    tally(SYS_MEM_MAP, sys_mem_map(id, scratch, CHILD_STACK - PAGE_SIZE, PAGE_SIZE,
                                   MEM_READ | MEM_WRITE));
}

static void new_child(task_id id, uint64_t priority)
{
    for (unsigned i = 0; i < CHILDREN; i++) {
        if (!child[i]) {
            child[i] = id;
            child_priority[i] = (unsigned)priority;
            if (!once_in(3)) {
                furnish(id);
            }
            return;
        }
    }
    tally(SYS_TASK_STOP, sys_task_stop(id));
    tally(SYS_TASK_DESTROY, sys_task_destroy(id));
}

static void forget_child(task_id id)
{
    for (unsigned i = 0; i < CHILDREN; i++) {
        if (child[i] == id) {
            child[i] = 0;
        }
    }
}

/* An exception or a call waits for us. */
static void look_at_message(const struct syscall_frame *frame)
{
    if (frame->arg[1] == MESSAGE_IPC || frame->arg[1] == MESSAGE_EXCEPTION) {
        caller = (thread_id)frame->arg[0];
    }
}

/* Those with a state page elsewhere run no guest. */
static void remember_vcpu(uint64_t state, thread_id id)
{
    uint64_t number = (state - VMM_STATE_BASE) / PAGE_SIZE;

    if (number < VCPUS) {
        vcpu[number] = id;
    }
}

static void note_result(enum syscall number, const struct syscall_frame *before,
                        const struct syscall_frame *after)
{
    switch (number) {
    case SYS_IPC_WAIT:
    case SYS_IPC_REPLY_WAIT:
    case SYS_VCPU_RUN:
        look_at_message(after);
        break;
    case SYS_TASK_CREATE:
        new_child((task_id)after->arg[0], before->arg[3]);
        break;
    case SYS_TASK_DESTROY:
        forget_child((task_id)before->arg[0]);
        break;
    case SYS_THREAD_CREATE:
        remember_thread((thread_id)after->arg[0]);
        break;
    case SYS_VCPU_CREATE:
        own_threads++;
        remember_vcpu(before->arg[0], (thread_id)after->arg[0]);
        break;
    default:
        break;
    }
}

/* Calls that end their caller are made by threads of children: counted when one has ended. */
static void end_by_itself(enum syscall number)
{
    unsigned which = (unsigned)below(CHILDREN);
    task_id id = child[which];
    struct task_report before, after;
    thread_id made;
    const struct thread_parameters parameters = {
        .entry = (uint64_t)(number == SYS_TASK_END ? end_task : end_thread),
        .stack = CHILD_BASE,
        .priority = child_priority[which],
        .processor = thread_first_processor(),
    };

    if (!id || sys_task_status(id, &before) != STATUS_OK || before.state != TASK_RUNS) {
        return;
    }
    int64_t status = sys_thread_create(id, &parameters, &made);

    tally(SYS_THREAD_CREATE, status);
    if (status != STATUS_OK) {
        return;
    }
    sys_ipc_wait(clock_now() + 10 * SOON);
    if (sys_task_status(id, &after) != STATUS_OK) {
        return;
    }
    bool ended = number == SYS_TASK_END
                     ? after.state == TASK_ENDED
                     : after.state == TASK_RUNS && sys_event_signal(made, 1) == STATUS_BAD_ID;

    if (ended) {
        tally(number, STATUS_OK);
    }
}

/* ---- One call -------------------------------------------------------------------------------- */

/* State pages are the program's to write as it likes. */
static void spoil_state(void)
{
    unsigned number = (unsigned)below(VCPUS);
    struct vcpu_state *state = (struct vcpu_state *)(VMM_STATE_BASE + number * PAGE_SIZE);

    if (!vcpu[number]) {
        return;
    }
    state->injection = (struct vcpu_injection){0};
    state->irq = 0;
    state->dirty = 0;
    if (once_in(2)) {
        for (uint64_t i = below(8); i > 0; i--) {
            ((volatile uint64_t *)state)[below(sizeof(*state) / 8)] = wild();
        }
        state->dirty = once_in(2) ? 1u << below(9) : (uint32_t)any();
    }
}

/* Some calls end what others need, and some are always refused. */
static bool is_too_often(uint64_t number)
{
    bool is_end = number == SYS_TASK_STOP || number == SYS_TASK_END;
    bool is_sigma0s = number >= SYS_CONSOLE_WRITE && number <= SYS_SCHEDULE_SET;

    return (is_end || is_sigma0s) && !once_in(8);
}

static void one_call(void)
{
    uint64_t number = once_in(200) ? wild() : below(SYSCALL_COUNT);
    struct syscall_frame frame;

    if (is_too_often(number)) {
        return;
    }
    for (unsigned i = 0; i < 6; i++) {
        frame.arg[i] = wild();
    }
    if (number < SYSCALL_COUNT && !once_in(5)) {
        fill((enum syscall)number, frame.arg);
        if (once_in(5)) {
            frame.arg[below(6)] = wild();
        }
    }
    if (number >= SYS_VM_CREATE || number == SYS_VCPU_RUN) {
        spoil_state();
    }
    if (number == SYS_TASK_END || number == SYS_THREAD_END) {
        end_by_itself((enum syscall)number);
    }
    if (!make_safe((enum syscall)number, frame.arg)) {
        return;
    }
    const struct syscall_frame before = frame;
    int64_t status = syscall_full(number, &frame);

    tally(number, status);
    if (status == STATUS_OK) {
        note_result((enum syscall)number, &before, &frame);
    }
}

/* ---- A life ---------------------------------------------------------------------------------- */

/* Waits for calls, and holds the first line in every second life. */
static void serve_lines(uint64_t number)
{
    if (number % 2 && argument_given("irq")) {
        tally(SYS_IRQ_LISTEN, sys_irq_listen((uint32_t)argument_number("irq", 0), 1UL << 9));
    }
    serve(0);
}

static thread_id begin_thread(void (*entry)(uint64_t), uint64_t argument, unsigned processor,
                              const uint8_t *top)
{
    const struct thread_parameters parameters = {
        .entry = (uint64_t)entry,
        .stack = (uint64_t)top - 8,
        .priority = PARTITION_INFO->priority,
        .processor = processor,
        .argument = argument,
    };
    thread_id id;

    tally(SYS_THREAD_CREATE, sys_thread_create_from(0, &parameters, &id, &self));
    return id;
}

static void begin(uint64_t number)
{
    static uint8_t stacks[3][STACK_SIZE] __attribute__((aligned(16)));
    unsigned first = thread_first_processor();
    unsigned last = 31u - (unsigned)__builtin_clz(PARTITION_INFO->processors);

    memory_set(child, 0, sizeof(child));
    memory_set(thread, 0, sizeof(thread));
    memory_set(vcpu, 0, sizeof(vcpu));
    caller = far = 0;
    own_threads = 0;
    server = begin_thread(serve_lines, number, first, stacks[0] + STACK_SIZE);
    sink = begin_thread(keep_waiting, 0, first, stacks[1] + STACK_SIZE);
    if (last != first) {
        far = begin_thread(keep_waiting, 0, last, stacks[2] + STACK_SIZE);
    }
    sys_ipc_wait(clock_now() + clock_ticks(1000000));
}

/* The statuses of these calls are tallied too, whether there is virtualization or not. */
static void visit_corners(void)
{
    if (KERNEL_INFO->virt_caps & VIRT_PRESENT) {
        corners_of_vm(scratch);
    }
    corners_of_memory(scratch);
    corner_of_threads();
    corner_of_ending();
}

static void live(uint64_t number)
{
    uint64_t end = tally_calls() + argument_number("life", 20000);
    uint64_t all = argument_number("calls", 100000);

    begin(number);
    if (once_in(2) || number == 0) {
        visit_corners();
    }
    while (tally_calls() < end && tally_calls() < all) {
        one_call();
    }
    sys_task_end(0);
}

static void live_on_names(uint64_t unused)
{
    (void)unused;
    sys_task_end(corner_of_names());
}

/* ---- The program ----------------------------------------------------------------------------- */

static uint64_t count_names(void)
{
    const struct life life = {.run = live_on_names, .quota = NAMES_QUOTA};

    return argument_given("names") ? life_run(&life) : 0;
}

static void tell_done(void)
{
    const uint64_t one = 1;
    struct port port;

    if (port_find("done", &port) == STATUS_OK) {
        native_must("port done", sampling_write(&port, &one, sizeof(one)));
    }
}

static uint64_t report(void)
{
    uint32_t processors = PARTITION_INFO->processors;
    const struct tally_scope scope = {
        .virt = (KERNEL_INFO->virt_caps & VIRT_PRESENT) != 0,
        .ports = argument_given("port"),
        .irqs = argument_given("irq"),
        .elsewhere = (processors & (processors - 1)) != 0,
        .names = argument_given("names"),
    };

    return tally_report(&scope);
}

void native_main(void)
{
    struct life life = {.run = live, .quota = argument_number("quota", 400)};
    uint64_t names, lives = 0;

    chance_init();
    scratch = (uint64_t)heap_aligned(SCRATCH_SIZE, CORNER_PIECE);
    life.memory = scratch;
    life.size = SCRATCH_SIZE;
    names = count_names();
    uint64_t pages = life_pages();

    for (; tally_calls() < argument_number("calls", 100000); lives++) {
        life.argument = lives;
        if (life_run(&life) != 0) {
            native_fail("a life ended with a code", STATUS_OK);
        }
    }
    uint64_t wrong = report();
    uint64_t missing = names - count_names() + life_pages() - pages;

    print("random: %lu lives, %lu pages before and %lu after, %lu tasks at once, %lu missing\n",
          lives, pages, life_pages(), names, missing);
    tell_done();
    native_end(wrong || missing ? 1 : 0);
}
