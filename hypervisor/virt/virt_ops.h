/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The seam to the CPU's vendor: the functions a backend implements. The table is chosen once at
 * boot; everything above it is compiled once and names no vendor. A backend translates and makes
 * no policy.
 */
#include "abi/vcpu.h"
#include "kernel/arch.h"

struct cpu;
struct quota;
struct thread;
struct vm;
struct vcpu;
struct vcpu_limits;

/* An event on its way into the guest, as both vendors encode it (VMX: SDM vol 3, 24.8.3;
 * SVM: APM vol 2, 15.20): the types are theirs. */
enum vcpu_event_type {
    EVENT_EXTERNAL = 0,
    EVENT_NMI = 2,
    EVENT_EXCEPTION = 3,      /* hardware exception */
    EVENT_SOFT_INTERRUPT = 4, /* INT n */
    EVENT_SOFT_EXCEPTION = 6, /* INT3, INTO; VMX only, SVM takes them for EVENT_EXCEPTION */
};

struct vcpu_event {
    bool valid;
    uint8_t type; /* enum vcpu_event_type */
    uint8_t vector;
    bool has_error;
    uint32_t error;
    uint8_t insn_length; /* of a software event, for VMX */
};

struct virt_ops {
    const char *name; /* "VMX" or "SVM", for the boot log only */

    /* -- All VMs ------------------------------------------------------------------------ */

    /* Can the calling processor do it? Returns NULL and the capabilities, or the name of what is
     * missing ("VMX is disabled by the firmware (IA32_FEATURE_CONTROL)"). Changes nothing. */
    const char *(*probe)(uint32_t *caps);
    /* Turns virtualization on for the calling processor. Frames come from `quota` (the kernel's
     * own). Called once per processor, before any other function below; on the boot processor
     * first, where it notes what is the same on all. UNSUPPORTED: this one is not like it. */
    enum status (*cpu_enable)(struct cpu *cpu, struct quota *quota);
    /* Turns it off again, before the machine is reset or stopped. */
    void (*cpu_disable)(struct cpu *cpu);
    /* How a guest-physical space is written; used with arch_space_*. */
    const struct page_format *gpa_format;
    /* What a guest's state may hold; valid once the boot processor's is enabled. */
    const struct vcpu_limits *limits;

    /* -- One vCPU, whose struct begins the backend's own, in one frame --------------------- */

    /* Control structure in the state after reset: real mode at ffff:0 (SDM vol 3, 9.1.1). Every
     * port and MSR is intercepted but those MSRs that the hardware switches with the guest's state
     * (FS_BASE, GS_BASE, KERNEL_GS_BASE). The frame comes zeroed but for vcpu's own fields; more
     * are charged to vm->quota. NO_MEMORY: none is held. With the kernel's lock. */
    enum status (*vcpu_init)(struct vcpu *vcpu);
    /* Gives back what vcpu_init took, on any processor; no processor has it loaded. */
    void (*vcpu_destroy)(struct vcpu *vcpu);
    /* Another vCPU ran here before, or none: brings in what `enter` does not switch. */
    void (*load)(struct vcpu *vcpu);
    /* Another vCPU will run here, or this one never again: takes out what `load` brought in. */
    void (*unload)(struct vcpu *vcpu);
    /*
     * thread->resume of a vCPU: enters the guest, after vcpu_prepare. General registers run in
     * vcpu->state->gpr (RSP by groups below). It compares vm->generation with what it knows, so
     * that no translation is used that the guest-physical space had lost before.
     *
     * The guest's exit is an entry into the kernel like any other: on the empty kernel stack, with
     * interrupts off and the host's state whole. The backend then notes an event whose delivery
     * was interrupted (vcpu_pend), asks vcpu_exited or vcpu_forward who runs next, and goes to
     * dispatch (x86/entry.S).
     */
    void (*resume)(struct thread *self);
    /* After EXIT_HOST_INTERRUPT, EXIT_NMI, EXIT_MACHINE_CHECK: lets the host take it now. */
    void (*host_event)(struct vcpu *vcpu, const struct vcpu_exit *exit);
    /* Moves groups (enum vcpu_state_group) from the hardware's structure to the state page. */
    void (*state_get)(struct vcpu *vcpu, uint32_t groups);
    /* The other way. `in` is the kernel's private copy. BAD_ARGUMENT: a value that must not
     * reach the hardware; nothing was loaded. */
    enum status (*state_set)(struct vcpu *vcpu, const struct vcpu_state *in, uint32_t groups);
    /* Loads vcpu->ip, which is good, after an instruction; also between exit and entry. */
    void (*load_ip)(struct vcpu *vcpu);
    /* Delivers the event at the next entry. One at a time. */
    void (*inject)(struct vcpu *vcpu, const struct vcpu_event *event);
    /*
     * The external interrupt vcpu->irq is to be delivered at the next entry, unless an event is
     * (`busy`), or else as soon as the guest can take it; 0: none is any longer. The backend sets
     * vcpu->irq to 0 when the guest has it. Returns whether it is to be asked again before the
     * next entry.
     */
    bool (*offer_irq)(struct vcpu *vcpu, bool busy);
    /* For the vTLB: vcpu->vtlb->root is the real CR3 from the next entry on, and no translation
     * that was used before is used after it. */
    void (*flush)(struct vcpu *vcpu);
    /* For the vTLB: after an exit. */
    void (*set_cr2)(struct vcpu *vcpu, uint64_t address);
};

extern const struct virt_ops vmx_ops;
extern const struct virt_ops svm_ops;
