/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The system calls. SYSCALL instruction; number in RAX, arguments a0..a5 in RDI, RSI, RDX, R10,
 * R8, R9; the status comes back in RAX (enum status), results in the argument registers as each
 * call says, every other argument register unchanged. RCX and R11 are lost to the instruction.
 *
 * "Child" is a task that the caller's task has made; its own task is named 0. Sizes are bytes and
 * multiples of a page, addresses page-aligned, ranges half-open.
 *
 * No call keeps the processor for long. One marked "in steps" does a bounded part of its work,
 * advances its own argument registers past it, and is executed again by its caller, who does not
 * notice; interrupts and higher threads come in between. When it ends with an error, its
 * registers tell how far it came, and what was done stays done.
 */
enum syscall {
    /* ---- The quick ones: they touch the caller's processor only and take no lock ---------- */

    /* a0 = receiver, a1 = deadline, a2..a5 = message. Returns when it was received. The receiver
     * is bound to the caller's processor (ELSEWHERE); a0..a5 likewise in all four. */
    SYS_IPC_SEND,
    /* a1 = deadline → a struct message, see below */
    SYS_IPC_WAIT,
    /* a0 = partner, a1 = deadline, a2..a5 = message → its answer, a2..a5. The partner runs on the
     * caller's priority until it answers, if both are in one time partition. */
    SYS_IPC_CALL,
    /* a0 = caller to answer (0: none), a1 = deadline, a2..a5 = answer → the next message. To a
     * thread whose MESSAGE_EXCEPTION is answered, a2 = enum exception_answer. */
    SYS_IPC_REPLY_WAIT,
    /* a0 = thread on any processor, a1 = bits or'ed into its pending events. Never blocks. */
    SYS_EVENT_SIGNAL,
    /* The reply: a0 = vCPU, a1 = deadline of the wait, → the next message. Loads what the state
     * page marks dirty, injects, enters, and waits. BAD_ARGUMENT: the state was refused. */
    SYS_VCPU_RUN,
    /* a0 = vCPU that waits for its handler, a1 = enum vcpu_state_group: brings those groups into
     * the state page */
    SYS_VCPU_STATE_GET,
    /* a0 = vCPU that waits for its handler, a1 = groups: checks and loads them now, instead of
     * with the reply. BAD_ARGUMENT: no group was loaded. */
    SYS_VCPU_STATE_SET,
    /* a0 = vCPU of the caller's task, on any processor: makes it exit with EXIT_RECALL soon. */
    SYS_VCPU_RECALL,
    /* a0 = port, a1 = bytes 1, 2 or 4 → a0 = value. DENIED without RIGHT_PORT to all of them. */
    SYS_PORT_READ,
    /* a0 = port, a1 = bytes, a2 = value */
    SYS_PORT_WRITE,

    /* ---- The others: one at a time in the whole kernel ------------------------------------- */

    /* a0 = length 1..40, a1..a5 = the bytes, first in the lowest. Only σ0. In steps. */
    SYS_CONSOLE_WRITE,
    /* → a0 = next byte from the board's console. EMPTY. Only σ0. */
    SYS_CONSOLE_READ,
    /* a0 = event bits that the calling thread gets when a byte arrives. Only σ0. */
    SYS_CONSOLE_LISTEN,
    /* a0 = enum machine_end. Only σ0. Does not return. */
    SYS_MACHINE_END,
    /* a0 = number of a schedule of the configuration: all processors go over to it together, at
     * the end of a major frame → a0 = the time of that, TSC. Only σ0. */
    SYS_SCHEDULE_SET,

    /* a0 = quota in pages of kernel memory, taken out of the caller's, a1 = processors it may use
     * (bitmap, within the caller's), a2 = its time partition (the caller's own; σ0 may name any),
     * a3 = highest priority of its threads (at most the caller's) → a0 = TaskID. */
    SYS_TASK_CREATE,
    /* a0 = code for the parent. Ends the caller's task and all below it; does not return.
     * The parent's first thread gets EVENT_CHILD. */
    SYS_TASK_END,
    /* a0 = child: ends it and all below it. In steps. Nothing of it runs when it returns. */
    SYS_TASK_STOP,
    /* a0 = child that has ended: gives back its kernel memory and that of all below it. In steps.
     * BUSY while it runs. Its memory, ports and interrupts are the caller's again. */
    SYS_TASK_DESTROY,
    /* a0 = own task or child → a0 = enum task_state, a1 = code, a2 = detail (faulting address or
     * 0), a3 = pages of its quota in use */
    SYS_TASK_STATUS,
    /* a0 = own task or child, a1 = entry, a2 = stack pointer, a3 = priority 1..255 (at most the
     * task's) | processor << 8, a4 = argument in RDI, a5 = ThreadID of its exception handler, a
     * thread of the same task or of the caller's on the same processor, or 0: an exception ends
     * the task → a0 = ThreadID, a1 = the caller's own. The thread is ready at once. */
    SYS_THREAD_CREATE,
    /* Ends the calling thread. Does not return; its kernel memory comes back with its task's. */
    SYS_THREAD_END,

