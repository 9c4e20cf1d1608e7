/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes memory from a VM whose vCPU uses it: a small VMM gives a guest one page of code and one
 * that it counts in, lets it run, and another thread, on each of the partition's processors in
 * turn, revokes the second page. The vCPU exits with EXIT_MEMORY there, the count stands still,
 * and after the page was given back it counts on.
 */
#include "abi/vcpu.h"
#include "clock.h"
#include "heap.h"
#include "native.h"
#include "print.h"
#include "thread.h"

#define ROUNDS 20u
#define GUEST_CODE 0x1000UL
#define GUEST_COUNT 0x2000UL
#define PATIENCE_NS 1000000000UL
#define RFLAGS_START 0x202u /* with IF: without, Bochs does not interrupt it */
#define CR0_PE_ET_NE 0x31u
#define PAT_RESET 0x0007040600070406UL

/* In a page of our own code, as only that can be executed: incl [GUEST_COUNT]; jmp back; 32 bits */
__asm__(".pushsection .text\n"
        ".balign 4096\n"
        ".global guest_code\n"
        "guest_code: .byte 0xff, 0x05, 0x00, 0x20, 0x00, 0x00, 0xeb, 0xf8\n"
        ".balign 4096\n"
        ".popsection");
extern const uint8_t guest_code[];

static struct vcpu_state *const state = (struct vcpu_state *)VMM_STATE_BASE;
static volatile uint32_t *count;
static volatile bool wanted, revoked;

static void set_state(void)
{
    const struct vcpu_segment data = {.selector = 0x10, .attributes = 0xc93, .limit = UINT32_MAX};

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        state->segment[i] = data;
    }
    state->segment[SEG_CS] =
        (struct vcpu_segment){.selector = 0x8, .attributes = 0xc9b, .limit = UINT32_MAX};
    state->segment[SEG_TR] =
        (struct vcpu_segment){.selector = 0x18, .attributes = 0x8b, .limit = 0x67};
    state->segment[SEG_LDTR] = (struct vcpu_segment){.attributes = SEGMENT_UNUSABLE};
    state->rip = GUEST_CODE;
    state->rflags = RFLAGS_START;
    state->cr0 = CR0_PE_ET_NE;
    state->pat = PAT_RESET;
    state->dr7 = 0x400;
    state->xcr0 = 1;
    state->dirty = STATE_ALL & ~(uint32_t)(STATE_CODE | STATE_XCR0);
}

/* Of a higher priority than the vCPU: it interrupts it on its own processor. */
static void revoke(uint64_t unused)
{
    tsc_time patience = clock_now() + clock_ticks(PATIENCE_NS);
    uint32_t before = *count;

    (void)unused;
    while (*count == before) {
        if (clock_now() > patience) {
            native_fail("the guest does not count", STATUS_TIMEOUT);
        }
        clock_sleep(clock_now() + clock_ticks(1000000));
    }
    __atomic_store_n(&wanted, false, __ATOMIC_RELEASE);
    native_must("revoking", sys_mem_revoke(0, (uint64_t)count, PAGE_SIZE));
    before = *count;
    clock_sleep(clock_now() + clock_ticks(1000000));
    if (*count != before) {
        native_fail("the guest still counts", STATUS_OK);
    }
    __atomic_store_n(&revoked, true, __ATOMIC_RELEASE);
}

static void one_round(thread_id vcpu, unsigned processor)
{
    const struct thread_setup taker = {.run = revoke, .processor = processor,
                                       .priority = PARTITION_INFO->priority};
    thread_id id;

    native_must("its memory", sys_vm_map(GUEST_COUNT, (uint64_t)count, PAGE_SIZE,
                                         MEM_READ | MEM_WRITE));
    __atomic_store_n(&revoked, false, __ATOMIC_RELEASE);
    __atomic_store_n(&wanted, true, __ATOMIC_RELEASE);
    native_must("a thread", thread_start(&taker, &id));
    struct message message = sys_vcpu_run(vcpu, clock_now() + clock_ticks(PATIENCE_NS));

    while (message.status == STATUS_OK && message.kind == MESSAGE_EVENTS) {
        message = sys_ipc_wait(clock_now() + clock_ticks(PATIENCE_NS));
    }
    if (message.status != STATUS_OK || message.kind != MESSAGE_EXIT) {
        native_fail("no exit", message.status == STATUS_OK ? STATUS_TIMEOUT : message.status);
    }
    if (state->exit.reason != EXIT_MEMORY || state->exit.memory.gpa != GUEST_COUNT) {
        print("revoke: exit %u at 0x%lx\n", state->exit.reason, state->exit.memory.gpa);
        native_end(1);
    }
    if (__atomic_load_n(&wanted, __ATOMIC_ACQUIRE)) {
        print("revoke: an exit before it was time, rip 0x%lx, access %u\n", state->rip,
              state->exit.memory.access);
        native_end(1);
    }
    while (!__atomic_load_n(&revoked, __ATOMIC_ACQUIRE)) {
        clock_sleep(clock_now() + clock_ticks(1000000));
    }
    state->dirty = 0;
}

void native_main(void)
{
    uint32_t processors = PARTITION_INFO->processors;
    unsigned rounds = 0;
    thread_id vcpu;

    count = heap_pages(PAGE_SIZE);
    native_must("a VM", sys_vm_create(VM_PAGING_AUTOMATIC));
    native_must("its code", sys_vm_map(GUEST_CODE, (uint64_t)guest_code, PAGE_SIZE,
                                       MEM_READ | MEM_EXECUTE));
    native_must("a vCPU", sys_vcpu_create(VMM_STATE_BASE, PARTITION_INFO->priority - 1, &vcpu));
    set_state();
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned processor = 0; processor < 32; processor++) {
            if (processors >> processor & 1) {
                one_round(vcpu, processor);
                rounds++;
            }
        }
    }
    print("revoke: %u times in use\n", rounds);
}
