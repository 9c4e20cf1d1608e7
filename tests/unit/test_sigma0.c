/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/system/main.c hypervisor/system/service.c hypervisor/system/monitor.c */
/* sources: hypervisor/system/worker.c hypervisor/system/partition.c hypervisor/system/ports.c */
/* sources: hypervisor/system/thread.c hypervisor/system/memory.c hypervisor/system/health.c */
/* sources: hypervisor/system/operator.c hypervisor/system/console.c hypervisor/lib/channel.c */
/* sources: hypervisor/lib/elf.c hypervisor/lib/format.c hypervisor/lib/string.c */
/* cflags: -Ihypervisor/system -iquote tests/unit/fake/system */
/* σ0 as a whole on a kernel that only writes down what it is asked for. Its threads run one after
 * the other, each until it waits for something that is not there. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "abi/layout.h"
#include "lib/channel.h"
#include "lib/user/syscall.h"
#include "memory.h"
#include "partition.h"
#include "service.h"

#define MIB 0x100000UL
#define MEMORY (64 * MIB) /* physical 0 to here */

_Noreturn void user_main(uint64_t argument);

/* ---- The configuration ----------------------------------------------------------------------- */

enum { WRITER, READER, GUEST, COUNT };

static const struct port_config writer_ports[] = {{"out", 0, true, 0}, {"shared", 1, true, 0}};
static const struct port_config reader_ports[] = {{"in", 0, false, 0}, {"shared", 1, true, 0}};
static const struct port_config guest_port = {"shared", 1, false, 0xc0000000};
static const struct number_range ports[] = {{0x60, 1}, {0x64, 1}}, irqs[] = {{1, 1}};
static const struct channel_config channels[] = {
    {.name = "queue", .kind = CHANNEL_QUEUING, .message_size = 64, .message_count = 4},
    {.name = "shared", .kind = CHANNEL_MEMORY, .memory_size = 3 * MIB},
};
static struct partition_config table[COUNT];

const struct system_config system_config = {
    .partition_count = COUNT,
    .partition = table,
    .channel_count = 2,
    .channel = channels,
    .frame_ns = 1000000,
};

static void make_table(void)
{
    table[WRITER] = (struct partition_config){
        .name = "writer", .kind = PARTITION_PROGRAM, .program = "program", .arguments = "-x 1",
        .ram_size = 2 * MIB, .kernel_quota = 50, .priority = 90, .processors = 1,
        .time_partition = 1, .io_port = ports, .io_port_count = 2, .irq = irqs, .irq_count = 1,
        .port = writer_ports, .port_count = 2};
    table[READER] = (struct partition_config){
        .name = "reader", .kind = PARTITION_PROGRAM, .program = "program", .kernel_quota = 50,
        .priority = 80, .processors = 6, .time_partition = 2, .port = reader_ports,
        .port_count = 2, .counts_for_end = true};
    table[GUEST] = (struct partition_config){
        .name = "guest", .kind = PARTITION_VM, .program = "program", .ram_size = 4 * MIB,
        .kernel_quota = 90, .priority = 70, .processors = 1, .console_input = true,
        .module = {"kernel"}, .counts_for_end = true, .port = &guest_port, .port_count = 1};
    for (unsigned i = 0; i < COUNT; i++) {
        memset(table[i].action, HEALTH_STOP, HEALTH_ERROR_COUNT);
        table[i].action[HEALTH_PARTITION_ENDED] = HEALTH_LOG;
    }
}

/* ---- The kernel ------------------------------------------------------------------------------ */

enum { TASKS = 4096, THREADS = 64, MAPS = 24 };

struct fake_map {
    uint64_t from, to, size;
    unsigned rights;
};

struct fake_task {
    bool exists;
    enum task_state state;
    uint64_t code, detail;
    struct task_parameters parameters;
    struct fake_map map[MAPS];
    unsigned maps;
    unsigned given[RIGHT_COUNT];
    uint32_t peer; /* the last */
    struct thread_parameters main;
};

static struct {
    struct fake_task task[TASKS];
    unsigned tasks; /* made so far; TaskID = index + 1 */
    struct {
        task_id task;
        struct thread_parameters parameters;
        uint64_t events;
    } thread[THREADS + TASKS];
    unsigned threads; /* made so far; ThreadID = index + 1 */
    thread_id running;
    struct message message; /* kind MESSAGE_IPC: one that waits for the running thread */
    uint64_t answer;
    char output[65536];
    size_t printed;
    const char *typed;
    enum machine_end end;
    bool refuse_tasks, busy;
    uint64_t unmapped[THREADS]; /* pages of σ0's own */
    unsigned unmaps;
    uint32_t schedule;
} kernel;

static jmp_buf waits, ended;

static struct fake_task *task(task_id id)
{
    bool exists = id > 0 && id <= kernel.tasks && kernel.task[id - 1].exists;

    return exists ? &kernel.task[id - 1] : NULL;
}

