/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/kernel/memory.c hypervisor/kernel/log.c hypervisor/kernel/thread.c hypervisor/kernel/task.c hypervisor/kernel/ending.c hypervisor/kernel/ipc.c hypervisor/kernel/sched.c hypervisor/kernel/timeout.c hypervisor/kernel/window.c hypervisor/kernel/remote.c hypervisor/kernel/map.c hypervisor/kernel/rights.c hypervisor/kernel/irq.c hypervisor/kernel/reclaim.c hypervisor/kernel/syscall.c hypervisor/kernel/console.c hypervisor/virt/virt.c hypervisor/virt/vm.c hypervisor/virt/vcpu.c hypervisor/virt/exit.c hypervisor/virt/vtlb.c hypervisor/virt/shadow.c hypervisor/lib/walk.c hypervisor/lib/insn.c hypervisor/lib/string.c hypervisor/lib/format.c tests/unit/fake/arch.c */
/* cflags: -Itests/unit/fake */
/* VMs and vCPUs on the fake machine, with a backend that writes down what it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/config.h"
#include "fake.h"
#include "kernel/map.h"
#include "kernel/virtualization.h"
#include "virt/exit.h"
#include "virt/vcpu.h"
#include "virt/virt.h"
#include "virt/vm.h"

/* ---- The backend --------------------------------------------------------------------------- */

struct fake_vcpu {
    struct vcpu vcpu;
    void *frame;
    struct vcpu_ip ip;
};

static struct {
    unsigned loads, unloads, entries, sets;
    struct vcpu_state set;  /* by state_set */
    struct vcpu_event event; /* injected last */
    bool interruptible, window;
    uint64_t generation;    /* at the last entry */
} seen;

static struct fake_vcpu *fake_of(struct vcpu *vcpu)
{
    return (struct fake_vcpu *)vcpu;
}

static const char *probe(uint32_t *caps)
{
    *caps = VIRT_NESTED_PAGING;
    return NULL;
}

static enum status cpu_enable(struct cpu *cpu, struct quota *quota)
{
    (void)cpu;
    (void)quota;
    return STATUS_OK;
}

static void cpu_disable(struct cpu *cpu)
{
    (void)cpu;
}

static enum status vcpu_init(struct vcpu *vcpu)
{
    fake_of(vcpu)->frame = frame_alloc(vcpu->vm->quota);
    return fake_of(vcpu)->frame ? STATUS_OK : STATUS_NO_MEMORY;
}

static void vcpu_destroy(struct vcpu *vcpu)
{
    frame_free(vcpu->vm->quota, fake_of(vcpu)->frame);
}

static void load(struct vcpu *vcpu)
{
    assert_ptr_equal(arch_this_cpu()->vcpu, vcpu);
    seen.loads++;
}

static void unload(struct vcpu *vcpu)
{
    assert_ptr_equal(arch_this_cpu()->vcpu, vcpu);
    seen.unloads++;
}

static void load_ip(struct vcpu *vcpu)
{
    fake_of(vcpu)->ip = vcpu->ip;
}

static void resume(struct thread *self)
{
    struct vcpu *vcpu = self->vcpu;

    if (!vcpu_prepared(self)) {
        vcpu_prepare(self);
    }

    assert_ptr_equal(arch_this_cpu()->vcpu, vcpu);
    if (vcpu->new_ip) {
        vcpu->new_ip = false;
        load_ip(vcpu);
    }
    seen.generation = vcpu->vm->generation;
    seen.entries++;
}

static void host_event(struct vcpu *vcpu, const struct vcpu_exit *exit)
{
    (void)vcpu;
    (void)exit;
}

static void state_get(struct vcpu *vcpu, uint32_t groups)
{
    if (groups & STATE_IP) {
        vcpu->state->rip = fake_of(vcpu)->ip.rip;
    }
}

