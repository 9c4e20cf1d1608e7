/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU's way round: deliver what waits, enter the guest, keep its exit or forward it to the
 * handler thread. One crossing out, one back.
 */
#include "virt/vcpu.h"

#include "abi/layout.h"
#include "kernel/calls.h"
#include "kernel/ipc.h"
#include "kernel/map.h"
#include "kernel/remote.h"
#include "kernel/task.h"
#include "kernel/virtualization.h"
#include "virt/exit.h"
#include "virt/virt.h"
#include "virt/vm.h"
#include "virt/vtlb.h"

/*
 * The processor gets this vCPU's lazily switched state (FPU, MSRs that no entry switches).
 *
 * Whoever takes a translation out of a guest-physical space lets the VM's generation grow, then
 * looks whether this processor has a vCPU of that VM and waits for it in that case (vm.c). We
 * publish ours, then compare generations at the entry. Each side writes before it reads, with a
 * full fence in between (here an XCHG): so one of them, if not both, sees the other.
 */
static inline void take_processor(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu->vcpu != vcpu) {
        if (cpu->vcpu) {
            virt->unload(cpu->vcpu);
        }
        __atomic_store_n(&cpu->vcpu, vcpu, __ATOMIC_SEQ_CST);
        virt->load(vcpu);
    }
}

/* What waits for the guest: first an event whose delivery was interrupted or that the VMM
 * injects, then the external interrupt. */
static void deliver(struct vcpu *vcpu)
{
    bool busy = vcpu->event.valid;

    if (busy) {
        virt->inject(vcpu, &vcpu->event);
        vcpu->event.valid = false;
    }
    vcpu->attention = virt->offer_irq(vcpu, busy);
}

static struct thread *forward(struct vcpu *vcpu, const struct vcpu_exit *exit)
{
    const struct exit_rule *rule = &exit_rules[exit->reason];
    uint32_t groups = rule->groups | (exit->insn_length == 0 ? rule->decode : 0);

    vcpu->state->exit = *exit;
    virt->state_get(vcpu, groups);
    return vcpu_forward(vcpu, groups);
}

static struct thread *forward_recall(struct vcpu *vcpu)
{
    return forward(vcpu, &(struct vcpu_exit){.reason = EXIT_RECALL, .raw = {0, 0}});
}

struct thread *vcpu_exited(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    struct thread *self = vcpu->thread;
    const struct exit_rule *rule = &exit_rules[exit->reason];

    if (!rule->keep || !rule->keep(vcpu, exit)) {
        return forward(vcpu, exit);
    }
    struct thread *next = kernel_preempted(self); /* what the interrupt served may have ended us */

    return next == self && vcpu->recall ? forward_recall(vcpu) : next;
}

void vcpu_prepare(struct thread *self)
{
    struct vcpu *vcpu = self->vcpu;
    struct cpu *cpu = self->cpu;

    take_processor(cpu, vcpu);
    if (vcpu->new_ip) {
        virt->load_ip(vcpu);
        vcpu->new_ip = false;
    }
    if (vcpu->recall) {
        struct thread *next = forward_recall(vcpu);

        arch_activate(cpu, next);
        arch_restart(cpu, next);
    }
    deliver(vcpu);
}

/* ---- Making and ending -------------------------------------------------------------------- */

/* Context, state page and what the backend needs: three frames. */
static enum status make_context(struct thread *handler, struct vcpu **out)
{
    struct quota *quota = &handler->task->quota;
    struct vcpu *vcpu = frame_alloc(quota);
    struct vcpu_state *state = frame_alloc(quota);

    if (vcpu && state && (!handler->task->vm->vtlb || quota_allows(quota, VTLB_CREATE_FRAMES + 1))) {
        *vcpu = (struct vcpu){.state = state, .vm = handler->task->vm, .handler = handler};
        if (vcpu->vm->vtlb) {
            vtlb_create(vcpu);
        }
        if (virt->vcpu_init(vcpu) == STATUS_OK) { /* one frame: with a vTLB it is there */
            *out = vcpu;
            return STATUS_OK;
        }
    }
    if (state) {
        frame_free(quota, state);
    }
    if (vcpu) {
        frame_free(quota, vcpu);
    }
    return STATUS_NO_MEMORY;
}