    /* a0 = child, a1 = source in the caller's space, a2 = destination in the child's, a3 = size,
     * a4 = rights (at most the caller's). In steps. */
    SYS_MEM_MAP,
    /* a0 = own task or child, a1 = address, a2 = size. What is not mapped is skipped. In steps. */
    SYS_MEM_UNMAP,
    /* a0 = child, or the caller's own task, a1 = address in the caller's space, a2 = size, a3 = 0,
     * a4 = 0: takes the memory that the caller holds there from the child and all below it, or
     * from the caller's own VM and all its children; from address spaces, guest-physical spaces
     * and TLBs of all processors. The caller keeps it. In steps; a3 and a4 are its own between
     * them. What is not mapped is skipped. Where the quota that pays for a page table cannot pay
     * for splitting a large page, all of that page goes. */
    SYS_MEM_REVOKE,

    /* a0 = child, a1 = enum right, a2 = first, a3 = count: passes on what the caller holds. */
    SYS_RIGHT_GIVE,
    /* The same arguments, a4 = 0: takes it from the child and all below it. In steps; a4 is its own
     * between them. */
    SYS_RIGHT_TAKE,
    /* a0 = line, held as RIGHT_IRQ, a1 = event bits: the calling thread gets them with every
     * interrupt on that line, which is masked then. The line is unmasked now. EXISTS: another
     * thread listens. */
    SYS_IRQ_LISTEN,
    /* a0 = line that the calling thread listens to: unmasks it. */
    SYS_IRQ_DONE,

    /* a0 = enum vm_paging: hangs an empty guest-physical space on the caller's task. EXISTS;
     * UNSUPPORTED: this machine has no nested paging. */
    SYS_VM_CREATE,
    /* a0 = gpa, a1 = source in the caller's space, a2 = size, a3 = rights. In steps. */
    SYS_VM_MAP,
    /* a0 = gpa, a1 = size. In steps. */
    SYS_VM_UNMAP,
    /* a0 = address for the state page, a1 = priority → a0 = ThreadID of the vCPU. The caller
     * becomes its handler thread, and they share a processor. The vCPU waits for its first
     * SYS_VCPU_RUN. */
    SYS_VCPU_CREATE,

    SYSCALL_COUNT,
    SYSCALL_QUICK = SYS_CONSOLE_WRITE, /* the calls below this one */
    SYSCALL_SIGMA0 = SYS_SCHEDULE_SET, /* from there to here: σ0 alone may make them */
};

/* What is passed on and taken back by number. A task holds what its parent gave and took not. */
enum right {
    RIGHT_PORT, /* I/O ports 0..0xffff */
    RIGHT_IRQ,  /* interrupt lines (GSIs) 0..IRQ_LINES - 1 */
    /* Tasks that it may send to and signal: the low 16 bits of the other's TaskID, count 1. Own
     * task, parent and children are held without. It ends with the other task. */
    RIGHT_PEER,
    RIGHT_COUNT
};
#define PORT_COUNT 0x10000u
#define IRQ_LINES 128u

/* How a thread that had an exception goes on. */
enum exception_answer {
    EXCEPTION_RETRY = 0,  /* where it was */
    EXCEPTION_GO_TO = 1,  /* a3 = instruction pointer, a4 = stack pointer */
    EXCEPTION_END = 2,    /* it ends, its task does not */
};

enum machine_end {
    MACHINE_OFF = 0,
    MACHINE_RESET = 1,
};

enum task_state {
    TASK_RUNS = 0,
    TASK_ENDED = 1,  /* by SYS_TASK_END, code as given */
    TASK_FAILED = 2, /* by an exception it has no handler for: code = vector, detail = address */
    TASK_STOPPED = 3, /* by its parent, or with it */
};

/*
 * What a wait returns: RAX = status, a0 = sender (ThreadID, or 0), a1 = enum message_kind,
 * a2..a5 = message.
 */
enum message_kind {
    MESSAGE_IPC = 0,     /* a2..a5 from a thread */
    MESSAGE_EVENTS = 1,  /* a2 = the pending bits, now cleared */
    MESSAGE_EXIT = 2,    /* a0 = vCPU; its state page says the rest */
    MESSAGE_TIMEOUT = 3, /* the wait's deadline passed */
    /* a0 = thread that waits for the answer as a caller does, a2 = vector | error code << 32,
     * a3 = faulting address or 0, a4 = instruction pointer, a5 = stack pointer */
    MESSAGE_EXCEPTION = 4,
};

/* Event bits 0..47 are the receiver's to define; these are the kernel's. */
#define EVENT_CHILD (1UL << 63) /* a child task has ended or failed */

#define PRIORITY_MIN 1u
#define PRIORITY_MAX 255u
