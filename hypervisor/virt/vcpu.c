/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU's way round: deliver what waits, enter the guest, decode its exit, keep it or forward
 * it to the handler thread. One crossing out, one back.
 */
#include "virt/vcpu.h"

#include "abi/layout.h"
#include "kernel/calls.h"
#include "kernel/ipc.h"
#include "kernel/map.h"
#include "kernel/task.h"
#include "virt/exit.h"
#include "virt/virt.h"
#include "virt/vm.h"

/* The processor gets this vCPU's lazily switched state (FPU, MSRs that no entry switches). */
static void take_processor(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu->vcpu != vcpu) {
        if (cpu->vcpu) {
            virt->unload(cpu->vcpu);
        }
        cpu->vcpu = vcpu;
        virt->load(vcpu);
    }
}

/* What waits for the guest: first an event whose delivery was interrupted or that the VMM
 * injects, then the external interrupt; the window is watched while one has to wait. */
static void deliver(struct vcpu *vcpu)
{
    bool window = vcpu->irq != 0;

    if (vcpu->event.valid) {
        virt->inject(vcpu, &vcpu->event);
        vcpu->event.valid = false;
    } else if (window && virt->interruptible(vcpu)) {
        const struct vcpu_event irq = {
            .valid = true, .type = EVENT_EXTERNAL, .vector = (uint8_t)vcpu->irq};

        virt->inject(vcpu, &irq);
        vcpu->irq = 0;
        window = false;
    }
    if (window != vcpu->window) {
        virt->irq_window(vcpu, window);
        vcpu->window = window;
    }
}

/* Sends the exit to the handler with what its reason needs; returns who runs next. */
static struct thread *forward(struct vcpu *vcpu, const struct vcpu_exit *exit)
{
    struct vcpu_state *state = vcpu->state;
    const struct exit_rule *rule = &exit_rules[exit->reason];
    uint32_t groups = rule->groups | (exit->insn_length == 0 ? rule->decode : 0);

    state->exit = *exit;
    state->valid = groups;
    state->irq = vcpu->irq;
    virt->state_get(vcpu, groups);
    vcpu->stopped = true;
    vcpu->recall = false; /* whatever it exits for: the handler has it now */
    return ipc_exit(vcpu->thread, vcpu->handler);
}

/* One entry and its exit; returns who runs next. */
static struct thread *run_once(struct vcpu *vcpu)
{
    struct vcpu_exit exit;

    if (vcpu->recall) {
        return forward(vcpu, &(struct vcpu_exit){.reason = EXIT_RECALL});
    }
    deliver(vcpu);
    virt->enter(vcpu);
    virt->decode(vcpu, &exit);
    if (exit_rules[exit.reason].keep) {
        exit_rules[exit.reason].keep(vcpu, &exit);
        return thread_yield(vcpu->thread);
    }
    return forward(vcpu, &exit);
}

/* thread->resume of a vCPU. */
static void vcpu_resume(struct thread *self)
{
    struct vcpu *vcpu = self->vcpu;
    struct cpu *cpu = self->cpu;
    struct thread *next;

    take_processor(cpu, vcpu);
    do {
        next = run_once(vcpu);
    } while (next == self);
    virt->leave(vcpu);
    arch_activate(cpu, next);
    arch_restart(cpu, next);
}

/* ---- The VMM's calls ---------------------------------------------------------------------- */

/* A page that kernel and VMM share. */
static enum status share_state_page(struct task *task, uint64_t address, struct vcpu_state **out)
{
    void *page = frame_alloc(&task->quota);

    if (!page) {
        return STATUS_NO_MEMORY;
    }
    enum status status = arch_space_map(&task->space, address, arch_pool_physical(page),
                                        PAGE_SIZE, MEM_READ | MEM_WRITE, &task->quota);

    if (status != STATUS_OK) {
        frame_free(&task->quota, page);
        return status;
    }
    *out = page;
    return STATUS_OK;
}

static enum status make_vcpu(struct thread *self, uint64_t address, uint8_t priority,
                             struct thread **out)
{
    struct task *task = self->task;
    struct vcpu *vcpu = frame_alloc(&task->quota);

    if (!vcpu) {
        return STATUS_NO_MEMORY;
    }
    *vcpu = (struct vcpu){.vm = task->vm, .handler = self, .stopped = true};
    enum status status = share_state_page(task, address, &vcpu->state);

    if (status == STATUS_OK) {
        status = virt->vcpu_init(vcpu);
        if (status == STATUS_OK) {
            status = thread_create(task, self->cpu, priority, out);
            if (status == STATUS_OK) {
                (*out)->vcpu = vcpu;
                (*out)->resume = vcpu_resume;
                vcpu->thread = *out;
                return STATUS_OK;
            }
            virt->vcpu_destroy(vcpu);
        }
        arch_space_unmap(&task->space, address, PAGE_SIZE, &task->quota);
        frame_free(&task->quota, vcpu->state);
    }
    frame_free(&task->quota, vcpu);
    return status;
}

struct thread *call_vcpu_create(struct thread *self)
{
    struct arch_frame *frame = &self->arch.frame;
    uint64_t address = frame->arg[0], priority = frame->arg[1];
    struct thread *thread;

