/* SPDX-License-Identifier: Apache-2.0 */
/* From the loader's entry (boot.S) to kernel_main. */
#include "abi/config.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "lib/string.h"
#include "x86/acpi.h"
#include "x86/console.h"
#include "x86/instr.h"
#include "x86/ioapic.h"
#include "x86/irq.h"
#include "x86/kernel_space.h"
#include "x86/lapic.h"
#include "x86/layout.h"
#include "x86/memory_type.h"
#include "x86/multiboot.h"
#include "x86/paging_format.h"
#include "x86/pic8259.h"
#include "x86/processors.h"
#include "x86/protection.h"
#include "x86/rtc.h"
#include "x86/segments.h"
#include "x86/speculation.h"
#include "x86/timer.h"
#include "x86/trap.h"

#define MIB (1UL << 20)
#define LOW_MAPPED (4UL << 30) /* what boot.S has mapped at its physical address */
#define MULTIBOOT_INFO_MAX (1UL << 20)

#define CPUID_80000001_EDX_1G (1u << 26)

/* kernel.lds */
extern char image_physical_start[], image_physical_end[];

_Noreturn void x86_main(uint32_t info);

static struct multiboot loader;
static phys_addr trampoline; /* 0: there is no page for it */

/* Its first word is its size (Multiboot2, 3.6). */
static void read_loader_info(uint32_t info)
{
    uint32_t size = *(const uint32_t *)(uint64_t)info;
    const char *error = size > MULTIBOOT_INFO_MAX || info % 8 != 0
                            ? "the loader's information is damaged"
                            : multiboot_read((const void *)(uint64_t)info, size, &loader);

    console_add_screen(&loader.framebuffer);
    if (error) {
        refuse("%s", error);
    }
    if (loader.rsdp != 0) {
        loader.rsdp += info; /* physical from here on */
    }
}

/* Takes the kernel's pool and what stands in memory already out of the map; the rest is σ0's. */
static uint64_t choose_pool(uint32_t info, uint64_t size)
{
    struct memory_map *memory = &loader.memory;
    uint64_t image = (uint64_t)image_physical_start;
    uint64_t total = memory_map_total(memory);

    memory_map_remove(memory, image, (uint64_t)image_physical_end - image);
    for (uint32_t i = 0; i < loader.module_count; i++) {
        memory_map_remove(memory, loader.module[i].base, loader.module[i].size);
    }
    /* The loader's information is still read (ACPI's root pointer), but needed by nobody later. */
    struct memory_map without_info = *memory;

    memory_map_remove(&without_info, info, *(const uint32_t *)(uint64_t)info);
    trampoline = memory_map_find(&without_info, PAGE_SIZE, PAGE_SIZE, TRAMPOLINE_LIMIT);
    memory_map_remove(&without_info, 0, MIB);
    memory_map_remove(memory, 0, MIB); /* the firmware's, and where other processors start */
    uint64_t base = kernel_config.memory_base;
    uint64_t pool = memory_map_find(&without_info, size, LARGE_PAGE_SIZE,
                                    base != 0 ? base + size : LOW_MAPPED);

    if (base != 0 && pool != base) {
        refuse("the kernel's memory 0x%lx-0x%lx is not free on this machine", base,
               base + size - 1);
    }
    if (pool == 0) {
        refuse("%lu MiB of memory are too little for a kernel that keeps %lu MiB "
               "(CONFIG_KERNEL_MEMORY_MIB)",
               total / MIB, size / MIB);
    }
    memory_map_remove(memory, pool, size);
    return pool;
}

/* Whoever gets a module's last page shall not find leftovers in it. The loader may have put its
 * information there, so this comes when nobody reads that any more. */
static void clear_module_tails(void)
{
    for (uint32_t i = 0; i < loader.module_count; i++) {
        uint64_t end = loader.module[i].base + loader.module[i].size, inside = end % PAGE_SIZE;

        if (inside != 0) {
            memory_set((uint8_t *)arch_window(end - inside) + inside, 0, PAGE_SIZE - inside);
        }
    }
}

static void init_interrupts(void)
{
    pic8259_disable();
    lapic_init();
    for (unsigned i = 0; i < acpi_info.ioapic_count; i++) {
        ioapic_add(acpi_info.ioapic[i].address, acpi_info.ioapic[i].gsi_base);
    }
    if (acpi_info.ioapic_count == 0) {
        ioapic_add(0xfec00000, 0); /* where every PC has it */
    }
}

static void init_console_input(void)
{
    int isa_line = console_interrupt_line();

    if (isa_line >= 0 && irq_keep_console((uint8_t)isa_line)) {
        console_listen();
    }
}

static void fill_kernel_info(struct kernel_info *info)
{
    *info = (struct kernel_info){
        .magic = KERNEL_INFO_MAGIC,
        .abi_version = ABI_VERSION,
        .processors = kernel_config.processors,
        .tsc_khz = timer_tsc_hz() / 1000,
        .boot_epoch_s = rtc_read(),
        .boot_tsc = arch_time(),
    };
}

static void fill_boot_info(struct boot_info *info)
{
    memory_map_export(&loader.memory, info);
    info->module_count = loader.module_count;
    memory_copy(info->module, loader.module, sizeof(info->module));
}

/* Second part, on the boot processor's kernel stack. */
static void start_kernel(void)
{
    static struct platform platform;
    struct cpu *cpu = &cpus[0];
    uint64_t memory = memory_map_total(&loader.memory);

    acpi_init(loader.rsdp);
    clear_module_tails();
    init_interrupts();
    processors_prepare(trampoline);
    timer_init();
    init_console_input();
    platform.boot = boot_frame();
    platform.kernel = boot_frame();
    fill_boot_info(platform.boot);
    fill_kernel_info(platform.kernel);
    log_line("hecht: %s, %u of %u processors, %lu MiB free, TSC %lu kHz\n", kernel_config.name,
             platform.kernel->processors, acpi_info.cpu_count, memory / MIB,
             platform.kernel->tsc_khz);
    platform.pool = kernel_space_rest(&platform.pool_size);
    kernel_main(cpu, &platform);
}

/*
 * The boot order:
 *   1. the serial port, so that whatever goes wrong can be told;
 *   2. what the loader says: screen, memory, modules;
 *   3. the kernel's pool, and page tables of our own, with every protection the CPU has;
 *   4. descriptor tables, stacks, system calls: from here on mistakes are caught;
 *   5. on the final stack: firmware's tables, interrupts, stacks of the other processors, clocks,
 *      console input (start_kernel);
 *   6. the kernel proper, which starts the other processors (processors.c) and has what boot has
 *      filled in made read-only (arch_seal).
 */
void x86_main(uint32_t info)
{
    struct cpu *cpu = &cpus[0];
    uint64_t pool_size = (kernel_config.memory_size + LARGE_PAGE_SIZE - 1) & ~(LARGE_PAGE_SIZE - 1);

    protection_start();
    console_init();
    read_loader_info(info);
    uint64_t pool = choose_pool(info, pool_size);

    kernel_space_init(pool, pool_size);
    kernel_space_enter();
    console_map_screen();
    cpu->arch.root = kernel_space_root();
    protection_enable();
    memory_types_read();
    paging_format_init(cpuid_if_present(0x80000001, 0).edx & CPUID_80000001_EDX_1G);
    segments_init();
    segments_make(cpu);
    segments_load(cpu);
    syscall_init(cpu);
    speculation_enable(cpu);
    stack_start(cpu->arch.kernel_stack, start_kernel);
}