/* Some of it; true when all is gone. */
static bool free_context(struct quota *quota, struct vcpu *vcpu)
{
    if (vcpu->vtlb && !vtlb_destroy(vcpu)) {
        return false;
    }
    virt->vcpu_destroy(vcpu);
    frame_free(quota, vcpu->state);
    frame_free(quota, vcpu);
    return true;
}

/* The thread to the context; its state page is shared with the task at `address`. */
static enum status make_thread(struct task *task, struct cpu *cpu, uint64_t address,
                               uint8_t priority, struct vcpu *vcpu)
{
    struct thread *thread;
    uint64_t done;
    bool changed;
    enum status status =
        arch_space_map(&task->space, address, arch_pool_physical(vcpu->state), PAGE_SIZE,
                       MEM_READ | MEM_WRITE, &task->quota, &done);

    if (status != STATUS_OK) {
        return status;
    }
    status = thread_create(task, cpu, priority, &thread);
    if (status == STATUS_OK) {
        thread->resume = virt->resume;
        vcpu->thread = thread;
        /* Last: other processors find it by its name. */
        __atomic_store_n(&thread->vcpu, vcpu, __ATOMIC_RELEASE);
    } else {
        arch_space_unmap(&task->space, address, PAGE_SIZE, &task->quota, &done, &changed);
        remote_sync(remote_loaded(&task->space)); /* the page is about to be freed */
    }
    return status;
}

void virt_thread_end(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;

    if (cpu->vcpu == thread->vcpu) {
        virt->unload(cpu->vcpu);
        cpu->vcpu = NULL;
    }
}

void virt_thread_destroy(struct thread *thread)
{
    if (free_context(&thread->task->quota, thread->vcpu)) {
        thread->vcpu = NULL;
    }
}

/* ---- The VMM's calls ---------------------------------------------------------------------- */

struct thread *call_vcpu_create(struct thread *self)
{
    struct arch_frame *frame = &self->arch.frame;
    uint64_t address = frame->arg[0], priority = frame->arg[1];
    struct vcpu *vcpu;

    if (!self->task->vm) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(address, PAGE_SIZE, USER_TOP) || priority < PRIORITY_MIN ||
        priority > self->own_priority) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    enum status status = make_context(self, &vcpu);

    if (status == STATUS_OK) {
        status = make_thread(self->task, self->cpu, address, (uint8_t)priority, vcpu);
        if (status == STATUS_OK) {
            frame->arg[0] = vcpu->thread->id;
        } else {
            while (!free_context(&self->task->quota, vcpu)) {
            }
        }
    }
    return call_return(self, status);
}

/* The vCPU of that name that waits for its handler, the caller. */
static bool handles(const struct thread *self, const struct thread *thread)
{
    return thread->vcpu && thread->vcpu->handler == self;
}

static inline struct vcpu *find_stopped(struct thread *self, uint64_t id)
{
    struct thread *thread = thread_named((thread_id)id);

    if (__builtin_expect(thread && thread->state == THREAD_STOPPED && handles(self, thread), 1)) {
        return thread->vcpu;
    }
    thread = thread_find((thread_id)id);
    call_return(self, thread && handles(self, thread) ? STATUS_BUSY : STATUS_BAD_ID);
    return NULL;
}

struct thread *call_vcpu_state_get(struct thread *self)
{
    uint64_t groups = self->arch.frame.arg[1];
    struct vcpu *vcpu = find_stopped(self, self->arch.frame.arg[0]);

    if (!vcpu) {
        return self;
    }
    if (groups & ~(uint64_t)STATE_ALL) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    take_processor(self->cpu, vcpu);
    groups |= groups & STATE_SEGMENTS ? STATE_CODE : 0;
    virt->state_get(vcpu, (uint32_t)groups);
    vcpu->state->valid |= (uint32_t)groups;
    return call_return(self, STATUS_OK);
}

/* Takes what the VMM wrote: one copy, then checks, then loads. */
static enum status load_state(struct vcpu *vcpu, uint32_t groups)
{
    if (groups & ~(uint32_t)STATE_ALL) {
        return STATUS_BAD_ARGUMENT;
    }
    struct vcpu_state copy = *vcpu->state;

    __asm__ volatile("" : : : "memory"); /* the copy is what is checked and what is used */
    return virt->state_set(vcpu, &copy, groups);
}

