/* SPDX-License-Identifier: Apache-2.0 */
#include "partition.h"

#include "abi/layout.h"
#include "console.h"
#include "lib/elf.h"
#include "lib/string.h"
#include "lib/user/syscall.h"
#include "memory.h"

static uint64_t whole_pages(uint64_t size)
{
    return (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static const struct boot_module *find_module(const struct boot_info *boot, const char *name)
{
    for (uint32_t i = 0; i < boot->module_count; i++) {
        if (string_equal(boot->module[i].name, name)) {
            return &boot->module[i];
        }
    }
    return NULL;
}

/* Fresh memory of σ0's, mapped into the partition's first task; 0 when there is none. */
static void *grant(const struct partition *partition, uint64_t address, uint64_t size,
                   uint64_t align, unsigned rights)
{
    uint64_t physical = memory_place(size, align);

    if (physical == 0 || sys_mem_map(partition->task, SIGMA0_PHYSICAL + physical, address, size,
                                     rights) != STATUS_OK) {
        return NULL;
    }
    return (void *)(SIGMA0_PHYSICAL + physical);
}

static const char *load_program(const struct partition *partition,
                                const struct boot_module *module, uint64_t *entry)
{
    const uint8_t *image = (const uint8_t *)(SIGMA0_PHYSICAL + module->base);
    struct elf elf;
    const char *error = elf_read(&elf, image, module->size, module->size, USER_IMAGE_BASE,
                                 VMM_RAM_BASE);

    if (error) {
        return error;
    }
    for (unsigned i = 0; i < elf.count; i++) {
        const struct elf_segment *segment = &elf.segment[i];
        void *memory = grant(partition, segment->address, whole_pages(segment->memory_size),
                             PAGE_SIZE, segment->rights);

        if (!memory) {
            return "no memory for the program";
        }
        memory_copy(memory, image + segment->offset, segment->file_size);
    }
    *entry = elf.entry;
    return NULL;
}

/* The boot modules it may read; their sizes go into its information page. */
static const char *grant_modules(const struct partition *partition, const struct boot_info *boot,
                                 struct partition_info *info)
{
    for (unsigned i = 0; i < PARTITION_MODULES_MAX; i++) {
        const char *name = partition->config->module[i];

        if (!name) {
            continue;
        }
        const struct boot_module *module = find_module(boot, name);

        if (!module) {
            console_line("σ0: boot module %s is missing\n", name);
            return "a boot module is missing";
        }
        info->module_size[i] = module->size;
        if (module->size > 0 &&
            sys_mem_map(partition->task, SIGMA0_PHYSICAL + module->base,
                        VMM_MODULE_BASE + i * VMM_MODULE_STRIDE, whole_pages(module->size),
                        MEM_READ) != STATUS_OK) {
            return "no kernel memory to map its boot modules";
        }
    }
    return NULL;
}

const char *partition_start(struct partition *partition, const struct boot_info *boot,
                            thread_id console_thread, uint32_t console_event)
{
    const struct partition_config *config = partition->config;
    const struct boot_module *program = find_module(boot, config->program);
    uint64_t entry;

    if (!program) {
        console_line("σ0: boot module %s is missing\n", config->program);
        return "its program is missing";
    }
    if (sys_task_create(config->kernel_quota, &partition->task) != STATUS_OK) {
        return "no kernel memory for its quota (CONFIG_KERNEL_MEMORY_MIB)";
    }
    const char *error = load_program(partition, program, &entry);

    if (error) {
        return error;
    }
    struct partition_info *info =
        grant(partition, USER_PARTITION_INFO, PAGE_SIZE, PAGE_SIZE, MEM_READ);

    partition->console =
        grant(partition, USER_CONSOLE, PAGE_SIZE, PAGE_SIZE, MEM_READ | MEM_WRITE);
    if (!info || !partition->console ||
        !grant(partition, USER_STACK_TOP - USER_STACK_SIZE, USER_STACK_SIZE, PAGE_SIZE,
               MEM_READ | MEM_WRITE)) {
        return "no memory for its first task";
    }
    *info = (struct partition_info){
        .ram_size = config->ram_size, .console = console_thread, .console_event = console_event};
    if (config->ram_size > 0 &&
        !grant(partition, VMM_RAM_BASE, config->ram_size, LARGE_PAGE_SIZE, MEM_ALL)) {
        console_line("σ0: %s needs %lu MiB of RAM in one piece, %lu MiB are left in all\n",
                     config->name, config->ram_size >> 20, memory_left() >> 20);
        return "too little memory";
    }
    error = grant_modules(partition, boot, info);
    if (error) {
        return error;
    }
    if (sys_thread_create(partition->task, entry, USER_STACK_TOP, config->priority, config->priority,
                          &partition->main) != STATUS_OK) {
        return "no kernel memory for its first thread";
    }
    partition->runs = true;
    return NULL;
}
