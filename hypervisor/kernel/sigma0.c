/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/sigma0.h"

#include "abi/layout.h"
#include "kernel/log.h"
#include "kernel/task.h"
#include "kernel/thread.h"
#include "lib/elf.h"
#include "lib/string.h"

static const struct boot_module *find_module(const struct boot_info *boot, const char *name)
{
    for (uint32_t i = 0; i < boot->module_count; i++) {
        if (string_equal(boot->module[i].name, name)) {
            return &boot->module[i];
        }
    }
    return NULL;
}

static void map(struct task *task, uint64_t address, phys_addr physical, uint64_t size,
                unsigned rights)
{
    for (uint64_t done; size > 0; address += done, physical += done, size -= done) {
        if (arch_space_map(&task->space, address, physical, size, rights, &task->quota, &done) !=
            STATUS_OK) {
            refuse("the kernel's memory is too small for the machine's "
                   "(CONFIG_KERNEL_MEMORY_MIB)");
        }
    }
}

/* A page of σ0's own: it comes out of the kernel's pool, charged to σ0. */
static void *map_page(struct task *task, uint64_t address, unsigned rights)
{
    void *page = frame_alloc(&task->quota);

    if (!page) {
        refuse("the kernel's memory is too small for sigma0 (CONFIG_KERNEL_MEMORY_MIB)");
    }
    map(task, address, arch_pool_physical(page), PAGE_SIZE, rights);
    return page;
}

static void load_segment(struct task *task, const struct boot_module *module,
                         const struct elf_segment *segment)
{
    for (uint64_t done = 0; done < segment->memory_size; done += PAGE_SIZE) {
        void *page = map_page(task, segment->address + done, segment->rights);

        if (done < segment->file_size) {
            uint64_t rest = segment->file_size - done;

            memory_copy(page, arch_window(module->base + segment->offset + done),
                        rest < PAGE_SIZE ? rest : PAGE_SIZE);
        }
    }
}

static uint64_t load_program(struct task *task, const struct boot_module *module)
{
    struct elf elf;
    const char *error =
        elf_read(&elf, arch_window(module->base),
                 module->size < PAGE_SIZE ? module->size : PAGE_SIZE, module->size,
                 USER_IMAGE_BASE, USER_STACK_TOP - USER_STACK_SIZE);

    if (error) {
        refuse("boot module sigma0: %s", error);
    }
    for (unsigned i = 0; i < elf.count; i++) {
        load_segment(task, module, &elf.segment[i]);
    }
    return elf.entry;
}

/* All memory that the kernel does not keep, at its physical address. */
static void give_memory(struct task *task, const struct boot_info *boot)
{
    for (uint32_t i = 0; i < boot->region_count; i++) {
        map(task, SIGMA0_PHYSICAL + boot->region[i].base, boot->region[i].base,
            boot->region[i].size, MEM_ALL);
    }
    for (uint32_t i = 0; i < boot->module_count; i++) {
        map(task, SIGMA0_PHYSICAL + boot->module[i].base, boot->module[i].base,
            (boot->module[i].size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1), MEM_ALL);
    }
}

struct thread *sigma0_create(struct cpu *cpu, const struct platform *platform)
{
    const struct boot_module *module = find_module(platform->boot, "sigma0");
    struct task *task;
    struct thread *thread;

    if (!module) {
        refuse("boot module sigma0 is missing");
    }
    const struct task_setup setup = {
        .frames = memory_free(),
        .processors = (uint32_t)((1UL << kernel_config.processors) - 1),
        .priority = PRIORITY_MAX,
    };

    if (task_create(NULL, &setup, &task) != STATUS_OK || rights_all(task) != STATUS_OK) {
        refuse("the kernel's memory is too small (CONFIG_KERNEL_MEMORY_MIB)");
    }
    uint64_t entry = load_program(task, module);

    for (uint64_t done = 0; done < USER_STACK_SIZE; done += PAGE_SIZE) {
        map_page(task, USER_STACK_TOP - USER_STACK_SIZE + done, MEM_READ | MEM_WRITE);
    }
    give_memory(task, platform->boot);
    map(task, USER_BOOT_INFO, arch_pool_physical(platform->boot), PAGE_SIZE, MEM_READ);
    if (thread_create(task, cpu, PRIORITY_MAX, &thread) != STATUS_OK) {
        refuse("the kernel's memory is too small (CONFIG_KERNEL_MEMORY_MIB)");
    }
    arch_thread_init(&thread->arch, cpu, entry, USER_STACK_TOP, thread->id);
    return thread;
}
