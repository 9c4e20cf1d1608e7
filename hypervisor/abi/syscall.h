/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The system calls. SYSCALL instruction; number in RAX, arguments a0..a5 in RDI, RSI, RDX, R10,
 * R8, R9; the status comes back in RAX (enum status), results in the argument registers as each
 * call says, every other argument register unchanged. RCX and R11 are lost to the instruction.
 *
 * "Child" is a task that the caller's task has made. Sizes are bytes and multiples of a page,
 * addresses page-aligned, ranges half-open.
 */
enum syscall {
    /* a0 = length 1..40, a1..a5 = the bytes, first in the lowest. Only σ0. Never blocks. */
    SYS_CONSOLE_WRITE,
    /* → a0 = next byte from the board's console. EMPTY. Only σ0. */
    SYS_CONSOLE_READ,
    /* a0 = event bits that the calling thread gets when a byte arrives. Only σ0. */
    SYS_CONSOLE_LISTEN,
    /* a0 = enum machine_end. Only σ0. Does not return. */
    SYS_MACHINE_END,

    /* a0 = quota in pages of kernel memory, taken out of the caller's → a0 = TaskID. */
    SYS_TASK_CREATE,
    /* a0 = code for the parent. Ends the caller's task with all its threads; does not return.
     * The parent's first thread gets EVENT_CHILD. */
    SYS_TASK_END,
    /* a0 = child → a0 = enum task_state, a1 = code, a2 = detail (faulting address or 0) */
    SYS_TASK_STATUS,
    /* a0 = own task or child, a1 = entry, a2 = stack pointer, a3 = priority 1..255 (at most the
     * caller's), a4 = argument in RDI → a0 = ThreadID. The thread is ready at once. */
    SYS_THREAD_CREATE,

    /* a0 = child, a1 = source in the caller's space, a2 = destination in the child's, a3 = size,
     * a4 = rights (at most the caller's). All or nothing. */
    SYS_MEM_MAP,
    /* a0 = own task or child, a1 = address, a2 = size. What is not mapped is skipped. */
    SYS_MEM_UNMAP,

    /* a0 = receiver, a1 = deadline, a2..a5 = message. Returns when it was received. */
    SYS_IPC_SEND,
    /* a1 = deadline → a struct message, see below */
    SYS_IPC_WAIT,
    /* a0 = partner, a1 = deadline, a2..a5 = message → its answer, a2..a5 */
    SYS_IPC_CALL,
    /* a0 = caller to answer (0: none), a1 = deadline, a2..a5 = answer → the next message */
    SYS_IPC_REPLY_WAIT,
    /* a0 = thread, a1 = bits or'ed into its pending events. Never blocks. */
    SYS_EVENT_SIGNAL,

    /* Hangs an empty guest-physical space on the caller's task. EXISTS, UNSUPPORTED. */
    SYS_VM_CREATE,
    /* a0 = gpa, a1 = source in the caller's space, a2 = size, a3 = rights. All or nothing. */
    SYS_VM_MAP,
    /* a0 = gpa, a1 = size */
    SYS_VM_UNMAP,
    /* a0 = address for the state page, a1 = priority → a0 = ThreadID of the vCPU. The caller
     * becomes its handler thread. The vCPU waits for its first SYS_VCPU_RUN. */
    SYS_VCPU_CREATE,
    /* a0 = vCPU that waits for its handler, a1 = enum vcpu_state_group: brings those groups into
     * the state page */
    SYS_VCPU_STATE_GET,
    /* a0 = vCPU that waits for its handler, a1 = groups: checks and loads them now, instead of
     * with the reply. BAD_ARGUMENT: no group was loaded. */
    SYS_VCPU_STATE_SET,
    /* a0 = vCPU of the caller's task: makes it exit with EXIT_RECALL soon. */
    SYS_VCPU_RECALL,
    /* The reply: a0 = vCPU, a1 = deadline of the wait, → the next message. Loads what the state
     * page marks dirty, injects, enters, and waits. BAD_ARGUMENT: the state was refused. */
    SYS_VCPU_RUN,

    SYSCALL_COUNT
};

enum machine_end {
    MACHINE_OFF = 0,
    MACHINE_RESET = 1,
};

enum task_state {
    TASK_RUNS = 0,
    TASK_ENDED = 1,  /* by SYS_TASK_END, code as given */
    TASK_FAILED = 2, /* by an exception it has no handler for: code = vector, detail = address */
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
};

/* Event bits 0..47 are the receiver's to define; these are the kernel's. */
#define EVENT_CHILD (1UL << 63) /* a child task has ended or failed */

#define PRIORITY_MIN 1u
#define PRIORITY_MAX 255u