/* One value stands for all that must not reach the hardware. */
static enum status state_set(struct vcpu *vcpu, const struct vcpu_state *in, uint32_t groups)
{
    (void)groups;
    if (in->cr3 == 0xbad) {
        return STATUS_BAD_ARGUMENT;
    }
    seen.sets++;
    seen.set = *in;
    fake_of(vcpu)->ip.rip = in->rip;
    return STATUS_OK;
}

static void inject(struct vcpu *vcpu, const struct vcpu_event *event)
{
    (void)vcpu;
    seen.event = *event;
}

static bool offer_irq(struct vcpu *vcpu, bool busy)
{
    if (vcpu->irq && !busy && seen.interruptible) {
        inject(vcpu, &(struct vcpu_event){.type = EVENT_EXTERNAL, .vector = (uint8_t)vcpu->irq});
        vcpu->irq = 0;
    }
    seen.window = vcpu->irq != 0;
    return seen.window;
}

static struct virt_ops fake_ops = {
    .name = "fake",
    .probe = probe,
    .cpu_enable = cpu_enable,
    .cpu_disable = cpu_disable,
    .vcpu_init = vcpu_init,
    .vcpu_destroy = vcpu_destroy,
    .load = load,
    .unload = unload,
    .resume = resume,
    .host_event = host_event,
    .state_get = state_get,
    .state_set = state_set,
    .load_ip = load_ip,
    .inject = inject,
    .offer_irq = offer_irq,
};
const struct virt_ops *const virt_backends[] = {&fake_ops, NULL};

/* ---- A VMM with two vCPUs -------------------------------------------------------------------- */

#define PAGE_AT(n) (0x10000000UL + (n)*PAGE_SIZE)

static struct cpu *cpu;
static struct task *root, *vmm;
static struct thread *handler, *vcpu_thread;
static struct vcpu *vcpu;
static struct vcpu_state *page;

static int64_t call_as(struct thread *self, enum syscall number, uint64_t a0, uint64_t a1)
{
    struct thread *before = self->cpu->current;

    arch_activate(self->cpu, self);
    fake_call(self, number, a0, a1, 0, 0, 0, 0);
    arch_activate(self->cpu, before);
    return fake_status(self);
}

static int64_t call(enum syscall number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    fake_call(handler, number, a0, a1, a2, a3, 0, 0);
    return fake_status(handler);
}

static int set_up(void **state)
{
    struct quota quota = {.limit = 4};

    (void)state;
    fake_config.processors = 2;
    fake_ops.gpa_format = arch_user_format;
    memset(&seen, 0, sizeof(seen));
    cpu = fake_machine();
    assert_int_equal(virt_init(cpu, &quota), VIRT_PRESENT | VIRT_NESTED_PAGING);
    root = fake_task(NULL, 200);
    vmm = fake_task(root, 40);
    handler = fake_thread(vmm, 50);
    assert_ptr_equal(fake_go(cpu, fake_run(cpu)), handler);
    assert_int_equal(call(SYS_VM_CREATE, 0, 0, 0, 0), STATUS_OK);
    assert_int_equal(call(SYS_VCPU_CREATE, PAGE_AT(0), 50, 0, 0), STATUS_OK);
    vcpu_thread = thread_find((thread_id)handler->arch.frame.arg[0]);
    vcpu = vcpu_thread->vcpu;
    page = vcpu->state;
    return 0;
}

/* The handler replies; the vCPU runs, up to its entry. */
static int64_t run(void)
{
    struct thread *next = fake_call(handler, SYS_VCPU_RUN, vcpu_thread->id, TSC_NEVER, 0, 0, 0, 0);

    if (next == vcpu_thread) {
        next->resume(next);
        return STATUS_OK;
    }
    return fake_status(handler);
}

static struct thread *exit_for(enum exit_reason reason)
{
    struct vcpu_exit exit = {.reason = reason, .insn_length = 2};
    struct thread *next = vcpu_exited(vcpu, &exit);

    return fake_go(cpu, next);
}

/* ---- Making and ending ----------------------------------------------------------------------- */

