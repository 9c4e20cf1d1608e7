/* SPDX-License-Identifier: Apache-2.0 */
#include "partition.h"

#include "abi/layout.h"
#include "console.h"
#include "lib/string.h"
#include "lib/user/syscall.h"
#include "memory.h"
#include "ports.h"

struct partition partitions[PARTITIONS_MAX];

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

/* ---- Placing --------------------------------------------------------------------------------- */

static bool place(struct partition *partition, unsigned number, uint64_t address, uint64_t size,
                  unsigned rights)
{
    uint64_t physical = number == PIECE_RAM ? partition->config->ram_base : 0;

    if (physical == 0) {
        physical = memory_place(size, number == PIECE_RAM ? LARGE_PAGE_SIZE : PAGE_SIZE);
    }
    if (physical == 0) {
        return false;
    }
    partition->piece[number] = (struct piece){physical, size, address, rights};
    return true;
}

static const char *place_program(struct partition *partition, const struct boot_module *module)
{
    const char *error = elf_read(&partition->elf, memory_at(module->base), module->size,
                                 module->size, USER_IMAGE_BASE, VMM_RAM_BASE);

    if (error) {
        return error;
    }
    for (unsigned i = 0; i < partition->elf.count; i++) {
        const struct elf_segment *segment = &partition->elf.segment[i];

        if (!place(partition, PIECE_SEGMENT + i, segment->address,
                   whole_pages(segment->memory_size), segment->rights)) {
            return "no memory for the program";
        }
    }
    return NULL;
}

static const char *place_ram(struct partition *partition)
{
    const struct partition_config *config = partition->config;
    unsigned rights = config->kind == PARTITION_VM ? MEM_ALL : MEM_READ | MEM_WRITE;

    if (config->ram_size == 0 ||
        place(partition, PIECE_RAM, VMM_RAM_BASE, config->ram_size, rights)) {
        return NULL;
    }
    console_line("σ0: %s needs %lu MiB of RAM in one piece, %lu MiB are left in all\n",
                 config->name, config->ram_size >> 20, memory_left() >> 20);
    return "too little memory";
}

static const char *find_modules(const struct partition_config *config,
                                const struct boot_info *boot)
{
    for (unsigned i = 0; i < PARTITION_MODULES_MAX; i++) {
        if (config->module[i] && !find_module(boot, config->module[i])) {
            console_line("σ0: boot module %s is missing\n", config->module[i]);
            return "a boot module is missing";
        }
    }
    return NULL;
}

const char *partition_place(struct partition *partition, const struct boot_info *boot)
{
    const struct partition_config *config = partition->config;
    const struct boot_module *program = find_module(boot, config->program);

    if (!program) {
        console_line("σ0: boot module %s is missing\n", config->program);
        return "its program is missing";
    }
    const char *error = find_modules(config, boot);

    if (!error) {
        error = place_program(partition, program);
    }
    if (error) {
        return error;
    }
    if (!place(partition, PIECE_INFO, USER_PARTITION_INFO, PAGE_SIZE, MEM_READ) ||
        !place(partition, PIECE_CONSOLE, USER_CONSOLE, PAGE_SIZE, MEM_READ | MEM_WRITE) ||
        !place(partition, PIECE_STACK, USER_STACK_TOP - USER_STACK_SIZE, USER_STACK_SIZE,
               MEM_READ | MEM_WRITE)) {
        return "no memory for its first task";
    }
    partition->info = memory_at(partition->piece[PIECE_INFO].physical);
    partition->console = memory_at(partition->piece[PIECE_CONSOLE].physical);
    return place_ram(partition);
}

/* ---- Loading --------------------------------------------------------------------------------- */

void partition_load(struct partition *partition, const struct boot_info *boot,
                    enum start_condition condition)
{
    const struct boot_module *program = find_module(boot, partition->config->program);
    const uint8_t *image = memory_at(program->base); /* partition_place has found it */

    for (unsigned i = 0; i < PIECES_MAX; i++) {
        const struct piece *piece = &partition->piece[i];

        if (piece->size > 0 && !(i == PIECE_RAM && condition == START_WARM)) {
            memory_set(memory_at(piece->physical), 0, piece->size);
        }
    }
    for (unsigned i = 0; i < partition->elf.count; i++) {
        const struct elf_segment *segment = &partition->elf.segment[i];

        memory_copy(memory_at(partition->piece[PIECE_SEGMENT + i].physical),
                    image + segment->offset, segment->file_size);
    }
    if (condition != START_WARM) {
        ports_reset(partition);
    }
}

/* ---- Making ---------------------------------------------------------------------------------- */

