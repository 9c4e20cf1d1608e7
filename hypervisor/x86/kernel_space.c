/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/kernel_space.h"

#include "kernel/cpu.h"
#include "kernel/log.h"
#include "lib/string.h"
#include "x86/boot_map.h"
#include "x86/instr.h"
#include "x86/paging_format.h"
#include "x86/sections.h"

#define KERNEL_ENTRY (HOST_PRESENT | HOST_GLOBAL | HOST_ACCESSED | HOST_DIRTY)
#define KERNEL_READ (KERNEL_ENTRY | HOST_NX)
#define KERNEL_DATA (KERNEL_ENTRY | HOST_WRITE | HOST_NX)

/* kernel.lds */
extern char text_start[], text_end[], rodata_start[], rodata_end[];
extern char sealed_start[], sealed_end[], data_start[], data_end[];

static RO_AFTER_INIT struct {
    phys_addr base;
    uint64_t size, used;
    uint64_t offset; /* virtual - physical; 0 while low memory is mapped at its address */
} pool;

static RO_AFTER_INIT uint64_t *kernel_root;
static RO_AFTER_INIT uint64_t *window_table;   /* arch_window, one entry per processor */
static RO_AFTER_INIT uint64_t *boot_map_table; /* x86_map_boot */
static RO_AFTER_INIT uint64_t device_next = KERNEL_DEVICE_BASE;

phys_addr arch_pool_physical(const void *pointer)
{
    return (uint64_t)pointer - pool.offset;
}

void *arch_pool_pointer(phys_addr physical)
{
    return (void *)(physical + pool.offset);
}

void *boot_frame(void)
{
    if (pool.used == pool.size) {
        refuse("the kernel's memory is too small (CONFIG_KERNEL_MEMORY_MIB)");
    }
    void *frame = arch_pool_pointer(pool.base + pool.used);

    pool.used += PAGE_SIZE;
    memory_set(frame, 0, PAGE_SIZE);
    return frame;
}

void *kernel_space_rest(uint64_t *size)
{
    void *rest = arch_pool_pointer(pool.base + pool.used);

    *size = pool.size - pool.used;
    pool.used = pool.size;
    return rest;
}

/* The entry that maps `address` at a level (0: 4 KiB, 1: 2 MiB), with the tables above it. */
static uint64_t *entry_of(uint64_t address, unsigned level)
{
    uint64_t *table = kernel_root;

    for (unsigned at = 3; at > level; at--) {
        uint64_t *entry = &table[address >> (PAGE_SHIFT + 9 * at) & 511];

        if (!(*entry & HOST_PRESENT)) {
            *entry = arch_pool_physical(boot_frame()) | HOST_PRESENT | HOST_WRITE;
        }
        table = arch_pool_pointer(*entry & ENTRY_ADDRESS_MASK);
    }
    return &table[address >> (PAGE_SHIFT + 9 * level) & 511];
}

static void map_pages(uint64_t address, phys_addr physical, uint64_t size, uint64_t flags)
{
    for (uint64_t done = 0; done < size; done += PAGE_SIZE) {
        *entry_of(address + done, 0) = (physical + done) | flags;
    }
}

static void map_image(const char *start, const char *end, uint64_t flags)
{
    map_pages((uint64_t)start, image_physical(start), (uint64_t)(end - start), flags);
}

void kernel_space_init(phys_addr base, uint64_t size)
{
    pool.base = base;
    pool.size = size;
    kernel_root = boot_frame();
    map_image(text_start, text_end, KERNEL_ENTRY);
    map_image(rodata_start, rodata_end, KERNEL_READ);
    map_image(sealed_start, sealed_end, KERNEL_DATA);
    map_image(data_start, data_end, KERNEL_DATA);
    for (uint64_t done = 0; done < size; done += LARGE_PAGE_SIZE) {
        *entry_of(KERNEL_POOL_BASE + done, 1) = (base + done) | KERNEL_DATA | HOST_LARGE;
    }
    window_table = entry_of(KERNEL_WINDOW_BASE, 0);
    boot_map_table = entry_of(KERNEL_BOOT_MAP_BASE, 0);
    entry_of(KERNEL_DEVICE_BASE, 0);
    entry_of(KERNEL_STACK_BASE, 0);
}

void kernel_space_enter(void)
{
    uint64_t offset = KERNEL_POOL_BASE - pool.base;

    write_cr3((uint64_t)kernel_root);
    pool.offset = offset;
    kernel_root = (void *)((uint64_t)kernel_root + offset);
    window_table = (void *)((uint64_t)window_table + offset);
    boot_map_table = (void *)((uint64_t)boot_map_table + offset);
}

void kernel_space_seal(void)
{
    for (const char *page = sealed_start; page < sealed_end; page += PAGE_SIZE) {
        uint64_t *entry = entry_of((uint64_t)page, 0);

        *entry &= ~HOST_WRITE;
    }
    kernel_space_sealed();
}

void kernel_space_sealed(void)
{
    for (const char *page = sealed_start; page < sealed_end; page += PAGE_SIZE) {
        invlpg(page);
    }
}

phys_addr kernel_space_root(void)
{
    return arch_pool_physical(kernel_root);
}

void kernel_space_share(uint64_t *root)
{
    memory_copy(root + 256, kernel_root + 256, 256 * sizeof(*root));
}

uint64_t kernel_stack_make(struct cpu *cpu, unsigned kind)
{
    uint64_t slot = cpu->id * STACKS_PER_CPU + kind;
    uint64_t bottom = KERNEL_STACK_BASE + (2 * slot + 1) * KERNEL_STACK_SIZE;

    for (uint64_t done = 0; done < KERNEL_STACK_SIZE; done += PAGE_SIZE) {
        struct cpu **frame = boot_frame();

        *entry_of(bottom + done, 0) = arch_pool_physical(frame) | KERNEL_DATA;
        *frame = cpu; /* the lowest one is what arch_this_cpu reads */
    }
    return bottom + KERNEL_STACK_SIZE;
}

volatile void *map_device(phys_addr physical, uint64_t size)
{
    uint64_t inside = physical % PAGE_SIZE;
    uint64_t address = device_next;

    size = (size + inside + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    KASSERT(size <= KERNEL_DEVICE_END - device_next);
    map_pages(address, physical - inside, size, KERNEL_DATA | HOST_UNCACHED);
    device_next += size;
    return (volatile void *)(address + inside);
}

const void *x86_map_boot(uint64_t physical, size_t size)
{
    uint64_t inside = physical % PAGE_SIZE;
    uint64_t pages = (inside + size + PAGE_SIZE - 1) / PAGE_SIZE;

    if (size > BOOT_MAP_SIZE || physical > ENTRY_ADDRESS_MASK - 2 * BOOT_MAP_SIZE) {
        return NULL;
    }
    for (uint64_t i = 0; i < pages; i++) {
        boot_map_table[i] = (physical - inside + i * PAGE_SIZE) | KERNEL_READ;
        invlpg((void *)(KERNEL_BOOT_MAP_BASE + i * PAGE_SIZE));
    }
    return (const void *)(KERNEL_BOOT_MAP_BASE + inside);
}

void *arch_window(phys_addr page)
{
    unsigned id = arch_this_cpu()->id;
    void *window = (void *)(KERNEL_WINDOW_BASE + id * PAGE_SIZE);

    window_table[id] = page | KERNEL_DATA;
    invlpg(window);
    return window;
}