struct message sys_ipc_wait(tsc_time deadline)
{
    const uint64_t events = kernel.thread[kernel.running - 1].events;

    (void)deadline;
    if (events) {
        kernel.thread[kernel.running - 1].events = 0;
        return (struct message){.kind = MESSAGE_EVENTS, .word = {events}};
    }
    if (kernel.message.from) {
        struct message message = kernel.message;

        kernel.message.from = 0;
        return message;
    }
    longjmp(waits, 1);
}

struct message sys_ipc_reply_wait(thread_id caller, tsc_time deadline, const uint64_t words[4])
{
    if (caller) {
        kernel.answer = words[0];
    }
    return sys_ipc_wait(deadline);
}

int64_t sys_event_signal(thread_id to, uint64_t bits)
{
    if (to == 0 || to > kernel.threads) {
        return STATUS_BAD_ID;
    }
    kernel.thread[to - 1].events |= bits;
    return STATUS_OK;
}

int64_t sys_task_create(const struct task_parameters *parameters, task_id *out)
{
    if (kernel.refuse_tasks) {
        *out = 0;
        return STATUS_NO_MEMORY;
    }
    assert_true(kernel.tasks < TASKS);
    kernel.task[kernel.tasks] = (struct fake_task){.exists = true, .parameters = *parameters};
    *out = ++kernel.tasks;
    return STATUS_OK;
}

int64_t sys_task_stop(task_id child)
{
    assert_non_null(task(child));
    if (task(child)->state == TASK_RUNS) {
        task(child)->state = TASK_STOPPED;
    }
    return STATUS_OK;
}

int64_t sys_task_destroy(task_id child)
{
    assert_non_null(task(child));
    assert_int_not_equal(task(child)->state, TASK_RUNS);
    task(child)->exists = false;
    return STATUS_OK;
}

int64_t sys_task_status(task_id child, struct task_report *report)
{
    assert_non_null(task(child));
    *report = (struct task_report){task(child)->state, task(child)->code, task(child)->detail, 0};
    return STATUS_OK;
}

int64_t sys_thread_create(task_id id, const struct thread_parameters *parameters, thread_id *out)
{
    assert_true(id == 0 || task(id));
    assert_true(kernel.threads < THREADS + TASKS);
    kernel.thread[kernel.threads].task = id;
    kernel.thread[kernel.threads].parameters = *parameters;
    if (id) {
        task(id)->main = *parameters;
    }
    *out = ++kernel.threads;
    return STATUS_OK;
}

int64_t sys_mem_map(task_id child, uint64_t from, uint64_t to, uint64_t size, unsigned rights)
{
    struct fake_task *fake = task(child);

    assert_non_null(fake);
    assert_true(fake->maps < MAPS);
    assert_true(from >= SIGMA0_PHYSICAL && from + size <= SIGMA0_PHYSICAL + MEMORY && size > 0);
    assert_int_equal((from | to | size) % PAGE_SIZE, 0);
    for (unsigned i = 0; i < fake->maps; i++) {
        assert_true(to >= fake->map[i].to + fake->map[i].size || to + size <= fake->map[i].to);
    }
    fake->map[fake->maps++] = (struct fake_map){from, to, size, rights};
    return STATUS_OK;
}

int64_t sys_mem_unmap(task_id id, uint64_t address, uint64_t size)
{
    assert_int_equal(id, 0);
    assert_int_equal(size, PAGE_SIZE);
    assert_true(address >= SIGMA0_PHYSICAL + MIB && address < SIGMA0_PHYSICAL + 49 * MIB);
    assert_true(kernel.unmaps < THREADS);
    kernel.unmapped[kernel.unmaps++] = address;
    return STATUS_OK;
}

int64_t sys_right_give(task_id child, enum right right, uint32_t first, uint32_t count)
{
    if (!task(child)) {
        return STATUS_BAD_ID;
    }
    task(child)->given[right] += count;
    if (right == RIGHT_PEER) {
        task(child)->peer = first;
    }
    return STATUS_OK;
}

int64_t sys_console_write(const uint64_t bytes[5], size_t length)
{
    assert_true(length >= 1 && length <= 40);
    if (kernel.printed + length < sizeof(kernel.output)) {
        memcpy(kernel.output + kernel.printed, bytes, length);
        kernel.printed += length;
    }
    return STATUS_OK;
}

int64_t sys_console_read(uint8_t *byte)
{
    if (!kernel.typed || !*kernel.typed) {
        return STATUS_EMPTY;
    }
    *byte = (uint8_t)*kernel.typed++;
    return STATUS_OK;
}

int64_t sys_console_listen(uint64_t bits)
{
    assert_int_equal(bits, EVENT_TYPED);
    return STATUS_OK;
}

int64_t sys_machine_end(enum machine_end how)
{
    kernel.end = how;
    longjmp(ended, 1);
}