    if (!self->task->vm) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(address, PAGE_SIZE, USER_TOP) || priority < PRIORITY_MIN ||
        priority > self->priority) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    enum status status = make_vcpu(self, address, (uint8_t)priority, &thread);

    if (status == STATUS_OK) {
        frame->arg[0] = thread->id;
    }
    return call_return(self, status);
}

/* The caller's vCPU of that name, or NULL. */
static struct vcpu *find_vcpu(const struct thread *self, uint64_t id)
{
    struct thread *thread = thread_find((thread_id)id);

    return thread && thread->vcpu && thread->task == self->task ? thread->vcpu : NULL;
}

/* ... that waits for its handler, this thread. */
static struct vcpu *find_stopped(struct thread *self, uint64_t id)
{
    struct vcpu *vcpu = find_vcpu(self, id);

    if (!vcpu || vcpu->handler != self) {
        call_return(self, STATUS_BAD_ID);
        return NULL;
    }
    if (vcpu->thread->state != THREAD_STOPPED) {
        call_return(self, STATUS_BUSY);
        return NULL;
    }
    return vcpu;
}

/* Makes sure that the state is where the backend can reach it: not in another processor. */
static void reach(struct thread *self, struct vcpu *vcpu)
{
    take_processor(self->cpu, vcpu);
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
    reach(self, vcpu);
    groups |= groups & STATE_SEGMENTS ? STATE_CODE : 0;
    virt->state_get(vcpu, (uint32_t)groups);
    vcpu->state->valid |= (uint32_t)groups;
    virt->leave(vcpu);
    return call_return(self, STATUS_OK);
}

/*
 * Takes what the VMM wrote: one copy, then checks, then loads. A reply after a common exit loads
 * nothing but RIP, so only the part of the page that its groups cover is copied.
 */
static enum status load_state(struct vcpu *vcpu, uint32_t groups)
{
    struct vcpu_state copy;
    const volatile struct vcpu_state *page = vcpu->state;

    if (groups & ~(uint32_t)STATE_ALL) {
        return STATUS_BAD_ARGUMENT;
    }
    if (groups == 0) {
        return STATUS_OK;
    }
    if (groups == STATE_IP) {
        copy.rip = page->rip;
        copy.rflags = page->rflags;
        copy.interruptibility = page->interruptibility;
    } else {
        copy = *vcpu->state;
        __asm__ volatile("" : : : "memory"); /* the copy is what is checked and what is used */
    }
    return virt->state_set(vcpu, &copy, groups);
}

static enum status load_injection(struct vcpu *vcpu)
{
    union {
        uint64_t word;
        struct vcpu_injection injection;
    } in = {.word = *(const volatile uint64_t *)&vcpu->state->injection};
    const struct vcpu_injection *injection = &in.injection;

    if (in.word == 0) {
        return STATUS_OK;
    }
    bool is_exception = injection->type == INJECT_EXCEPTION && injection->vector < 32 &&
                        injection->vector != 2;
    bool is_nmi = injection->type == INJECT_NMI && injection->vector == 2 && !injection->has_error;

    if (injection->valid != 1 || injection->has_error > 1 || !(is_exception || is_nmi) ||
        vcpu->event.valid) {
        return STATUS_BAD_ARGUMENT;
    }
    vcpu->event = (struct vcpu_event){.valid = true,
                                      .type = injection->type,
                                      .vector = injection->vector,
                                      .has_error = injection->has_error,
                                      .error = injection->error};
    return STATUS_OK;
}

static enum status load_irq(struct vcpu *vcpu)
{
    uint32_t irq = *(const volatile uint32_t *)&vcpu->state->irq;

    if (irq != 0 && (irq < (IRQ_VALID | 16) || irq > (IRQ_VALID | 255))) {
        return STATUS_BAD_ARGUMENT;
    }
    vcpu->irq = irq;
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
    reach(self, vcpu);
    enum status status = load_state(vcpu, (uint32_t)groups);

    virt->leave(vcpu);
    return call_return(self, status);
}

struct thread *call_vcpu_recall(struct thread *self)
{
    struct vcpu *vcpu = find_vcpu(self, self->arch.frame.arg[0]);

    if (!vcpu) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!vcpu->stopped) {
        vcpu->recall = true;
    }
    return call_return(self, STATUS_OK);
}

struct thread *call_vcpu_run(struct thread *self)
{
    tsc_time deadline = self->arch.frame.arg[1];
    struct vcpu *vcpu = find_stopped(self, self->arch.frame.arg[0]);

    if (!vcpu) {
        return self;
    }
    reach(self, vcpu);
    enum status status = load_irq(vcpu);

    if (status == STATUS_OK) {
        status = load_state(vcpu, *(const volatile uint32_t *)&vcpu->state->dirty);
    }
    if (status == STATUS_OK) {
        status = load_injection(vcpu);
    }
    if (status != STATUS_OK) {
        virt->leave(vcpu);
        return call_return(self, status);
    }
    vcpu->state->dirty = 0;
    vcpu->state->injection = (struct vcpu_injection){0};
    vcpu->stopped = false;
    return ipc_wait_and_run(self, deadline, vcpu->thread);
}