static const char *make_task(struct partition *partition)
{
    const struct partition_config *config = partition->config;
    const struct task_parameters parameters = {
        .quota = config->kernel_quota,
        .processors = config->processors,
        .time_partition = config->time_partition,
        .priority = config->priority,
    };

    switch (sys_task_create(&parameters, &partition->task)) {
    case STATUS_OK:
        return NULL;
    case STATUS_BAD_ARGUMENT:
        return "the kernel has no such processors, time partition or priority";
    default:
        return "no kernel memory for its quota (CONFIG_KERNEL_MEMORY_MIB)";
    }
}

static const char *map_pieces(const struct partition *partition)
{
    for (unsigned i = 0; i < PIECES_MAX; i++) {
        const struct piece *piece = &partition->piece[i];

        if (piece->size > 0 &&
            sys_mem_map(partition->task, SIGMA0_PHYSICAL + piece->physical, piece->address,
                        piece->size, piece->rights) != STATUS_OK) {
            return "no kernel memory to map its memory";
        }
    }
    return NULL;
}

/* The boot modules it may read; their sizes go into its information page. */
static const char *map_modules(const struct partition *partition, const struct boot_info *boot)
{
    for (unsigned i = 0; i < PARTITION_MODULES_MAX; i++) {
        const char *name = partition->config->module[i];
        const struct boot_module *module = name ? find_module(boot, name) : NULL;

        if (!module) {
            continue;
        }
        partition->info->module_size[i] = module->size;
        if (module->size > 0 &&
            sys_mem_map(partition->task, SIGMA0_PHYSICAL + module->base,
                        VMM_MODULE_BASE + i * VMM_MODULE_STRIDE, whole_pages(module->size),
                        MEM_READ) != STATUS_OK) {
            return "no kernel memory to map its boot modules";
        }
    }
    return NULL;
}

static bool give_ranges(task_id task, enum right right, const struct number_range *range,
                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (sys_right_give(task, right, range[i].first, range[i].count) != STATUS_OK) {
            return false;
        }
    }
    return true;
}

static const char *give_rights(const struct partition *partition)
{
    const struct partition_config *config = partition->config;

    if (!give_ranges(partition->task, RIGHT_PORT, config->io_port, config->io_port_count)) {
        return "its I/O ports cannot be given to it";
    }
    if (!give_ranges(partition->task, RIGHT_IRQ, config->irq, config->irq_count)) {
        return "its interrupt lines cannot be given to it";
    }
    return NULL;
}

static void describe(const struct partition *partition, enum start_condition condition)
{
    const struct partition_config *config = partition->config;
    const struct kernel_info *kernel = (const struct kernel_info *)USER_KERNEL_INFO;
    struct partition_info *info = partition->info;

    *info = (struct partition_info){
        .ram_size = config->ram_size,
        .console = partition->console_thread,
        .console_event = (uint32_t)(partition - partitions),
        .start_condition = condition,
        .restarts = partition->restarts,
        .processors = config->processors,
        .time_partition = config->time_partition,
        .priority = config->priority,
        .frame_ns = system_config.frame_ns,
        .frame_start = kernel->frame_start,
    };
    memory_copy(info->name, config->name, string_length(config->name, sizeof(info->name) - 1));
    if (config->arguments) {
        memory_copy(info->arguments, config->arguments,
                    string_length(config->arguments, PARTITION_ARGUMENTS_MAX - 1));
    }
}

static const char *start(struct partition *partition)
{
    const struct partition_config *config = partition->config;
    const struct thread_parameters parameters = {
        .entry = partition->elf.entry,
        .stack = USER_STACK_TOP,
        .priority = config->priority,
        .processor = partition_processor(config),
        .argument = config->priority,
    };

    if (sys_thread_create(partition->task, &parameters, &partition->main) != STATUS_OK) {
        return "no kernel memory for its first thread";
    }
    return NULL;
}

const char *partition_launch(struct partition *partition, const struct boot_info *boot,
                             enum start_condition condition)
{
    const char *error = make_task(partition);

    if (!error) {
        error = map_pieces(partition);
    }
    if (!error) {
        describe(partition, condition);
        error = map_modules(partition, boot);
    }
    if (!error) {
        error = give_rights(partition);
    }
    if (!error) {
        error = ports_give(partition);
    }
    if (!error) {
        error = start(partition);
    }
    return error;
}

void partition_unmake(struct partition *partition)
{
    if (partition->task == 0) {
        return;
    }
    sys_task_stop(partition->task);
    while (sys_task_destroy(partition->task) == STATUS_BUSY) {
    }
    partition->task = 0;
    partition->main = 0;
}
