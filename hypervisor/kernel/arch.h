/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * All that the kernel needs of the machine. x86/ implements it, the host tests implement it a
 * second time. "arch_types.h" is found on the include path of whoever implements it and defines
 *
 *   struct arch_frame   what a user thread runs on. `arg[6]` are the argument registers of a
 *                       system call in order, `status` the register with number and status
 *   struct arch_thread  begins with `struct arch_frame frame`; what else a thread needs
 *   struct arch_cpu     what the machine keeps per processor
 *   struct arch_space   what the machine keeps per address space
 *   ARCH_SPACE_FRAMES   frames that a space with a single page in it takes
 *
 * The kernel runs with interrupts off, on one stack per processor, and never blocks in the
 * middle: whoever waits has all of its state in its frame.
 */
#include "abi/info.h"
#include "abi/status.h"
#include "abi/types.h"
#include "arch_types.h"

typedef uint64_t phys_addr;

struct cpu;
struct thread;
struct quota;

/* ---- What the machine tells the kernel at boot ------------------------------------------ */

struct platform {
    void *pool;          /* the kernel's own memory, mapped for good: [pool, pool + pool_size) */
    size_t pool_size;    /* bytes, whole pages */
    struct boot_info *boot;     /* a page of its own: regions and modules for σ0 */
    struct kernel_info *kernel; /* a page of its own; virt_caps still 0 */
};

/* Called by the machine once memory, consoles, interrupts and clock are up, on the boot
 * processor's kernel stack with interrupts off. */
_Noreturn void kernel_main(struct cpu *cpu, const struct platform *platform);

/* ---- Entries into the kernel: each returns the thread to run next ------------------------- */

/* A system call; number and arguments stand in the thread's frame. */
struct thread *kernel_syscall(struct thread *self);
/* An interrupt was taken and handled while `self` ran in user mode (a higher thread may be
 * ready now). */
struct thread *kernel_preempted(struct thread *self);
/* A user thread's exception: number, error code and address as the machine counts them. */
struct thread *kernel_exception(struct thread *self, unsigned vector, uint64_t error,
                                uint64_t address);

/* Called from interrupt handlers, in whatever the interrupt hit; these make threads ready and
 * return. */
void kernel_timer(struct cpu *cpu);
void kernel_console_input(struct cpu *cpu);
/* An interrupt on a line that was routed; the line is masked. */
void kernel_irq(struct cpu *cpu, unsigned line);
/* Another processor called arch_notify for this one. */
void kernel_notified(struct cpu *cpu);

/* ---- Processor ---------------------------------------------------------------------------- */

/* arch_this_cpu() is an inline function of arch_types.h's implementer, found from the stack. */

/* Makes `next` the owner of the processor: address space and entry stack. Cheap when unchanged. */
struct thread *arch_activate(struct cpu *cpu, struct thread *next);
/* Leaves the kernel into the thread's frame; arch_activate came before. */
_Noreturn void arch_resume_user(struct thread *thread);
/* Unwinds the processor's kernel stack and calls thread->resume(thread) on its empty top. */
_Noreturn void arch_restart(struct cpu *cpu, struct thread *thread);
/* Waits with interrupts on until one was handled; returns with interrupts off. */
void arch_wait_for_interrupt(void);
/* Takes the interrupts that are pending, in the middle of kernel work that is nobody's call. */
void arch_take_interrupts(void);
/* Fills a fresh frame: user mode, interrupts on, `argument` in arg[0]. */
void arch_thread_init(struct arch_thread *thread, struct cpu *cpu, uint64_t entry, uint64_t stack,
                      uint64_t argument);

/* The thread's system call shall be executed once more, with the arguments that its frame holds
 * now; interrupts are taken in between. */
void arch_call_again(struct arch_thread *thread);
/* The thread will go on in user mode at `entry` on `stack`. */
void arch_thread_go_to(struct arch_thread *thread, uint64_t entry, uint64_t stack);
/* Where it stands: for MESSAGE_EXCEPTION. */
void arch_thread_place(const struct arch_thread *thread, uint64_t *entry, uint64_t *stack);

/* ---- Other processors --------------------------------------------------------------------- */

/* Starts the processors 1..count - 1, whose struct cpu the kernel has made: each calls
 * kernel_start_processor on its own kernel stack. Returns when all have begun to; refuses to
 * start the machine when it has fewer. */
void arch_start_processors(unsigned count);
_Noreturn void kernel_start_processor(struct cpu *cpu);
/* Interrupts that processor: it calls kernel_notified as soon as it leaves the kernel. A
 * processor that waits for a lock looks by itself. */
