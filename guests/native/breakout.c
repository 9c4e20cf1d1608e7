/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries everything that a partition must not do, in a thread whose exceptions the first thread
 * answers by letting it go on. The partition holds no ports and no interrupts. What went through
 * is printed, and makes the code 1.
 */
#include "child.h"
#include "clock.h"
#include "heap.h"
#include "print.h"
#include "probe.h"
#include "thread.h"

#define CHILD_QUOTA 64   /* pages */
#define NOBODYS 0x0000100200300000UL /* an address where nothing stands */
#define SLOTS 256u       /* names of tasks and threads that are tried: as many slots, ... */
#define SIGMA0_SLOT 1u   /* the first task */
#define GENERATIONS 3u   /* ... and generations */

/* Where the kernel's things stand on this machine, if they could be reached. */
static const uint64_t kernel_addresses[] = {
    0xffffffff80200000UL, /* its image */
    0xffffff0000000000UL, /* its memory */
    0xffffff8000000000UL, /* devices */
    0xfffffe0000000000UL, 0xfffffd0000001000UL, 0xfffffffffffff000UL, 0xffff800000000000UL,
};
/* And other places that are not the partition's. */
static const uint64_t foreign_addresses[] = {
    0, PAGE_SIZE, SIGMA0_PHYSICAL, SIGMA0_PHYSICAL + 0x100000, USER_BOOT_INFO, USER_TOP,
    USER_TOP - PAGE_SIZE, VMM_MODULE_BASE, NOBODYS, 0x0000800000000000UL, 0x8000000000000000UL,
};
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct probe probe;
static thread_id first_thread;
static uint64_t tried, refused;

static void note(const char *what, uint64_t detail, bool was_refused)
{
    tried++;
    if (was_refused) {
        refused++;
    } else {
        print("breakout: WENT THROUGH: %s (0x%lx)\n", what, detail);
    }
}

/* ---- Instructions ---------------------------------------------------------------------------- */