static enum status load_injection(struct vcpu *vcpu, uint64_t word)
{
    const union {
        uint64_t word;
        struct vcpu_injection injection;
    } in = {.word = word};
    const struct vcpu_injection *injection = &in.injection;
    bool is_exception = injection->type == INJECT_EXCEPTION && injection->vector < 32 &&
                        injection->vector != 2;
    bool is_nmi = injection->type == INJECT_NMI && injection->vector == 2 && !injection->has_error;

    if (injection->valid != 1 || injection->has_error > 1 || !(is_exception || is_nmi) ||
        vcpu->event.valid) {
        return STATUS_BAD_ARGUMENT;
    }
    vcpu_pend(vcpu, (struct vcpu_event){.valid = true,
                                        .type = injection->type,
                                        .vector = injection->vector,
                                        .has_error = injection->has_error,
                                        .error = injection->error});
    vcpu->state->injection = (struct vcpu_injection){0};
    return STATUS_OK;
}

static enum status load_irq(struct vcpu *vcpu, uint32_t irq)
{
    if (irq != 0 && (irq < (IRQ_VALID | 16) || irq > (IRQ_VALID | 255))) {
        return STATUS_BAD_ARGUMENT;
    }
    vcpu->irq = irq;
    vcpu->attention = true;
    return STATUS_OK;
}

struct thread *call_vcpu_state_set(struct thread *self)
{
    uint64_t groups = self->arch.frame.arg[1];
    struct vcpu *vcpu = find_stopped(self, self->arch.frame.arg[0]);

    if (!vcpu) {
        return self;
    }
    if (groups & ~(uint64_t)STATE_ALL) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    take_processor(self->cpu, vcpu);
    return call_return(self, load_state(vcpu, (uint32_t)groups));
}

void virt_recall(struct thread *thread)
{
    struct vcpu *vcpu = thread->vcpu;

    if (thread->state == THREAD_READY) { /* else its handler has it, or will */
        vcpu->recall = true;
        vcpu->attention = true;
    }
}

struct thread *call_vcpu_recall(struct thread *self)
{
    struct thread *thread = thread_find((thread_id)self->arch.frame.arg[0]);

    if (!thread || thread->task != self->task || !thread->vcpu) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (thread->cpu == self->cpu) {
        virt_recall(thread);
    } else if (thread->state == THREAD_READY && !thread->vcpu->recall) {
        remote_poke(thread, POKE_RECALL); /* once until its handler has replied: no flood */
    }
    return call_return(self, STATUS_OK);
}

/* ---- The reply ------------------------------------------------------------------------------ */

/* What the VMM has written to the state page; each word of it is read once. */
struct reply {
    uint32_t dirty, irq;
    uint64_t injection;
};

/* One that does more than to move RIP. */
static RARE struct thread *run_changed(struct thread *self, struct vcpu *vcpu, struct reply reply)
{
    enum status status = STATUS_OK;

    take_processor(self->cpu, vcpu);
    if (reply.irq != vcpu->irq) {
        status = load_irq(vcpu, reply.irq);
    }
    if (status == STATUS_OK && reply.dirty != 0) {
        status = load_state(vcpu, reply.dirty);
    }
    if (status == STATUS_OK && reply.injection != 0) {
        status = load_injection(vcpu, reply.injection);
    }
    if (status != STATUS_OK) {
        return call_return(self, status);
    }
    vcpu->state->dirty = 0;
    return ipc_wait_and_run(self, self->arch.frame.arg[1], vcpu->thread);
}

struct thread *call_vcpu_run(struct thread *self)
{
    struct vcpu *vcpu = find_stopped(self, self->arch.frame.arg[0]);

    if (!vcpu) {
        return self;
    }
    struct vcpu_state *state = vcpu->state;
    const volatile struct vcpu_state *page = state;
    const struct reply reply = {.dirty = page->dirty,
                                .irq = page->irq,
                                .injection = *(const volatile uint64_t *)&page->injection};
    const struct vcpu_ip ip = {page->rip, page->rflags, page->interruptibility};

    if (__builtin_expect(reply.dirty != STATE_IP || reply.irq != vcpu->irq ||
                             reply.injection != 0 || !vcpu_ip_plain(&ip),
                         0)) {
        return run_changed(self, vcpu, reply);
    }
    vcpu->ip = ip;
    vcpu->new_ip = true;
    state->dirty = 0;
    return ipc_wait_and_run(self, self->arch.frame.arg[1], vcpu->thread);
}
