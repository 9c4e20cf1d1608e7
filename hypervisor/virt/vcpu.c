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

/* Keeps the frequent ways short. */
#define RARE __attribute__((noinline, cold))

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
 * injects, then the external interrupt; the window is watched while one has to wait. */
static RARE void deliver(struct vcpu *vcpu)
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
    vcpu->attention = window;
}

/* Sends the exit to the handler with what its reason needs; returns who runs next. */
static inline struct thread *forward(struct vcpu *vcpu, const struct vcpu_exit *exit)
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

static RARE struct thread *forward_recall(struct vcpu *vcpu)
{
    return forward(vcpu, &(struct vcpu_exit){.reason = EXIT_RECALL, .raw = {0, 0}});
}

struct thread *vcpu_exited(struct vcpu *vcpu, const struct vcpu_exit *exit)
{
    struct thread *self = vcpu->thread;
    const struct exit_rule *rule = &exit_rules[exit->reason];

    if (!rule->keep) {
        return forward(vcpu, exit);
    }
    rule->keep(vcpu, exit);
    struct thread *next = kernel_preempted(self); /* what the interrupt served may have ended us */

    return next == self && vcpu->recall ? forward_recall(vcpu) : next;
}

/* thread->resume of a vCPU. */
static void vcpu_resume(struct thread *self)
{
    struct vcpu *vcpu = self->vcpu;
    struct cpu *cpu = self->cpu;

    take_processor(cpu, vcpu);
    if (vcpu->attention) {
        if (vcpu->recall) {
            struct thread *next = forward_recall(vcpu);

            arch_activate(cpu, next);
            arch_restart(cpu, next);
        }
        deliver(vcpu);
    }
    virt->enter(vcpu);
}

/* ---- Making and ending -------------------------------------------------------------------- */

/* Context, state page and what the backend needs: three frames. */
static enum status make_context(struct thread *handler, struct vcpu **out)
{
    struct quota *quota = &handler->task->quota;
    struct vcpu *vcpu = frame_alloc(quota);
    struct vcpu_state *state = frame_alloc(quota);

    if (vcpu && state) {
        *vcpu = (struct vcpu){
            .state = state, .vm = handler->task->vm, .handler = handler, .stopped = true};
        if (virt->vcpu_init(vcpu) == STATUS_OK) {
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

static void free_context(struct quota *quota, struct vcpu *vcpu)
{
    virt->vcpu_destroy(vcpu);
    frame_free(quota, vcpu->state);
    frame_free(quota, vcpu);
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
        thread->resume = vcpu_resume;
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
    free_context(&thread->task->quota, thread->vcpu);
    thread->vcpu = NULL;
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
            free_context(&self->task->quota, vcpu);
        }
    }
    return call_return(self, status);
}

/* The vCPU of that name of the caller's task, on any processor; or NULL. */
static struct vcpu *find_vcpu(const struct thread *self, uint64_t id)
{
    struct thread *thread = thread_find((thread_id)id);

    return thread && thread->task == self->task ? thread->vcpu : NULL;
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
static RARE enum status load_state(struct vcpu *vcpu, uint32_t groups)
{
    if (groups & ~(uint32_t)STATE_ALL) {
        return STATUS_BAD_ARGUMENT;
    }
    struct vcpu_state copy = *vcpu->state;

    __asm__ volatile("" : : : "memory"); /* the copy is what is checked and what is used */
    return virt->state_set(vcpu, &copy, groups);
}

static RARE enum status load_injection(struct vcpu *vcpu, uint64_t word)
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

static RARE enum status load_irq(struct vcpu *vcpu, uint32_t irq)
{
    if (irq != 0 && (irq < (IRQ_VALID | 16) || irq > (IRQ_VALID | 255))) {
        return STATUS_BAD_ARGUMENT;
    }
    vcpu->irq = irq;
    vcpu->attention = true;
    return STATUS_OK;
}

/* What the reply has changed, each word of it read once. The usual reply moves RIP. */
static inline enum status load_reply(struct vcpu *vcpu)
{
    const volatile struct vcpu_state *page = vcpu->state;
    uint64_t injection = *(const volatile uint64_t *)&page->injection;
    uint32_t dirty = page->dirty, irq = page->irq;
    enum status status = STATUS_OK;

    if (irq != vcpu->irq) {
        status = load_irq(vcpu, irq);
    }
    if (status == STATUS_OK) {
        if (dirty == STATE_IP) {
            status = virt->set_ip(vcpu, page->rip, page->rflags, page->interruptibility);
        } else if (dirty != 0) {
            status = load_state(vcpu, dirty);
        }
    }
    if (status == STATUS_OK && injection != 0) {
        status = load_injection(vcpu, injection);
    }
    return status;
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

    if (!vcpu->stopped) {
        vcpu->recall = true;
        vcpu->attention = true;
    }
}

struct thread *call_vcpu_recall(struct thread *self)
{
    struct vcpu *vcpu = find_vcpu(self, self->arch.frame.arg[0]);

    if (!vcpu) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (vcpu->thread->cpu == self->cpu) {
        virt_recall(vcpu->thread);
    } else {
        remote_poke(vcpu->thread, POKE_RECALL);
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
    take_processor(self->cpu, vcpu);
    enum status status = load_reply(vcpu);

    if (status != STATUS_OK) {
        return call_return(self, status);
    }
    vcpu->state->dirty = 0;
    vcpu->stopped = false;
    return ipc_wait_and_run(self, deadline, vcpu->thread);
}