/* Each is executed with RDI = argument, and must end in an exception. */
#define INSTRUCTIONS(X)                                                                            \
    X(hlt, "hlt")                                                                                  \
    X(cli, "cli")                                                                                  \
    X(sti, "sti")                                                                                  \
    X(in_8, "mov $0x60, %%edx; in %%dx, %%al")                                                     \
    X(in_32, "mov $0xcfc, %%edx; in %%dx, %%eax")                                                  \
    X(in_immediate, "in $0x64, %%al")                                                              \
    X(out_8, "mov $0x80, %%edx; out %%al, %%dx")                                                   \
    X(out_32, "mov $0xcf8, %%edx; out %%eax, %%dx")                                                \
    X(insb, "mov $0x60, %%edx; insb")                                                              \
    X(outsb, "mov %%rdi, %%rsi; mov $0x80, %%edx; outsb")                                          \
    X(lgdt, "lgdt (%%rdi)")                                                                        \
    X(lidt, "lidt (%%rdi)")                                                                        \
    X(lldt, "xor %%eax, %%eax; lldt %%ax")                                                         \
    X(ltr, "mov $0x40, %%eax; ltr %%ax")                                                           \
    X(read_cr0, "mov %%cr0, %%rax")                                                                \
    X(write_cr0, "mov $0x11, %%eax; mov %%rax, %%cr0")                                             \
    X(read_cr2, "mov %%cr2, %%rax")                                                                \
    X(read_cr3, "mov %%cr3, %%rax")                                                                \
    X(write_cr3, "xor %%eax, %%eax; mov %%rax, %%cr3")                                             \
    X(read_cr4, "mov %%cr4, %%rax")                                                                \
    X(write_cr4, "xor %%eax, %%eax; mov %%rax, %%cr4")                                             \
    X(read_cr8, "mov %%cr8, %%rax")                                                                \
    X(write_cr8, "mov $15, %%eax; mov %%rax, %%cr8")                                               \
    X(read_dr7, "mov %%dr7, %%rax")                                                                \
    X(write_dr0, "mov %%rdi, %%dr0")                                                               \
    X(write_dr7, "mov $0x401, %%eax; mov %%rax, %%dr7")                                            \
    X(clts, "clts")                                                                                \
    X(lmsw, "mov $1, %%eax; lmsw %%ax")                                                            \
    X(invlpg, "invlpg (%%rdi)")                                                                    \
    X(invd, "invd")                                                                                \
    X(wbinvd, "wbinvd")                                                                            \
    X(rdmsr_efer, "mov $0xc0000080, %%ecx; rdmsr")                                                 \
    X(rdmsr_apic, "mov $0x1b, %%ecx; rdmsr")                                                       \
    X(wrmsr_lstar, "mov $0xc0000082, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr")            \
    X(wrmsr_gs, "mov $0xc0000102, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr")               \
    X(wrmsr_x2apic, "mov $0x830, %%ecx; mov $0xc4500, %%eax; xor %%edx, %%edx; wrmsr")             \
    X(rdpmc, "xor %%ecx, %%ecx; rdpmc")                                                            \
    X(xsetbv, "xor %%ecx, %%ecx; mov $1, %%eax; xor %%edx, %%edx; .byte 0x0f, 0x01, 0xd1")         \
    X(swapgs, "swapgs")                                                                            \
    X(sysret, "mov $0x400000, %%ecx; mov $0x202, %%r11d; sysretq")                                 \
    X(sysexit, "sysexitl")                                                                          \
    X(sysenter, "sysenter")                                                                        \
    X(monitor, "mov %%rdi, %%rax; xor %%ecx, %%ecx; xor %%edx, %%edx; monitor")                    \
    X(mwait, "xor %%eax, %%eax; xor %%ecx, %%ecx; mwait")                                          \
    X(iret_to_kernel, "push $0x18; push %%rsp; push $0x202; push $0x10; push %%rdi; iretq")        \
    X(lret_to_kernel, "push $0x10; push %%rdi; lretq")                                             \
    X(load_kernel_ss, "mov $0x18, %%eax; mov %%ax, %%ss")                                          \
    X(load_kernel_ds, "mov $0x18, %%eax; mov %%ax, %%ds")                                          \
    X(load_tss_fs, "mov $0x40, %%eax; mov %%ax, %%fs")                                             \
    X(rsm, "rsm")                                                                                  \
    X(getsec, "xor %%eax, %%eax; .byte 0x0f, 0x37")                                                \
    X(vmcall, ".byte 0x0f, 0x01, 0xc1")                                                            \
    X(vmlaunch, ".byte 0x0f, 0x01, 0xc2")                                                          \
    X(vmresume, ".byte 0x0f, 0x01, 0xc3")                                                          \
    X(vmxoff, ".byte 0x0f, 0x01, 0xc4")                                                            \
    X(vmxon, ".byte 0xf3, 0x0f, 0xc7, 0x37")                                                       \
    X(vmptrld, ".byte 0x0f, 0xc7, 0x37")                                                           \
    X(vmclear, ".byte 0x66, 0x0f, 0xc7, 0x37")                                                     \
    X(vmread, ".byte 0x0f, 0x78, 0xc1")                                                            \
    X(invept, ".byte 0x66, 0x0f, 0x38, 0x80, 0x07")                                                \
    X(invpcid, ".byte 0x66, 0x0f, 0x38, 0x82, 0x07")                                               \
    X(vmrun, "mov %%rdi, %%rax; .byte 0x0f, 0x01, 0xd8")                                           \
    X(vmmcall, ".byte 0x0f, 0x01, 0xd9")                                                           \
    X(vmload, "mov %%rdi, %%rax; .byte 0x0f, 0x01, 0xda")                                          \
    X(vmsave, "mov %%rdi, %%rax; .byte 0x0f, 0x01, 0xdb")                                          \
    X(stgi, ".byte 0x0f, 0x01, 0xdc")                                                              \
    X(clgi, ".byte 0x0f, 0x01, 0xdd")                                                              \
    X(skinit, "xor %%eax, %%eax; .byte 0x0f, 0x01, 0xde")                                          \
    X(invlpga, "mov %%rdi, %%rax; xor %%ecx, %%ecx; .byte 0x0f, 0x01, 0xdf")                       \
    X(undefined, "ud2")

/* With UMIP these tell nothing either (SDM vol 3, 2.5). */
#define LOOKING(X)                                                                                 \
    X(sgdt, "sub $16, %%rsp; sgdt (%%rsp); add $16, %%rsp")                                        \
    X(sidt, "sub $16, %%rsp; sidt (%%rsp); add $16, %%rsp")                                        \
    X(sldt, "sldt %%eax")                                                                          \
    X(smsw, "smsw %%eax")                                                                          \
    X(str, "str %%eax")