static void test_create_errors(void **state)
{
    (void)state;
    assert_int_equal(call(SYS_VM_CREATE, 0, 0, 0, 0), STATUS_EXISTS);
    assert_int_equal(call(SYS_VCPU_CREATE, PAGE_AT(1) + 8, 50, 0, 0), STATUS_BAD_ARGUMENT);
    assert_int_equal(call(SYS_VCPU_CREATE, 1UL << 47, 50, 0, 0), STATUS_BAD_ARGUMENT);
    assert_int_equal(call(SYS_VCPU_CREATE, PAGE_AT(1), 0, 0, 0), STATUS_BAD_ARGUMENT);
    assert_int_equal(call(SYS_VCPU_CREATE, PAGE_AT(1), 51, 0, 0), STATUS_BAD_ARGUMENT);
    uint64_t used = vmm->quota.used, free = memory_free();

    assert_int_equal(call(SYS_VCPU_CREATE, PAGE_AT(0), 50, 0, 0), STATUS_EXISTS);
    assert_int_equal(vmm->quota.used, used);
    assert_int_equal(memory_free(), free);
}

/* Whichever frame is the one too many: all others come back. */
static void test_quota_is_undone(void **state)
{
    (void)state;
    uint64_t used = vmm->quota.used, limit = vmm->quota.limit, needed = 0;
    int64_t status = STATUS_NO_MEMORY;

    for (; status == STATUS_NO_MEMORY; needed++) {
        vmm->quota.limit = used + needed;
        status = call(SYS_VCPU_CREATE, PAGE_AT(1), 50, 0, 0);
        if (status == STATUS_NO_MEMORY) {
            assert_int_equal(vmm->quota.used, used);
        }
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(needed - 1, 4); /* context, state page, control structure, thread */
    vmm->quota.limit = limit;
}

static void test_end_gives_all_back(void **state)
{
    (void)state;
    uint64_t used = vmm->quota.used;

    assert_int_equal(run(), STATUS_OK);
    assert_int_equal(seen.loads, 1);
    assert_ptr_equal(cpu->vcpu, vcpu);
    thread_kill(vcpu_thread);
    assert_int_equal(seen.unloads, 1);
    assert_null(cpu->vcpu);
    virt_thread_destroy(vcpu_thread);
    assert_null(vcpu_thread->vcpu);
    assert_int_equal(vmm->quota.used, used - 3);
    while (!virt_vm_destroy(vmm)) {
    }
    assert_null(vmm->vm);
    assert_int_equal(vmm->quota.used, used - 5);
}

/* ---- Replies --------------------------------------------------------------------------------- */

static void test_who_may_reply(void **state)
{
    (void)state;
    struct thread *other = fake_thread(vmm, 40);

    assert_int_equal(call_as(other, SYS_VCPU_RUN, vcpu_thread->id, 0), STATUS_BAD_ID);
    assert_int_equal(call_as(other, SYS_VCPU_STATE_GET, vcpu_thread->id, STATE_IP), STATUS_BAD_ID);
    assert_int_equal(call(SYS_VCPU_RUN, handler->id, 0, 0, 0), STATUS_BAD_ID);
    assert_int_equal(call(SYS_VCPU_RUN, vcpu_thread->id + (1u << 16), 0, 0, 0), STATUS_BAD_ID);
    assert_int_equal(call(SYS_VCPU_STATE_SET, vcpu_thread->id, STATE_ALL + 1, 0, 0),
                     STATUS_BAD_ARGUMENT);
    assert_int_equal(call(SYS_VCPU_STATE_GET, vcpu_thread->id, 1UL << 32, 0, 0),
                     STATUS_BAD_ARGUMENT);
    assert_int_equal(run(), STATUS_OK);
    assert_int_equal(call_as(handler, SYS_VCPU_RUN, vcpu_thread->id, 0), STATUS_BUSY);
}

static void test_usual_reply(void **state)
{
    (void)state;
    page->dirty = STATE_IP;
    page->rip = 0x1234;
    page->rflags = 0x202;
    assert_int_equal(run(), STATUS_OK);
    assert_int_equal(page->dirty, 0);
    assert_int_equal(seen.sets, 0); /* the short way */
    assert_int_equal(fake_of(vcpu)->ip.rip, 0x1234);
    assert_int_equal(fake_of(vcpu)->ip.rflags, 0x202);
    assert_ptr_equal(exit_for(EXIT_CPUID), handler);
    assert_int_equal(handler->arch.frame.arg[0], vcpu_thread->id);
    assert_int_equal(handler->arch.frame.arg[1], MESSAGE_EXIT);
    assert_int_equal(page->exit.reason, EXIT_CPUID);
    assert_int_equal(page->valid, STATE_IP);
    assert_int_equal(page->rip, 0x1234);
}

/* What is not plain takes the long way, where the backend checks it. */
static void test_other_replies(void **state)
{
    (void)state;
    static const struct vcpu_ip others[] = {
        {1UL << 47, 2, 0}, {0xffff7fffffffffff, 2, 0}, {0, 0, 0},     {0, 2 | 1 << 3, 0},
        {0, 1UL << 63 | 2, 0}, {0, 2 | 1 << 8, 0},     {0, 2, 4},
    };
    unsigned sets = 0;

    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        page->dirty = STATE_IP;
        page->rip = others[i].rip;
        page->rflags = others[i].rflags;
        page->interruptibility = others[i].interruptibility;
        assert_int_equal(run(), STATUS_OK);
        assert_int_equal(seen.sets, ++sets);
        assert_ptr_equal(exit_for(EXIT_HLT), handler);
    }
    page->dirty = STATE_IP;
    page->rip = 0xffff800000000000;
    page->rflags = 2;
    page->interruptibility = 3;
    assert_int_equal(run(), STATUS_OK);
    assert_int_equal(seen.sets, sets);
}

