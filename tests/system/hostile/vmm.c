/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VMM that does its worst: random guest-physical maps, random code and random state pages, all
 * fields and all groups, loaded by VCPU_STATE_SET and with replies; random events injected; exits
 * answered anyhow. It lives as random.c does (life.h), and nothing may be missing afterwards.
 * A vCPU that is recalled has to come back. At the end it prints how often each call gave each
 * status and which exits came.
 *
 *   calls=N   40000
 *   life=N    calls in one life; 5000
 *   seed=N    1
 *   calm, tame: as in guests/native/lib/guest_state.h
 */
#include "abi/vcpu.h"
#include "arguments.h"
#include "chance.h"
#include "clock.h"
#include "corners.h"
#include "guest_state.h"
#include "heap.h"
#include "life.h"
#include "port.h"
#include "print.h"
#include "tally.h"

#define VCPUS 4u
#define QUOTA 300u              /* pages */
#define SCRATCH_SIZE (2 * CORNER_PIECE)
#define GUEST_PAGES 64u         /* of the guest-physical space, are mostly used */
#define SOON 100000u            /* ticks */
#define VERY_SOON 500u
#define PATIENCE_NS 100000000UL /* for a vCPU that was recalled */
#define LOST 1u                 /* codes of a life: a recalled vCPU did not come back ... */
#define LEAK 2u                 /* ... a refused state shows the kernel's */

static const char *const reasons[EXIT_REASON_COUNT] = {
    "NONE", "CPUID", "HLT", "IO", "MSR_READ", "MSR_WRITE", "MEMORY", "HYPERCALL", "XSETBV",
    "CR_ACCESS", "CACHE", "MONITOR", "VIRTUALIZATION", "EXCEPTION", "TASK_SWITCH", "SHUTDOWN",
    "RECALL", "INVALID_STATE", "UNKNOWN",
};
_Static_assert(EXIT_UNKNOWN == 18, "reasons");
static uint64_t exits[EXIT_REASON_COUNT];
static uint64_t scratch;
static thread_id vcpu[VCPUS];   /* 0: not made */

static struct vcpu_state *page_of(unsigned number)
{
    return (struct vcpu_state *)(VMM_STATE_BASE + number * PAGE_SIZE);
}

static uint64_t some_page(void)
{
    return scratch + below(SCRATCH_SIZE / PAGE_SIZE) * PAGE_SIZE;
}

static uint64_t some_size(void)
{
    return once_in(30) ? wild() : once_in(8) ? CORNER_PIECE : (1 + below(32)) * PAGE_SIZE;
}

/* Low, below 4 GiB where a processor begins, or anywhere. */
static uint64_t some_gpa(void)
{
    switch (below(8)) {
    case 0:
        return 0xffff0000 + below(16) * PAGE_SIZE;
    case 1:
        return wild();
    default:
        return below(GUEST_PAGES) * PAGE_SIZE;
    }
}