/* Allowed to go through, as long as everything goes on as before. */
#define HARMLESS(X)                                                                                \
    X(step_over_call, "pushfq; orl $0x100, (%%rsp); mov $0x7777, %%eax; popfq; syscall")           \
    X(ss_before_call, "mov %%ss, %%ecx; mov $0x7777, %%eax; mov %%ecx, %%ss; syscall")             \
    X(kernel_stack_call,                                                                           \
      "mov %%rsp, %%r12; mov $-0x8000000, %%rsp; mov $0x7777, %%eax; syscall; mov %%r12, %%rsp")   \
    X(odd_stack_call,                                                                              \
      "mov %%rsp, %%r12; mov $0x8000000000000001, %%rsp; mov $0x7777, %%eax; syscall;"             \
      " mov %%r12, %%rsp")                                                                         \
    X(flags_call, "pushfq; orl $0x44400, (%%rsp); popfq; mov $0x7777, %%eax; syscall; cld")        \
    X(compatibility_call, "mov $0x7777, %%eax; mov $0xffffffff, %%ecx; syscall")                   \
    X(write_gs_base, "xor %%eax, %%eax; .byte 0xf3, 0x48, 0x0f, 0xae, 0xd8")                       \
    X(null_segments, "xor %%eax, %%eax; mov %%ax, %%ds; mov %%ax, %%es; mov %%ax, %%fs;"           \
      " mov %%ax, %%gs")                                                                           \
    X(clear_breakpoint, "int3")