void arch_notify(struct cpu *cpu);
/* Waits a moment in a loop on memory. */
void arch_pause(void);
/* This processor forgets all translations of user spaces, and leaves the one it has loaded if it
 * is `dead` (NULL: it stays). */
void arch_flush(struct cpu *cpu, const struct arch_space *dead);
/* Has that processor the space loaded? It may have left it when this returns, but nothing that
 * was changed in the tables before can be missed by one that loads it later. */
bool arch_space_loaded(const struct cpu *cpu, const struct arch_space *space);

/* ---- Ports and interrupt lines ------------------------------------------------------------- */

/* Is the port the kernel's own: console, power, interrupt controllers? Nobody gets it. */
bool arch_port_kept(uint32_t port);
uint32_t arch_port_read(uint16_t port, unsigned bytes);
void arch_port_write(uint16_t port, unsigned bytes, uint32_t value);
/* Sends the line's interrupts to that processor, masked at first; false: there is no such line. */
bool arch_irq_route(unsigned line, struct cpu *cpu);
void arch_irq_mask(unsigned line, bool masked);

/* ---- Time ------------------------------------------------------------------------------- */

tsc_time arch_time(void);
/* One timer per processor: kernel_timer is called at or soon after the deadline; TSC_NEVER
 * disarms. Setting a deadline that has passed fires at once. */
void arch_timer_set(struct cpu *cpu, tsc_time deadline);

/* ---- Memory ----------------------------------------------------------------------------- */

/* Between the kernel's own memory (its pool, and its image) and physical addresses. */
phys_addr arch_pool_physical(const void *pointer);
void *arch_pool_pointer(phys_addr physical);
/* Maps one page of physical memory into this processor's window, until the next call. */
void *arch_window(phys_addr page);

/* A page-table format: the host's own, EPT or NPT. */
struct page_format;
extern const struct page_format *const arch_user_format;

struct mapping {
    phys_addr physical; /* of the address asked for */
    uint64_t size;      /* of the page that holds it */
    unsigned rights;    /* enum memory_rights as held, not as mapped (W^X) */
};

/*
 * The functions below change the page tables of a space; the caller holds the kernel's lock. Each
 * does a bounded part of its work, about 1,000 instructions, and tells how far it came; their
 * callers go on by calling again. None of them invalidates what processors remember: the caller
 * does (kernel/remote.h) before it lets anybody rely on it.
 */

/* Makes an empty root table (with the kernel's half, for arch_user_format); its frame is taken
 * from `quota`. NO_MEMORY. */
enum status arch_space_init(struct arch_space *space, const struct page_format *format,
                            struct quota *quota);
/* Frees some tables; true when none is left, the root included. The memory mapped is not touched.
 * No processor has the space loaded. */
bool arch_space_destroy(struct arch_space *space, struct quota *quota);
/*
 * Maps the first part of [address, address + size) to [physical, …) with the largest pages that
 * alignment allows; *done is its size. EXISTS where something is mapped, NO_MEMORY when the quota
 * is used up: *done is what was mapped before that.
 */
enum status arch_space_map(struct arch_space *space, uint64_t address, phys_addr physical,
                           uint64_t size, unsigned rights, struct quota *quota, uint64_t *done);
/* Unmaps what is mapped in the first part of the range, splitting larger pages; *done is its
 * size (0 where only a page was split), *changed whether anything was. NO_MEMORY may come of
 * splitting. */
enum status arch_space_unmap(struct arch_space *space, uint64_t address, uint64_t size,
                             struct quota *quota, uint64_t *done, bool *changed);
/*
 * Unmaps every page that maps something of [physical, physical + size), beginning to look at the
 * page of `address`; *next is an address in the page where to go on, or 0 at the end, *changed
 * whether anything was unmapped. A larger page is split; where the quota cannot pay for that, all
 * of it goes.
 */
void arch_space_revoke(struct arch_space *space, uint64_t address, phys_addr physical,
                       uint64_t size, struct quota *quota, uint64_t *next, bool *changed);
/* Looks one address up; false when nothing is mapped there. */
bool arch_space_lookup(const struct arch_space *space, uint64_t address, struct mapping *out);

/* What boot has filled in becomes read-only: no table that guards something changes any more. */
void arch_seal(void);

/* ---- Console and machine ------------------------------------------------------------------ */

/* As long as it takes: for what the kernel itself has to say, at its begin and end. */
void arch_console_write(const char *text, size_t length);
/* Does a bounded part of the work. False: the byte has still to be written, with another call. */
bool arch_console_put(char byte);
/* Next byte, or -1. */
int arch_console_read(void);
/* Everything off or reset; returns only if the machine does not obey. */
void arch_machine_off(void);
void arch_machine_reset(void);
_Noreturn void arch_machine_stop(void);