int64_t sys_schedule_set(uint32_t schedule, tsc_time *when)
{
    kernel.schedule = schedule;
    *when = 0;
    return kernel.busy ? STATUS_BUSY : schedule < 2 ? STATUS_OK : STATUS_BAD_ARGUMENT;
}

/* What σ0 tells of the memory that the table leaves to it. */
#define PLACED                                                                                     \
    "memory: writer at 0x600000-0x7fffff\n"                                                       \
    "memory: guest at 0x800000-0xbfffff\n"

/* ---- Running σ0 ----------------------------------------------------------------------------- */

static void run(thread_id thread)
{
    kernel.running = thread;
    if (setjmp(waits) == 0) {
        if (thread == 1) {
            user_main(1);
        } else {
            const struct thread_parameters *parameters = &kernel.thread[thread - 1].parameters;

            ((void (*)(uint64_t))parameters->entry)(parameters->argument);
        }
    }
}

/* All of σ0's threads but the first, the service thread last, until nothing is left to do. */
static void settle(void)
{
    for (unsigned round = 0; round < 3; round++) {
        for (thread_id id = kernel.threads; id > 1; id--) {
            if (kernel.thread[id - 1].task == 0 && kernel.thread[id - 1].events) {
                run(id);
            }
        }
    }
}

/* False: the machine has ended. */
static bool go_on(void)
{
    if (setjmp(ended)) {
        return false;
    }
    settle();
    return true;
}

static bool start(void)
{
    if (setjmp(ended)) {
        return false;
    }
    run(1);
    run(service_thread());
    return true;
}

static void child_ended(unsigned i, enum task_state how, uint64_t code, uint64_t detail)
{
    struct fake_task *fake = task(partitions[i].task);

    fake->state = how;
    fake->code = code;
    fake->detail = detail;
    sys_event_signal(service_thread(), EVENT_CHILD_ENDED);
}

static bool printed(const char *text)
{
    kernel.output[kernel.printed] = 0;
    return strstr(kernel.output, text) != NULL;
}

static const struct fake_map *map_at(unsigned i, uint64_t address)
{
    const struct fake_task *fake = task(partitions[i].task);

    for (unsigned n = 0; n < fake->maps; n++) {
        if (fake->map[n].to == address) {
            return &fake->map[n];
        }
    }
    return NULL;
}

static void make_module(struct boot_info *boot, const char *name, uint64_t base, uint64_t size)
{
    struct boot_module *module = &boot->module[boot->module_count++];

    module->base = base;
    module->size = size;
    strcpy(module->name, name);
}

static void make_elf(uint8_t *image)
{
    Elf64_Ehdr header = {.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = 1,
                         .e_entry = USER_IMAGE_BASE, .e_phoff = sizeof(header),
                         .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2};
    Elf64_Phdr segment[2] = {
        {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 0x1000,
         .p_vaddr = USER_IMAGE_BASE, .p_filesz = 0x800, .p_memsz = 0x800},
        {.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0x2000,
         .p_vaddr = USER_IMAGE_BASE + 0x1000, .p_filesz = 0x100, .p_memsz = 0x3000},
    };

    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    memcpy(image, &header, sizeof(header));
    memcpy(image + sizeof(header), segment, sizeof(segment));
    memset(image + 0x1000, 0xc3, 0x800);
    memset(image + 0x2000, 0x77, 0x100);
}