#define ACT(name, code)                                                                            \
    static void do_##name(uint64_t argument)                                                       \
    {                                                                                              \
        __asm__ volatile(code                                                                      \
                         : "+D"(argument)                                                          \
                         :                                                                         \
                         : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12",     \
                           "memory", "cc");                                                        \
    }
INSTRUCTIONS(ACT)
LOOKING(ACT)
HARMLESS(ACT)

struct act {
    const char *name;
    void (*run)(uint64_t argument);
};
#define ENTRY(name, code) {#name, do_##name},
static const struct act instructions[] = {INSTRUCTIONS(ENTRY)};
static const struct act looking[] = {LOOKING(ENTRY)};
static const struct act harmless[] = {HARMLESS(ENTRY)};

/* INT with each vector: three bytes each. */
__asm__(".pushsection .text\n"
        "interrupts:\n"
        ".set vector, 0\n"
        ".rept 256\n"
        ".byte 0xcd, vector\n"
        "ret\n"
        ".set vector, vector + 1\n"
        ".endr\n"
        ".popsection\n");
extern const uint8_t interrupts[256][3];

static bool has_umip(void)
{
    uint32_t eax = 7, ebx, ecx = 0, edx;

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return ecx >> 2 & 1;
}

static void try_instructions(void)
{
    uint64_t memory = (uint64_t)heap_pages(PAGE_SIZE);

    for (size_t i = 0; i < COUNT_OF(instructions); i++) {
        note(instructions[i].name, 0, probe_run(&probe, instructions[i].run, memory));
    }
    for (size_t i = 0; has_umip() && i < COUNT_OF(looking); i++) {
        note(looking[i].name, 0, probe_run(&probe, looking[i].run, memory));
    }
    for (size_t i = 0; i < COUNT_OF(harmless); i++) {
        probe_run(&probe, harmless[i].run, memory);
        note(harmless[i].name, 0, true);
    }
    for (uint64_t i = 0; i < 256; i++) {
        note("int", i, probe_run(&probe, (void (*)(uint64_t))interrupts[i], 0));
    }
}

/* POPF ignores what may not be changed (SDM vol 2, POPF). */
static void try_flags(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq\n\t"
                     "andl $~0x200, (%%rsp)\n\t"
                     "orl $0x3000, (%%rsp)\n\t"
                     "popfq\n\t"
                     "pushfq\n\t"
                     "pop %0" : "=r"(flags) : : "memory", "cc");
    note("interrupts off by POPF", flags, (flags & 0x200) != 0);
    note("I/O privilege by POPF", flags, (flags & 0x3000) == 0);
}

/* What a guest or another program has left in the registers that the kernel does not use. */
static uint64_t vectors[2];

static void read_vector(uint64_t address)
{
    __asm__ volatile("movups %%xmm0, (%0)" : : "r"(address) : "memory");
}

static void try_vectors(void)
{
    bool exception = probe_run(&probe, read_vector, (uint64_t)vectors);

    note("reading XMM0", vectors[0], exception || (vectors[0] | vectors[1]) == 0);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void read_at(uint64_t address)
{
    (void)*(const volatile uint8_t *)address;
}

static void write_at(uint64_t address)
{
    *(volatile uint8_t *)address = 0xc3;
}

static void run_at(uint64_t address)
{
    ((void (*)(void))address)();
}

static void try_everything_at(uint64_t address)
{
    note("read", address, probe_run(&probe, read_at, address));
    note("write", address, probe_run(&probe, write_at, address));
    note("run", address, probe_run(&probe, run_at, address));
}

static const uint8_t constant[] = {0xc3};
static uint8_t variable[] = {0xc3};

static void try_memory(void)
{
    uint8_t *heap = heap_pages(PAGE_SIZE);
    const uint8_t *guard = (const uint8_t *)thread_block() + sizeof(struct thread_block) -
                           THREAD_STACK_SIZE;

    for (size_t i = 0; i < COUNT_OF(kernel_addresses); i++) {
        try_everything_at(kernel_addresses[i]);
    }
    for (size_t i = 0; i < COUNT_OF(foreign_addresses); i++) {
        try_everything_at(foreign_addresses[i]);
    }
    heap[0] = 0xc3;
    note("run heap", 0, probe_run(&probe, run_at, (uint64_t)heap));
    note("run data", 0, probe_run(&probe, run_at, (uint64_t)variable));
    note("run constants", 0, probe_run(&probe, run_at, (uint64_t)constant));
    note("run console", 0, probe_run(&probe, run_at, USER_CONSOLE));
    note("write code", 0, probe_run(&probe, write_at, (uint64_t)write_at));
    note("write constants", 0, probe_run(&probe, write_at, (uint64_t)constant));
    note("write kernel's information", 0, probe_run(&probe, write_at, USER_KERNEL_INFO));
    note("run kernel's information", 0, probe_run(&probe, run_at, USER_KERNEL_INFO));
    note("write σ0's information", 0, probe_run(&probe, write_at, USER_PARTITION_INFO));
    note("write below the stack", 0, probe_run(&probe, write_at, (uint64_t)guard));
    for (uint32_t i = 0; i < PARTITION_INFO->port_count; i++) {
        if (!PARTITION_INFO->port[i].source) {
            note("write what a port reads", i,
                 probe_run(&probe, write_at, PARTITION_INFO->port[i].address));
        }
    }
}

/* ---- System calls ---------------------------------------------------------------------------- */

/* TIMEOUT, ELSEWHERE and BUSY come after the question whether the caller may. */
static bool is_refusal(int64_t status)
{
    return status < 0 && status >= STATUS_ELSEWHERE && status != STATUS_TIMEOUT &&
           status != STATUS_ELSEWHERE && status != STATUS_BUSY;
}

static int64_t call(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                    uint64_t a4, uint64_t a5)
{
    struct syscall_frame frame = {{a0, a1, a2, a3, a4, a5}};

    return syscall_full(number, &frame);
}
#define CALL_6(number, a0, a1, a2, a3, a4, a5, ...) call(number, a0, a1, a2, a3, a4, a5)
#define REFUSED(what, ...) note(what, 0, is_refusal(CALL_6(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)))
#define REFUSED_AT(what, detail, ...)                                                              \
    note(what, detail, is_refusal(CALL_6(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)))

static void try_sigma0s_calls(void)
{
    REFUSED("board's console", SYS_CONSOLE_WRITE, 1, 'x');
    REFUSED("typed bytes", SYS_CONSOLE_READ);
    REFUSED("listening to the console", SYS_CONSOLE_LISTEN, 1);
    REFUSED("machine off", SYS_MACHINE_END, MACHINE_OFF);
    REFUSED("machine reset", SYS_MACHINE_END, MACHINE_RESET);
    REFUSED("schedule", SYS_SCHEDULE_SET, 0);
    REFUSED("no such call", SYSCALL_COUNT);
    REFUSED("no such call", 1UL << 32 | SYS_IPC_WAIT, 0, TSC_NOW);
    REFUSED("no such call", 1UL << 63 | SYS_TASK_CREATE, 1, 1, 0, 1);
    REFUSED("no such call", UINT64_MAX);
}

static void try_ports_and_interrupts(task_id child)
{
    for (uint32_t port = 0; port < PORT_COUNT; port++) {
        REFUSED_AT("reading a port", port, SYS_PORT_READ, port, 1);
    }
    for (uint32_t port = 0; port < PORT_COUNT; port += 0x3f) {
        REFUSED_AT("writing a port", port, SYS_PORT_WRITE, port, 4);
        REFUSED_AT("giving a port", port, SYS_RIGHT_GIVE, child, RIGHT_PORT, port, 1);
    }
    REFUSED("ports beyond the last", SYS_PORT_READ, 0xffff, 4);
    REFUSED("port 2^16", SYS_PORT_READ, PORT_COUNT, 1);
    REFUSED("port 2^32", SYS_PORT_READ, 1UL << 32, 1);
    REFUSED("giving all ports", SYS_RIGHT_GIVE, child, RIGHT_PORT, 0, PORT_COUNT);
    for (uint32_t line = 0; line < IRQ_LINES + 8; line++) {
        REFUSED_AT("interrupt", line, SYS_IRQ_LISTEN, line, 1);
        REFUSED_AT("unmasking", line, SYS_IRQ_DONE, line);
        REFUSED_AT("giving an interrupt", line, SYS_RIGHT_GIVE, child, RIGHT_IRQ, line, 1);
    }
    REFUSED("interrupt 2^32", SYS_IRQ_LISTEN, 1UL << 32, 1);
    REFUSED("a right there is not", SYS_RIGHT_GIVE, child, RIGHT_COUNT, 0, 1);
    REFUSED("a right there is not", SYS_RIGHT_GIVE, child, 1UL << 40, 0, 1);
}

static void try_mapping(task_id child)
{
    uint64_t heap = (uint64_t)heap_pages(PAGE_SIZE);
    const unsigned rw = MEM_READ | MEM_WRITE, rx = MEM_READ | MEM_EXECUTE;

    for (size_t i = 0; i < COUNT_OF(kernel_addresses); i++) {
        REFUSED_AT("mapping from", kernel_addresses[i], SYS_MEM_MAP, child, kernel_addresses[i],
                   NOBODYS, PAGE_SIZE, MEM_READ);
        REFUSED_AT("mapping to", kernel_addresses[i], SYS_MEM_MAP, child, heap,
                   kernel_addresses[i], PAGE_SIZE, MEM_READ);
        REFUSED_AT("unmapping", kernel_addresses[i], SYS_MEM_UNMAP, 0, kernel_addresses[i],
                   PAGE_SIZE);
        REFUSED_AT("revoking", kernel_addresses[i], SYS_MEM_REVOKE, child, kernel_addresses[i],
                   PAGE_SIZE);
        REFUSED_AT("mapping into a VM", kernel_addresses[i], SYS_VM_MAP, 0, kernel_addresses[i],
                   PAGE_SIZE, MEM_READ);
    }
    for (size_t i = 0; i < COUNT_OF(foreign_addresses); i++) {
        REFUSED_AT("mapping from", foreign_addresses[i], SYS_MEM_MAP, child,
                   foreign_addresses[i], NOBODYS, PAGE_SIZE, MEM_READ);
        REFUSED_AT("mapping into a VM", foreign_addresses[i], SYS_VM_MAP, 0, foreign_addresses[i],
                   PAGE_SIZE, MEM_READ);
    }
    REFUSED("more than it has", SYS_MEM_MAP, child, heap, NOBODYS, 1UL << 46, MEM_READ);
    REFUSED("a range that wraps", SYS_MEM_MAP, child, heap, NOBODYS, 0UL - heap, MEM_READ);
    REFUSED("to the end of the half", SYS_MEM_MAP, child, heap, USER_TOP - PAGE_SIZE,
            2 * PAGE_SIZE, MEM_READ);
    REFUSED("half a page", SYS_MEM_MAP, child, heap + 8, NOBODYS, PAGE_SIZE, MEM_READ);
    REFUSED("code with write", SYS_MEM_MAP, child, USER_IMAGE_BASE, NOBODYS, PAGE_SIZE, MEM_ALL);
    REFUSED("heap with execute", SYS_MEM_MAP, child, heap, NOBODYS, PAGE_SIZE, rx);
    REFUSED("information with write", SYS_MEM_MAP, child, USER_PARTITION_INFO, NOBODYS, PAGE_SIZE,
            rw);
    REFUSED("kernel's information", SYS_MEM_MAP, child, USER_KERNEL_INFO, NOBODYS, PAGE_SIZE, rw);
    REFUSED("no rights", SYS_MEM_MAP, child, heap, NOBODYS, PAGE_SIZE, 0);
    REFUSED("rights there are not", SYS_MEM_MAP, child, heap, NOBODYS, PAGE_SIZE, MEM_READ | 8);
}

static void nothing(uint64_t argument)
{
    (void)argument;
    sys_thread_end();
}

static void try_making(task_id child)
{
    const struct partition_info *info = PARTITION_INFO;
    uint64_t quota = CHILD_QUOTA, processors = info->processors, time = info->time_partition;
    uint64_t priority = info->priority, entry = (uint64_t)nothing;
    uint64_t place = priority | (uint64_t)thread_first_processor() << 8;

    REFUSED("more kernel memory", SYS_TASK_CREATE, 1UL << 40, processors, time, priority);
    REFUSED("all kernel memory", SYS_TASK_CREATE, UINT64_MAX, processors, time, priority);
    REFUSED("no processor", SYS_TASK_CREATE, quota, 0, time, priority);
    REFUSED("other processors", SYS_TASK_CREATE, quota, processors | 1UL << 31, time, priority);
    REFUSED("processor 32", SYS_TASK_CREATE, quota, processors | 1UL << 32, time, priority);
    for (uint64_t other = 0; other < TIME_PARTITIONS_MAX + 2; other++) {
        if (other != time) {
            REFUSED_AT("time partition", other, SYS_TASK_CREATE, quota, processors, other,
                       priority);
        }
    }
    for (uint64_t higher = priority + 1; higher < 300; higher++) {
        REFUSED_AT("priority", higher, SYS_TASK_CREATE, quota, processors, time, higher);
        if (higher <= PRIORITY_MAX) {
            REFUSED_AT("thread's priority", higher, SYS_THREAD_CREATE, child, entry, NOBODYS,
                       (place & ~0xffUL) | higher);
        }
    }
    for (uint64_t processor = 0; processor < 70; processor++) {
        if (processor >= 32 || !(processors >> processor & 1)) {
            REFUSED_AT("thread's processor", processor, SYS_THREAD_CREATE, child, entry, NOBODYS,
                       priority | processor << 8);
        }
    }
    for (size_t i = 0; i < COUNT_OF(kernel_addresses); i++) {
        REFUSED_AT("entry", kernel_addresses[i], SYS_THREAD_CREATE, child, kernel_addresses[i],
                   NOBODYS, place);
        REFUSED_AT("stack", kernel_addresses[i], SYS_THREAD_CREATE, child, entry,
                   kernel_addresses[i], place);
    }
    REFUSED("σ0 as exception handler", SYS_THREAD_CREATE, child, entry, NOBODYS, place, 0,
            info->console);
    REFUSED("nobody as exception handler", SYS_THREAD_CREATE, child, entry, NOBODYS, place, 0,
            UINT32_MAX);
}

/* ---- Others ---------------------------------------------------------------------------------- */

static task_id own_task; /* once it is known */

/* The page is the caller's: if it was unmapped, `id` is the caller's own name. */
static bool is_own_task(task_id id)
{
    static uint64_t page; /* 0: not there any more */

    if (!page) {
        page = (uint64_t)heap_pages(PAGE_SIZE);
    }
    int64_t status = sys_mem_unmap(id, page, PAGE_SIZE);

    if (status != STATUS_OK) {
        note("unmapping another's page", id, is_refusal(status));
        return false;
    }
    bool own = probe_run(&probe, read_at, page);

    page = own ? 0 : page;
    own_task = own ? id : own_task;
    note("unmapping another's page", id, own);
    return own;
}

static void try_task(task_id id, uint64_t heap)
{
    uint64_t place = PARTITION_INFO->priority | (uint64_t)thread_first_processor() << 8;

    REFUSED_AT("stopping another", id, SYS_TASK_STOP, id);
    REFUSED_AT("destroying another", id, SYS_TASK_DESTROY, id);
    REFUSED_AT("mapping into another", id, SYS_MEM_MAP, id, heap, NOBODYS, PAGE_SIZE, MEM_READ);
    REFUSED_AT("giving another a right", id, SYS_RIGHT_GIVE, id, RIGHT_PEER, 1, 1);
    REFUSED_AT("taking another's right", id, SYS_RIGHT_TAKE, id, RIGHT_PORT, 0, PORT_COUNT);
    if (!is_own_task(id)) {
        REFUSED_AT("another's status", id, SYS_TASK_STATUS, id);
        REFUSED_AT("revoking from another", id, SYS_MEM_REVOKE, id, heap, PAGE_SIZE);
        REFUSED_AT("a thread in another", id, SYS_THREAD_CREATE, id, USER_IMAGE_BASE, NOBODYS,
                   place);
    }
}

/* Its own threads, those of its child, σ0's and those at the other ends of its ports. σ0 makes
 * its own before all others: two, and one for each processor. */
static bool may_talk_to(thread_id id, thread_id childs)
{
    const struct partition_info *info = PARTITION_INFO;

    if (id >> 16 == 1 && (id & 0xffff) <= 2 + KERNEL_INFO->processors) {
        return true;
    }
    for (uint32_t i = 0; i < info->port_count; i++) {
        if (info->port[i].partner == id) {
            return true;
        }
    }
    return id == info->console || id == first_thread || id == thread_self() || id == childs;
}

static void try_thread(thread_id id)
{
    tsc_time soon = clock_now() + 1000;

    REFUSED_AT("signalling another", id, SYS_EVENT_SIGNAL, id, 1);
    REFUSED_AT("sending to another", id, SYS_IPC_SEND, id, TSC_NOW);
    REFUSED_AT("calling another", id, SYS_IPC_CALL, id, soon);
    REFUSED_AT("answering another", id, SYS_IPC_REPLY_WAIT, id, TSC_NOW);
    REFUSED_AT("running another's vCPU", id, SYS_VCPU_RUN, id, TSC_NOW);
    REFUSED_AT("another's vCPU's state", id, SYS_VCPU_STATE_GET, id, 1);
    REFUSED_AT("another's vCPU's state", id, SYS_VCPU_STATE_SET, id, 1);
    REFUSED_AT("recalling another's vCPU", id, SYS_VCPU_RECALL, id);
}

static void try_others(task_id child, thread_id childs)
{
    uint64_t heap = (uint64_t)heap_pages(PAGE_SIZE);

    for (uint32_t generation = 1; generation <= GENERATIONS; generation++) {
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            uint32_t id = generation << 16 | slot;

            if (id != child) {
                try_task(id, heap);
            }
            if (!may_talk_to(id, childs)) {
                try_thread(id);
            }
        }
    }
    for (uint32_t slot = SIGMA0_SLOT + 1; slot < SLOTS; slot++) {
        if (slot != (child & 0xffff) && slot != (own_task & 0xffff)) {
            note("giving the right to talk", slot,
                 sys_right_give(child, RIGHT_PEER, slot, 1) != STATUS_OK);
        }
    }
}

/* ---- All ------------------------------------------------------------------------------------- */

static void wait_forever(uint64_t unused)
{
    (void)unused;
    for (;;) {
        sys_ipc_wait(TSC_NEVER);
    }
}

static void try_all(uint64_t unused)
{
    task_id child;
    thread_id childs;

    (void)unused;
    native_must("a child", child_make(CHILD_QUOTA, &child));
    native_must("its thread", child_thread(child, wait_forever, 0, PRIORITY_MIN, &childs));
    try_instructions();
    try_flags();
    try_vectors();
    try_memory();
    try_sigma0s_calls();
    try_ports_and_interrupts(child);
    try_mapping(child);
    try_making(child);
    try_others(child, childs);
    native_must("removing the child", child_remove(child));
    sys_ipc_send(first_thread, TSC_NEVER, (const uint64_t[4]){0});
}

void native_main(void)
{
    struct thread_setup setup = {.run = try_all, .processor = thread_first_processor()};
    thread_id id;

    first_thread = thread_self();
    clock_sleep(clock_now() + clock_ticks(1000000)); /* nobody else of this task is there then */
    setup.handler = first_thread;
    native_must("a thread", thread_start(&setup, &id));
    probe_serve(&probe);
    print("breakout: %lu tried, %lu refused\n", tried, refused);
    native_end(tried == refused ? 0 : 1);
}