static void test_refused_replies(void **state)
{
    (void)state;
    static const uint32_t irqs[] = {1, 0xff, IRQ_VALID, IRQ_VALID | 15, 0x200, 0x80000120};
    static const struct vcpu_injection injections[] = {
        {.valid = 0, .type = INJECT_EXCEPTION, .vector = 6},
        {.valid = 2, .type = INJECT_EXCEPTION, .vector = 6},
        {.valid = 1, .type = INJECT_EXCEPTION, .vector = 2},
        {.valid = 1, .type = INJECT_EXCEPTION, .vector = 32},
        {.valid = 1, .type = INJECT_EXCEPTION, .vector = 14, .has_error = 2},
        {.valid = 1, .type = INJECT_NMI, .vector = 3},
        {.valid = 1, .type = INJECT_NMI, .vector = 2, .has_error = 1},
        {.valid = 1, .type = 0, .vector = 0x20},
        {.valid = 1, .type = 4, .vector = 0x20},
        {.error = 1},
    };

    for (unsigned i = 0; i < sizeof(irqs) / sizeof(irqs[0]); i++) {
        page->irq = irqs[i];
        assert_int_equal(run(), STATUS_BAD_ARGUMENT);
    }
    page->irq = 0;
    for (unsigned i = 0; i < sizeof(injections) / sizeof(injections[0]); i++) {
        page->injection = injections[i];
        assert_int_equal(run(), STATUS_BAD_ARGUMENT);
    }
    page->injection = (struct vcpu_injection){0};
    page->dirty = STATE_ALL + 1;
    assert_int_equal(run(), STATUS_BAD_ARGUMENT);
    page->dirty = STATE_CONTROL;
    page->cr3 = 0xbad;
    assert_int_equal(run(), STATUS_BAD_ARGUMENT);
    assert_int_equal(seen.entries, 0);
    assert_int_equal(seen.sets, 0);
    assert_int_equal(vcpu_thread->state, THREAD_STOPPED);
    page->dirty = 0;
    assert_int_equal(run(), STATUS_OK);
    assert_int_equal(seen.entries, 1);
}