static thread_id some_vcpu(void)
{
    return once_in(20) ? (thread_id)wild() : vcpu[below(VCPUS)];
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void map_some(void)
{
    bool code = once_in(2);
    uint64_t gpa = some_gpa(), size = code ? PAGE_SIZE : some_size();
    uint64_t from = once_in(20) ? wild() : code ? guest_code_page() : some_page();
    uint64_t rights = once_in(20) ? wild() : MEM_READ | (code ? MEM_EXECUTE : any() & MEM_WRITE);

    rights |= once_in(20) ? MEM_ALL : 0;
    if (from < scratch || from >= scratch + SCRATCH_SIZE) {
        rights &= ~(uint64_t)MEM_WRITE; /* it still needs its image */
    } else if (size > scratch + SCRATCH_SIZE - from) {
        size = scratch + SCRATCH_SIZE - from;
    }
    tally(SYS_VM_MAP, syscall5(SYS_VM_MAP, gpa, from, size, rights, 0, NULL));
}

/* What good states expect. */
static void map_kit(void)
{
    uint64_t from;

    guest_tables((void *)scratch);
    tally(SYS_VM_UNMAP, sys_vm_unmap(0, GUEST_KIT_PAGES * PAGE_SIZE));
    for (unsigned i = 0; i < GUEST_KIT_PAGES; i++) {
        unsigned rights = guest_kit((void *)scratch, i, &from);

        tally(SYS_VM_MAP, sys_vm_map(i * PAGE_SIZE, from, PAGE_SIZE, rights));
    }
}

static void unmap(void)
{
    uint64_t gpa = some_gpa(), size = some_size();

    tally(SYS_VM_UNMAP, sys_vm_unmap(gpa, size));
}

static void revoke(void)
{
    tally(SYS_MEM_REVOKE, sys_mem_revoke(0, some_page(), PAGE_SIZE));
}

/* ---- vCPUs ----------------------------------------------------------------------------------- */

static void create(void)
{
    unsigned number = (unsigned)below(VCPUS);
    uint64_t address = once_in(20) ? wild() : (uint64_t)page_of(number);
    uint64_t priority = once_in(20) ? wild() : 1 + below(PARTITION_INFO->priority - 1);
    uint64_t id = 0;

    int64_t status = syscall5(SYS_VCPU_CREATE, address, priority, 0, 0, 0, &id);

    tally(SYS_VCPU_CREATE, status);
    if (status == STATUS_OK && address == (uint64_t)page_of(number)) {
        vcpu[number] = (thread_id)id;
    }
}

static void get_state(void)
{
    uint64_t groups = once_in(20) ? wild() : any() & STATE_ALL;

    tally(SYS_VCPU_STATE_GET,
          syscall5(SYS_VCPU_STATE_GET, some_vcpu(), groups, 0, 0, 0, NULL));
}

static void set_state(void)
{
    unsigned number = (unsigned)below(VCPUS);
    uint64_t groups = once_in(20) ? wild() : any() & STATE_ALL;

    if (vcpu[number]) {
        guest_state(page_of(number));
    }
    tally(SYS_VCPU_STATE_SET, syscall5(SYS_VCPU_STATE_SET, once_in(20) ? wild() : vcpu[number],
                                       groups, 0, 0, 0, NULL));
}

/* A refused state must not show the host's (an emulator leaves it in the VMCB). */
static void look_for_leak(thread_id id, const struct vcpu_state *state)
{
    const struct vcpu_segment *tables[] = {&state->gdtr, &state->idtr, &state->segment[SEG_TR]};

    tally(SYS_VCPU_STATE_GET, sys_vcpu_state_get(id, STATE_SEGMENTS | STATE_TABLES));
    for (unsigned i = 0; i < 3; i++) {
        if (guest_address_is_kernels(tables[i]->base)) {
            sys_task_end(LEAK);
        }
    }
}

static void note(const struct message *message)
{
    for (unsigned i = 0; i < VCPUS; i++) {
        if (message->status == STATUS_OK && message->kind == MESSAGE_EXIT && vcpu[i] &&
            message->from == vcpu[i]) {
            uint32_t reason = page_of(i)->exit.reason;

            exits[reason < EXIT_REASON_COUNT ? reason : EXIT_UNKNOWN]++;
            if (reason == EXIT_INVALID_STATE) {
                look_for_leak(vcpu[i], page_of(i));
            }
        }
    }
}

/* Another of higher priority may be in its way. */
static void recall_all(void)
{
    for (unsigned i = 0; i < VCPUS; i++) {
        if (vcpu[i]) {
            tally(SYS_VCPU_RECALL, sys_vcpu_recall(vcpu[i]));
        }
    }
}

/* Until that vCPU has stopped: what it does not do by itself, a recall does. */
static void wait_for(thread_id id, struct message message)
{
    for (unsigned tries = 0; message.kind != MESSAGE_EXIT || message.from != id; tries++) {
        if (tries > 100) {
            sys_task_end(LOST);
        }
        recall_all();
        message = sys_ipc_wait(clock_now() + clock_ticks(PATIENCE_NS));
        tally(SYS_IPC_WAIT, message.status);
        note(&message);
    }
}

/* It may be running. */
static void disturb(thread_id id)
{
    tally(SYS_VCPU_STATE_GET, sys_vcpu_state_get(id, STATE_ALL));
    tally(SYS_VCPU_STATE_SET, sys_vcpu_state_set(id, STATE_IP));
}

static void run(void)
{
    unsigned number = (unsigned)below(VCPUS);
    struct vcpu_state *state = page_of(number);
    thread_id id = vcpu[number];

    if (id) {
        guest_reply(state);
    }
    struct message message = sys_vcpu_run(once_in(50) ? (thread_id)wild() : id,
                                          clock_now() + below(once_in(4) ? VERY_SOON : SOON));

    tally(SYS_VCPU_RUN, message.status);
    note(&message);
    if (message.status == STATUS_OK && !once_in(4)) {
        wait_for(id, message);
    } else {
        disturb(id);
    }
}

/* Some come back from runs that were not waited for. */
static void wait(void)
{
    struct message message = sys_ipc_wait(clock_now() + below(SOON));

    tally(SYS_IPC_WAIT, message.status);
    note(&message);
}

static void recall(void)
{
    tally(SYS_VCPU_RECALL, sys_vcpu_recall(some_vcpu()));
}

static void create_vm(void)
{
    bool vtlb = once_in(2) && !argument_given("tame"); /* in real mode, which it does not do */
    uint64_t paging = once_in(8) ? wild() : vtlb ? VM_PAGING_VTLB : VM_PAGING_AUTOMATIC;
    int64_t status = sys_vm_create((enum vm_paging)paging);

    tally(SYS_VM_CREATE, status);
    if (status == STATUS_OK) {
        map_kit();
    }
}

/* ---- A life ---------------------------------------------------------------------------------- */

static void live(uint64_t number)
{
    static void (*const acts[])(void) = {run, run, run, run, run, run, run, run, set_state,
                                         set_state, get_state, wait, recall, map_some, map_some,
                                         unmap, revoke, create, create_vm};
    uint64_t end = tally_calls() + argument_number("life", 5000);

    memory_set(vcpu, 0, sizeof(vcpu));
    if (number % 8 == 0) {
        corners_of_vm(scratch);
        corner_of_threads();
        map_kit();
    }
    while (tally_calls() < end && tally_calls() < argument_number("calls", 40000)) {
        if (once_in(200)) {
            map_kit();
        }
        acts[below(sizeof(acts) / sizeof(acts[0]))]();
    }
    sys_task_end(0);
}

static void report_exits(void)
{
    print("vmm: exits:");
    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
        if (exits[i]) {
            print(" %s %lu", reasons[i] ? reasons[i] : "kept", exits[i]);
        }
    }
    print("\n");
}

static void tell_done(void)
{
    const uint64_t one = 1;
    struct port port;

    native_must("port done", port_find("done", &port));
    native_must("port done", sampling_write(&port, &one, sizeof(one)));
}

void native_main(void)
{
    const struct tally_scope scope = {.virt = true, .only_virt = true};
    struct life life = {.run = live, .quota = QUOTA, .size = SCRATCH_SIZE};
    uint64_t pages, lives = 0, code = 0;

    chance_init();
    scratch = life.memory = (uint64_t)heap_aligned(SCRATCH_SIZE, CORNER_PIECE);
    pages = life_pages();
    for (; code == 0 && tally_calls() < argument_number("calls", 40000); lives++) {
        life.argument = lives;
        code = life_run(&life);
    }
    report_exits();
    uint64_t wrong = tally_report(&scope) + code;

    print("vmm: %lu lives, %lu pages before and %lu after, code %lu, %lu missing\n", lives, pages,
          life_pages(), code, life_pages() - pages);
    tell_done();
    native_end(wrong ? 1 : 0);
}