static void *map_fixed(uint64_t address, uint64_t size)
{
    void *memory = mmap((void *)address, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    assert_ptr_equal(memory, (void *)address);
    return memory;
}

static int setup(void **state)
{
    (void)state;
    uint8_t *memory = map_fixed(SIGMA0_PHYSICAL, MEMORY);
    struct kernel_info *info = map_fixed(USER_KERNEL_INFO, PAGE_SIZE);
    struct boot_info *boot = map_fixed(USER_BOOT_INFO, PAGE_SIZE);

    memset(memory, 0xa5, 32 * MIB); /* what was there before */
    info->abi_version = ABI_VERSION;
    info->tsc_khz = 1000;
    boot->region_count = 1;
    boot->region[0] = (struct boot_region){MIB, 48 * MIB};
    make_module(boot, "program", 56 * MIB, 0x2100);
    make_module(boot, "kernel", 57 * MIB, 0x1234);
    make_elf(memory + 56 * MIB);
    memset(&kernel, 0, sizeof(kernel));
    memset(partitions, 0, sizeof(partitions));
    kernel.threads = 1;
    make_table();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    munmap((void *)SIGMA0_PHYSICAL, MEMORY);
    munmap((void *)USER_KERNEL_INFO, PAGE_SIZE);
    munmap((void *)USER_BOOT_INFO, PAGE_SIZE);
    return 0;
}

/* ---- Start ----------------------------------------------------------------------------------- */

static void test_partitions_get_what_the_table_says(void **state)
{
    (void)state;
    assert_true(start());
    for (unsigned i = 0; i < COUNT; i++) {
        const struct fake_task *fake = task(partitions[i].task);

        assert_non_null(fake);
        assert_int_equal(fake->parameters.quota, table[i].kernel_quota);
        assert_int_equal(fake->parameters.processors, table[i].processors);
        assert_int_equal(fake->parameters.time_partition, table[i].time_partition);
        assert_int_equal(fake->parameters.priority, table[i].priority);
        assert_int_equal(fake->main.priority, table[i].priority);
        assert_int_equal(fake->main.entry, USER_IMAGE_BASE);
        assert_int_equal(map_at(i, USER_IMAGE_BASE)->rights, MEM_READ | MEM_EXECUTE);
        assert_int_equal(map_at(i, USER_IMAGE_BASE + 0x1000)->size, 0x3000);
        assert_int_equal(map_at(i, USER_PARTITION_INFO)->rights, MEM_READ);
    }
    assert_int_equal(task(partitions[READER].task)->main.processor, 1);
    assert_int_equal(task(partitions[WRITER].task)->given[RIGHT_PORT], 2);
    assert_int_equal(task(partitions[WRITER].task)->given[RIGHT_IRQ], 1);
    assert_int_equal(map_at(WRITER, VMM_RAM_BASE)->rights, MEM_READ | MEM_WRITE);
    assert_int_equal(map_at(GUEST, VMM_RAM_BASE)->rights, MEM_ALL);
    assert_int_equal(map_at(GUEST, VMM_RAM_BASE)->from % LARGE_PAGE_SIZE, 0);
    assert_int_equal(map_at(GUEST, VMM_MODULE_BASE)->rights, MEM_READ);
    assert_null(map_at(READER, VMM_RAM_BASE));
    kernel.output[kernel.printed] = 0;
    assert_string_equal(kernel.output, PLACED);
}

static void test_what_a_partition_is_told(void **state)
{
    const struct partition_info *info;

    (void)state;
    assert_true(start());
    info = partitions[WRITER].info;
    assert_string_equal(info->name, "writer");
    assert_string_equal(info->arguments, "-x 1");
    assert_int_equal(info->ram_size, 2 * MIB);
    assert_int_equal(info->console, service_thread());
    assert_int_equal(info->console_event, WRITER);
    assert_int_equal(info->start_condition, START_NORMAL);
    assert_int_equal(info->frame_ns, 1000000);
    assert_int_equal(info->time_partition, 1);
    assert_int_equal(partitions[GUEST].info->module_size[0], 0x1234);
    /* On another processor it is another thread. */
    assert_int_not_equal(partitions[READER].info->console, service_thread());
    assert_int_equal(kernel.thread[partitions[READER].info->console - 1].parameters.processor, 1);
}

static void test_channels_join_both_ends(void **state)
{
    (void)state;
    assert_true(start());
    const struct fake_map *out = map_at(WRITER, USER_PORT_BASE);
    const struct fake_map *in = map_at(READER, USER_PORT_BASE);

    assert_int_equal(out->from, in->from);
    assert_int_equal(out->rights, MEM_READ | MEM_WRITE);
    assert_int_equal(in->rights, MEM_READ);
    assert_int_equal(map_at(WRITER, USER_PORT_BASE + out->size)->rights, MEM_READ);
    assert_int_equal(map_at(READER, USER_PORT_BASE + out->size)->rights, MEM_READ | MEM_WRITE);
    assert_int_equal(partitions[WRITER].info->port[0].partner, partitions[READER].main);
    assert_int_equal(partitions[READER].info->port[0].partner, partitions[WRITER].main);
    assert_int_equal(partitions[READER].info->port[0].source, 0);
    assert_string_equal(partitions[READER].info->port[0].name, "in");
    assert_int_equal(task(partitions[WRITER].task)->peer, partitions[READER].task);
    assert_int_equal(task(partitions[READER].task)->peer, partitions[WRITER].task);
    assert_int_equal(task(partitions[GUEST].task)->given[RIGHT_PEER], 0);
}

static void test_shared_memory_is_at_all_its_ends(void **state)
{
    (void)state;
    assert_true(start());
    const uint64_t second = USER_SHARED_BASE + USER_SHARED_STRIDE;
    const struct fake_map *map = map_at(GUEST, USER_SHARED_BASE);
    const struct partition_port *port = &partitions[GUEST].info->port[0];

    assert_int_equal(map->rights, MEM_READ);
    assert_int_equal(map->size, 3 * MIB);
    assert_int_equal(map->from % LARGE_PAGE_SIZE, 0);
    assert_int_equal(map_at(WRITER, second)->from, map->from);
    assert_int_equal(map_at(WRITER, second)->rights, MEM_READ | MEM_WRITE);
    assert_int_equal(map_at(READER, second)->rights, MEM_READ | MEM_WRITE);
    assert_int_equal(port->kind, CHANNEL_MEMORY);
    assert_int_equal(port->address, USER_SHARED_BASE);
    assert_int_equal(port->memory_size, 3 * MIB);
    assert_int_equal(port->gpa, 0xc0000000);
    assert_int_equal(port->source, 0);
    /* Nobody is signalled because of it. */
    assert_int_equal(port->partner, 0);
    assert_int_equal(partitions[WRITER].info->port[1].partner, 0);
    for (uint64_t i = 0; i < 3 * MIB; i++) {
        assert_int_equal(((const uint8_t *)map->from)[i], 0);
    }
}

static bool is_unmapped(uint64_t address)
{
    for (unsigned i = 0; i < kernel.unmaps; i++) {
        if (kernel.unmapped[i] == address) {
            return true;
        }
    }
    return false;
}

/* Nobody gets the pages either: not even a partition's. */
static void test_own_stacks_end_in_nothing(void **state)
{
    unsigned own = 0;

    (void)state;
    assert_true(start());
    for (unsigned i = 1; i < kernel.threads; i++) { /* the first has the kernel's stack */
        uint64_t page = kernel.thread[i].parameters.stack & ~(PAGE_SIZE - 1), pages = 0;

        if (kernel.thread[i].task != 0) {
            continue;
        }
        for (; !is_unmapped(page); page -= PAGE_SIZE) {
            pages++;
            assert_true(pages <= 4);
        }
        assert_int_equal(pages, 4);
        own++;
    }
    assert_int_equal(own, kernel.unmaps);
    assert_true(own >= 3);
    for (unsigned i = 0; i < COUNT; i++) {
        const struct fake_task *fake = task(partitions[i].task);

        for (unsigned n = 0; n < fake->maps * kernel.unmaps; n++) {
            const struct fake_map *map = &fake->map[n % fake->maps];
            uint64_t guard = kernel.unmapped[n / fake->maps];

            assert_true(guard < map->from || guard >= map->from + map->size);
        }
    }
}

static void test_what_cannot_start_leaves_the_others_alone(void **state)
{
    (void)state;
    table[GUEST].module[0] = "nothing";
    table[WRITER].ram_size = 100 * MIB;
    assert_true(start());
    assert_true(printed("σ0: boot module nothing is missing\n"
                        "σ0: guest cannot start: a boot module is missing\n"
                        "σ0: guest: configuration error (0): partition stopped\n"));
    assert_true(printed("σ0: writer needs 100 MiB of RAM in one piece, "));
    assert_true(printed("σ0: writer cannot start: too little memory\n"));
    assert_true(partition_runs(&partitions[READER]));
    child_ended(READER, TASK_ENDED, 0, 0);
    assert_false(go_on());
    assert_true(printed("hecht: end status=1\n"));
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static void test_the_last_one_that_counts_ends_the_machine(void **state)
{
    (void)state;
    assert_true(start());
    child_ended(GUEST, TASK_ENDED, 0, 0);
    assert_true(go_on());
    child_ended(READER, TASK_ENDED, 0, 0);
    assert_false(go_on());
    kernel.output[kernel.printed] = 0;
    assert_string_equal(kernel.output, PLACED "σ0: guest ended: code 0\nσ0: reader ended: code 0\n"
                                       "hecht: end status=0\n");
    assert_int_equal(kernel.end, MACHINE_OFF);
}

static void test_failures_are_told(void **state)
{
    (void)state;
    assert_true(start());
    child_ended(WRITER, TASK_FAILED, 13, 0);
    child_ended(GUEST, TASK_ENDED, HEALTH_END_CODE(HEALTH_VM_SHUTDOWN, 1), 0);
    assert_true(go_on());
    child_ended(READER, TASK_FAILED, 14, USER_STACK_TOP - USER_STACK_SIZE - 8);
    assert_false(go_on());
    kernel.output[kernel.printed] = 0;
    assert_string_equal(kernel.output,
                        PLACED "σ0: writer failed: exception 13, address 0x0\n"
                        "σ0: writer: exception (13): partition stopped\n"
                        "σ0: guest ended: code 1\n"
                        "σ0: guest: VM shutdown (1): partition stopped\n"
                        "σ0: reader failed: exception 14, address 0x7ff0fffefff8\n"
                        "σ0: reader: stack overflow (0x7ff0fffefff8): partition stopped\n"
                        "hecht: end status=1\n");
}

static void test_the_module_stops_with_its_log(void **state)
{
    (void)state;
    table[WRITER].action[HEALTH_MEMORY_VIOLATION] = HEALTH_STOP_MODULE;
    assert_true(start());
    child_ended(WRITER, TASK_FAILED, 14, 0x1000);
    assert_false(go_on());
    assert_true(printed("σ0: health log, "));
    assert_true(printed("writer: memory violation (0x1000): module stopped\n"
                        "hecht: end status=1\n"));
    assert_int_equal(task(partitions[GUEST].task)->state, TASK_STOPPED);
}

/* ---- Restarts -------------------------------------------------------------------------------- */

static void spoil(unsigned i)
{
    for (unsigned n = 0; n < PIECES_MAX; n++) {
        const struct piece *piece = &partitions[i].piece[n];

        if (piece->size && n != PIECE_INFO && n != PIECE_CONSOLE) {
            memset(memory_at(piece->physical), 0x5a, piece->size);
        }
    }
}

static bool all(const uint8_t *memory, uint8_t byte, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        if (memory[i] != byte) {
            return false;
        }
    }
    return true;
}

static void check_loaded(unsigned i, uint8_t ram)
{
    const struct partition *partition = &partitions[i];
    const uint8_t *text = memory_at(partition->piece[PIECE_SEGMENT].physical);
    const uint8_t *data = memory_at(partition->piece[PIECE_SEGMENT + 1].physical);

    assert_true(all(text, 0xc3, 0x800));
    assert_true(all(text + 0x800, 0, 0x800));
    assert_true(all(data, 0x77, 0x100));
    assert_true(all(data + 0x100, 0, 0x2f00));
    assert_true(all(memory_at(partition->piece[PIECE_STACK].physical), 0, USER_STACK_SIZE));
    assert_true(all(memory_at(partition->piece[PIECE_RAM].physical), ram,
                    partition->piece[PIECE_RAM].size));
}

/* A message from writer to reader, not taken. */
static struct channel_end open_end(unsigned i)
{
    struct partition_port port = partitions[i].info->port[0];
    struct channel_end end;

    port.address = map_at(i, USER_PORT_BASE)->from;
    assert_int_equal(channel_open(&end, &port, 1000), STATUS_OK);
    return end;
}

static void check_restart(enum health_action action, enum start_condition condition)
{
    (void)condition;
    table[WRITER].action[HEALTH_EXCEPTION] = (uint8_t)action;
    assert_true(start());
    check_loaded(WRITER, 0);
    spoil(WRITER);
    struct channel_end end = open_end(WRITER);
    struct fake_map ram = *map_at(WRITER, VMM_RAM_BASE);
    task_id old = partitions[WRITER].task;

    uint8_t *shared = (uint8_t *)map_at(WRITER, USER_SHARED_BASE + USER_SHARED_STRIDE)->from;

    shared[0] = shared[3 * MIB - 1] = 0x77;
    assert_int_equal(channel_send(&end, "hello", 5, 0), STATUS_OK);
    child_ended(WRITER, TASK_FAILED, 0, 0);
    assert_true(go_on());
    assert_true(partition_runs(&partitions[WRITER]));
    assert_null(task(old));
    assert_memory_equal(map_at(WRITER, VMM_RAM_BASE), &ram, sizeof(ram));
    assert_int_equal(shared[0], 0x77); /* it belongs to the others too */
    assert_int_equal(shared[3 * MIB - 1], 0x77);
    assert_int_equal(partitions[WRITER].info->restarts, 1);
    assert_int_equal(partitions[WRITER].info->start_condition, condition);
    assert_int_equal(partitions[READER].info->port[0].partner, partitions[WRITER].main);
    assert_int_equal(partitions[WRITER].info->port[0].partner, partitions[READER].main);
    assert_int_equal(task(partitions[READER].task)->peer, partitions[WRITER].task);
    assert_int_equal(task(partitions[WRITER].task)->peer, partitions[READER].task);
    assert_int_not_equal(kernel.thread[partitions[READER].main - 1].events & EVENT_PORT, 0);
}

static void test_cold_restart(void **state)
{
    uint8_t message[64];
    uint32_t length;

    (void)state;
    check_restart(HEALTH_RESTART_COLD, START_COLD);
    check_loaded(WRITER, 0);
    struct channel_end end = open_end(READER);

    assert_int_equal(channel_receive(&end, message, &length), STATUS_EMPTY);
    assert_true(printed("σ0: writer: exception (0): cold restart\n"));
}

static void test_warm_restart_keeps_ram_and_queues(void **state)
{
    uint8_t message[64];
    uint32_t length;

    (void)state;
    check_restart(HEALTH_RESTART_WARM, START_WARM);
    check_loaded(WRITER, 0x5a);
    struct channel_end end = open_end(READER);

    assert_int_equal(channel_receive(&end, message, &length), STATUS_OK);
    assert_int_equal(length, 5);
}

static void test_a_thousand_restarts_take_no_memory(void **state)
{
    (void)state;
    table[READER].action[HEALTH_PARTITION_ENDED] = HEALTH_RESTART_COLD;
    assert_true(start());
    uint64_t left = memory_left();

    for (unsigned i = 1; i <= 1000; i++) {
        unsigned living = 0;

        child_ended(READER, TASK_ENDED, i, 0);
        assert_true(go_on());
        for (unsigned n = 0; n < kernel.tasks; n++) {
            living += kernel.task[n].exists;
        }
        assert_int_equal(living, COUNT);
        assert_int_equal(partitions[READER].info->restarts, i);
    }
    assert_int_equal(memory_left(), left);
    assert_int_equal(task(partitions[READER].task)->main.processor, 1);
}

static void test_nobody_is_there_while_it_is_down(void **state)
{
    (void)state;
    table[WRITER].action[HEALTH_EXCEPTION] = HEALTH_RESTART_COLD;
    assert_true(start());
    child_ended(WRITER, TASK_FAILED, 0, 0);
    run(service_thread()); /* and not yet its worker */
    assert_int_equal(partitions[READER].info->port[0].partner, 0);
    assert_int_equal(partition_state(&partitions[WRITER]), PARTITION_WITH_WORKER);
    child_ended(READER, TASK_ENDED, 0, 0);
    child_ended(GUEST, TASK_ENDED, 0, 0);
    assert_false(go_on());
}

static void test_a_restart_that_fails_is_the_end(void **state)
{
    (void)state;
    table[READER].action[HEALTH_EXCEPTION] = HEALTH_RESTART_COLD;
    table[READER].action[HEALTH_CONFIGURATION] = HEALTH_RESTART_COLD; /* means: stop */
    assert_true(start());
    child_ended(READER, TASK_FAILED, 0, 0);
    kernel.refuse_tasks = true;
    assert_true(go_on());
    assert_int_equal(partition_state(&partitions[READER]), PARTITION_DOWN);
    assert_true(printed("σ0: reader cannot start again: no kernel memory for its quota "
                        "(CONFIG_KERNEL_MEMORY_MIB)\n"
                        "σ0: reader: configuration error (1): partition stopped\n"));
}

/* ---- Raises ---------------------------------------------------------------------------------- */

static bool raise_error(thread_id at, thread_id from, uint64_t error)
{
    kernel.answer = 99;
    kernel.message = (struct message){
        .from = from, .kind = MESSAGE_IPC, .word = {HEALTH_RAISE, error, 7}};
    if (setjmp(ended)) {
        return false;
    }
    run(at);
    settle();
    return true;
}

static void test_raises_are_answered(void **state)
{
    (void)state;
    table[WRITER].action[HEALTH_DEADLINE_MISSED] = HEALTH_LOG;
    assert_true(start());
    assert_true(raise_error(service_thread(), partitions[WRITER].main, HEALTH_DEADLINE_MISSED));
    assert_int_equal(kernel.answer, STATUS_OK);
    assert_true(printed("σ0: writer: deadline missed (7): logged\n"));
    assert_true(partition_runs(&partitions[WRITER]));
    assert_true(raise_error(service_thread(), partitions[WRITER].main, HEALTH_EXCEPTION));
    assert_int_equal((int64_t)kernel.answer, STATUS_BAD_ARGUMENT);
    assert_true(raise_error(service_thread(), 4000, HEALTH_APPLICATION));
    assert_int_equal((int64_t)kernel.answer, STATUS_DENIED);
}

static void test_a_raise_can_stop_who_raises(void **state)
{
    (void)state;
    assert_true(start());
    assert_true(raise_error(service_thread(), partitions[WRITER].main, HEALTH_APPLICATION));
    assert_int_equal(partition_state(&partitions[WRITER]), PARTITION_DOWN);
    assert_int_equal(task(partitions[WRITER].task)->state, TASK_STOPPED);
    assert_int_equal(partitions[READER].info->port[0].partner, 0);
}

static void test_raises_on_another_processor(void **state)
{
    (void)state;
    table[READER].action[HEALTH_APPLICATION] = HEALTH_RESTART_COLD;
    assert_true(start());
    thread_id at = partitions[READER].console_thread, main = partitions[READER].main;

    assert_true(raise_error(at, main, HEALTH_APPLICATION));
    assert_int_equal(kernel.answer, STATUS_OK);
    assert_true(printed("σ0: reader: application error (7): cold restart\n"));
    assert_int_equal(partitions[READER].info->restarts, 1);
    assert_int_not_equal(partitions[READER].main, main);
    assert_true(raise_error(at, main, HEALTH_APPLICATION)); /* it is gone */
    assert_int_equal((int64_t)kernel.answer, STATUS_DENIED);
    assert_int_equal(partitions[READER].raised.from, 0);
}

/* ---- Console, operator, schedules ------------------------------------------------------------ */

static void test_what_is_typed(void **state)
{
    (void)state;
    assert_true(start());
    kernel.typed = "a\x1chb\x1c"
                   "1\x1c"
                   "7\x1c\x1c";
    sys_event_signal(service_thread(), EVENT_TYPED);
    assert_true(go_on());
    assert_memory_equal(partitions[GUEST].console->input, "ab\x1c", 4);
    assert_true(printed("σ0: health log, "));
    assert_true(printed("σ0: schedule 1 from 0 ms on\n"));
    assert_true(printed("σ0: there is no schedule 7\n"));
}

/* What the partition writes, and the event that tells of it. */
static void writes(unsigned partition, const char *text)
{
    struct console_channel *channel = partitions[partition].console;

    while (*text) {
        channel->output[channel->output_head++ % CONSOLE_OUTPUT_SIZE] = (uint8_t)*text++;
    }
    sys_event_signal(service_thread(), 1UL << partition);
    assert_true(go_on());
}

static void test_lines_stay_whole(void **state)
{
    (void)state;
    assert_true(start());
    kernel.printed = 0;
    writes(WRITER, "writer: hel");
    writes(READER, "reader: one\nreader: tw");
    writes(GUEST, "guest\n");
    assert_false(printed("reader"));
    writes(WRITER, "lo\r\n");
    assert_true(printed("writer: hello\r\nreader: one\nreader: tw"));
    assert_false(printed("guest"));
    writes(READER, "o\n");
    assert_true(printed("reader: two\nguest\n"));
}

static void test_a_line_is_not_waited_for_long(void **state)
{
    struct kernel_info *info = (struct kernel_info *)USER_KERNEL_INFO;

    (void)state;
    assert_true(start());
    kernel.printed = 0;
    info->tsc_khz = 0;
    writes(WRITER, "~ # ");
    writes(GUEST, "guest\n");
    assert_true(printed("~ # \nguest\n"));
    info->tsc_khz = 1U << 31;
    writes(WRITER, "more");
    assert_true(printed("guest\n~ # more"));
    writes(GUEST, "guest again\n");
    assert_false(printed("again"));
    kernel.message = (struct message){.from = 1, .kind = MESSAGE_TIMEOUT};
    run(service_thread());
    assert_false(printed("again"));
    assert_true(raise_error(service_thread(), partitions[READER].main, HEALTH_APPLICATION));
    assert_true(printed("more\nσ0: reader: application error"));
    kernel.message = (struct message){.from = 1, .kind = MESSAGE_TIMEOUT};
    run(service_thread());
    assert_true(printed("guest again\n"));
    assert_true(printed("more\nσ0: "));
}

/* Only what the partition printed is printed again, and only so much. */
static void test_a_broken_line_is_read_in_one_piece(void **state)
{
    struct kernel_info *info = (struct kernel_info *)USER_KERNEL_INFO;
    char text[CONSOLE_OUTPUT_SIZE + 1] = {0};

    (void)state;
    assert_true(start());
    info->tsc_khz = 0;
    writes(WRITER, "old\nhel");
    writes(GUEST, "guest\n");
    kernel.printed = 0;
    writes(WRITER, "lo\n");
    assert_string_equal((kernel.output[kernel.printed] = 0, kernel.output), "hello\n");
    writes(WRITER, "~ # \x1b[6n"); /* "where are you?" */
    writes(GUEST, "guest\n");
    kernel.printed = 0;
    writes(WRITER, "ls\n");
    assert_string_equal((kernel.output[kernel.printed] = 0, kernel.output), "ls\n");
    memset(text, 'a', CONSOLE_OUTPUT_SIZE - 100);
    writes(WRITER, text);
    writes(GUEST, "guest\n");
    kernel.printed = 0;
    writes(WRITER, "b");
    assert_int_equal(kernel.printed, 161);
    writes(GUEST, "guest\n");
    kernel.printed = 0;
    memset(text, 'c', CONSOLE_OUTPUT_SIZE);
    writes(WRITER, text); /* nothing is left of the line's begin */
    assert_int_equal(kernel.printed, CONSOLE_OUTPUT_SIZE);
    assert_false(printed("a"));
}

static void test_a_switch_is_tried_until_it_can_be(void **state)
{
    (void)state;
    table[WRITER].action[HEALTH_APPLICATION] = HEALTH_SWITCH_SCHEDULE;
    table[WRITER].action_schedule = 1;
    assert_true(start());
    kernel.busy = true;
    assert_true(raise_error(service_thread(), partitions[WRITER].main, HEALTH_APPLICATION));
    assert_int_equal(partition_state(&partitions[WRITER]), PARTITION_DOWN);
    kernel.busy = false;
    kernel.schedule = 0;
    kernel.message = (struct message){.from = 1, .kind = MESSAGE_TIMEOUT};
    run(service_thread());
    assert_int_equal(kernel.schedule, 1);
    assert_true(printed("σ0: schedule 1 from 0 ms on\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_partitions_get_what_the_table_says, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_partition_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_channels_join_both_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shared_memory_is_at_all_its_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_stacks_end_in_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_start_leaves_the_others_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_last_one_that_counts_ends_the_machine, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_failures_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_module_stops_with_its_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cold_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_warm_restart_keeps_ram_and_queues, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_thousand_restarts_take_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_is_there_while_it_is_down, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_restart_that_fails_is_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_raises_are_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_raise_can_stop_who_raises, setup, teardown),
        cmocka_unit_test_setup_teardown(test_raises_on_another_processor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_typed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines_stay_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_line_is_not_waited_for_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_broken_line_is_read_in_one_piece, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_switch_is_tried_until_it_can_be, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