static void test_interrupts_wait_for_their_window(void **state)
{
    (void)state;
    page->irq = IRQ_VALID | 0x30;
    assert_int_equal(run(), STATUS_OK);
    assert_true(seen.window);
    exit_for(EXIT_CPUID);
    assert_int_equal(page->irq, IRQ_VALID | 0x30);
    assert_int_equal(run(), STATUS_OK);
    seen.interruptible = true;
    assert_ptr_equal(exit_for(EXIT_IRQ_WINDOW), vcpu_thread);
    vcpu_thread->resume(vcpu_thread);
    assert_int_equal(seen.event.vector, 0x30);
    assert_int_equal(seen.event.type, EVENT_EXTERNAL);
    assert_false(seen.window);
    exit_for(EXIT_CPUID);
    assert_int_equal(page->irq, 0);
    /* An exception goes first; an interrupt that is taken back is not delivered. */
    page->irq = IRQ_VALID | 0x31;
    page->injection = (struct vcpu_injection){.valid = 1, .type = INJECT_EXCEPTION, .vector = 6};
    assert_int_equal(run(), STATUS_OK);
    assert_int_equal(page->injection.valid, 0);
    assert_int_equal(seen.event.vector, 6);
    assert_true(seen.window);
    exit_for(EXIT_CPUID);
    page->irq = 0;
    assert_int_equal(run(), STATUS_OK);
    assert_false(seen.window);
    assert_int_equal(seen.event.vector, 6);
}

/* ---- Recall ---------------------------------------------------------------------------------- */

static void test_recall(void **state)
{
    (void)state;
    assert_int_equal(call(SYS_VCPU_RECALL, vcpu_thread->id, 0, 0, 0), STATUS_OK);
    assert_int_equal(run(), STATUS_OK); /* it was with its handler already: nothing comes of it */
    assert_int_equal(seen.entries, 1);
    struct thread *other = fake_thread(vmm, 10);

    assert_int_equal(call_as(other, SYS_VCPU_RECALL, vcpu_thread->id, 0), STATUS_OK);
    assert_ptr_equal(exit_for(EXIT_NONE), handler);
    assert_int_equal(page->exit.reason, EXIT_RECALL);
    assert_int_equal(call(SYS_VCPU_RECALL, handler->id, 0, 0, 0), STATUS_BAD_ID);
    struct thread *stranger = fake_thread(root, 10);

    assert_int_equal(call_as(stranger, SYS_VCPU_RECALL, vcpu_thread->id, 0), STATUS_BAD_ID);
}

static void test_recall_from_another_processor(void **state)
{
    (void)state;
    fake_become(&cpus[1]);
    struct thread *other = fake_thread(vmm, 10);

    fake_become(cpu);
    assert_int_equal(run(), STATUS_OK);
    fake_become(&cpus[1]);
    assert_int_equal(call_as(other, SYS_VCPU_RECALL, vcpu_thread->id, 0), STATUS_OK);
    fake_become(cpu);
    assert_true(vcpu->recall);
    assert_ptr_equal(exit_for(EXIT_HOST_INTERRUPT), handler);
    assert_int_equal(page->exit.reason, EXIT_RECALL);
    assert_false(vcpu->recall);
}

/* ---- Guest-physical space -------------------------------------------------------------------- */

#define MEMORY 0x40000000UL
#define PAGES 8

static void give_memory(void)
{
    uint64_t done;

    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(arch_space_map(&vmm->space, MEMORY + i * PAGE_SIZE,
                                        0x700000000 + i * PAGE_SIZE, PAGE_SIZE, MEM_ALL,
                                        &vmm->quota, &done),
                         STATUS_OK);
    }
}

static void test_map_and_unmap(void **state)
{
    (void)state;
    struct mapping found;
    struct vm *vm = vmm->vm;

    give_memory();
    assert_int_equal(call(SYS_VM_MAP, 0, MEMORY, PAGES * PAGE_SIZE, MEM_ALL), STATUS_OK);
    assert_true(arch_space_lookup(&vm->gpa, (PAGES - 1) * PAGE_SIZE, &found));
    assert_int_equal(vm->generation, 1); /* nothing was taken away */
    assert_int_equal(call(SYS_VM_MAP, 0, MEMORY, PAGE_SIZE, MEM_ALL), STATUS_EXISTS);
    assert_int_equal(call(SYS_VM_MAP, 1UL << 46, MEMORY, PAGE_SIZE, MEM_ALL),
                     STATUS_BAD_ARGUMENT);
    assert_int_equal(call(SYS_VM_MAP, 1UL << 30, MEMORY, PAGE_SIZE, MEM_WRITE),
                     STATUS_BAD_ARGUMENT);
    /* The state page is the kernel's. */
    assert_int_equal(call(SYS_VM_MAP, 1UL << 30, PAGE_AT(0), PAGE_SIZE, MEM_READ), STATUS_DENIED);
    assert_int_equal(run(), STATUS_OK);
    exit_for(EXIT_CPUID);
    unsigned flushes = cpu->arch.flushes;

    assert_int_equal(call(SYS_VM_UNMAP, 0, PAGES * PAGE_SIZE, 0, 0), STATUS_OK);
    assert_false(arch_space_lookup(&vm->gpa, 0, &found));
    assert_false(arch_space_lookup(&vm->gpa, (PAGES - 1) * PAGE_SIZE, &found));
    assert_true(vm->generation > 1);
    assert_int_equal(cpu->arch.flushes, flushes); /* this processor looks before it enters */
    uint64_t generation = vm->generation;

    assert_int_equal(call(SYS_VM_UNMAP, 0, PAGE_SIZE, 0, 0), STATUS_OK);
    assert_int_equal(vm->generation, generation);
    assert_int_equal(run(), STATUS_OK);
    assert_int_equal(seen.generation, generation);
}

static void test_loaded_processors(void **state)
{
    (void)state;
    assert_int_equal(virt_vm_loaded(vmm), 0);
    assert_int_equal(run(), STATUS_OK);
    assert_int_equal(virt_vm_loaded(vmm), 1);
    assert_int_equal(virt_vm_loaded(root), 0);
    fake_become(&cpus[1]);
    cpus[1].vcpu = vcpu; /* as if there were a second one */
    assert_int_equal(virt_vm_loaded(vmm), 3);
    unsigned flushes = cpus[1].arch.flushes;

    fake_become(cpu);
    exit_for(EXIT_CPUID);
    give_memory();
    assert_int_equal(call(SYS_VM_MAP, 0, MEMORY, PAGE_SIZE, MEM_ALL), STATUS_OK);
    assert_int_equal(cpus[1].arch.flushes, flushes);
    assert_int_equal(call(SYS_VM_UNMAP, 0, PAGE_SIZE, 0, 0), STATUS_OK);
    assert_int_equal(cpus[1].arch.flushes, flushes + 1); /* it was waited for */
    cpus[1].vcpu = NULL;
}

static void test_revoke(void **state)
{
    (void)state;
    struct mapping found;
    uint64_t next = 0;
    bool changed;

    give_memory();
    assert_int_equal(call(SYS_VM_MAP, 0x5000, MEMORY, 2 * PAGE_SIZE, MEM_ALL), STATUS_OK);
    do {
        virt_vm_revoke(vmm, next, 0x700000000, PAGE_SIZE, &next, &changed);
    } while (next != 0);
    assert_false(arch_space_lookup(&vmm->vm->gpa, 0x5000, &found));
    assert_true(arch_space_lookup(&vmm->vm->gpa, 0x6000, &found));
    assert_int_equal(vmm->vm->generation, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_create_errors),
        TEST(test_quota_is_undone),
        TEST(test_end_gives_all_back),
        TEST(test_who_may_reply),
        TEST(test_usual_reply),
        TEST(test_other_replies),
        TEST(test_refused_replies),
        TEST(test_interrupts_wait_for_their_window),
        TEST(test_recall),
        TEST(test_recall_from_another_processor),
        TEST(test_map_and_unmap),
        TEST(test_loaded_processors),
        TEST(test_revoke),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
