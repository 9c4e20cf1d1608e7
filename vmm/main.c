/* SPDX-License-Identifier: Apache-2.0 */
/* Where the VMM starts: it makes its machine and its VM out of what σ0 gave the partition, then
 * one handler thread for every vCPU. Its own thread is the first one's. */
#include "abi/info.h"
#include "abi/layout.h"
#include "abi/status.h"
#include "lib/user/syscall.h"
#include "report.h"
#include "vm.h"

#define KERNEL_INFO ((const struct kernel_info *)USER_KERNEL_INFO)
#define PARTITION_INFO ((const struct partition_info *)USER_PARTITION_INFO)

static struct vm the_vm;

/* ---- What the machine needs of the world -------------------------------------------------- */

static tsc_time read_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

static struct cpuid_leaf read_cpuid(void *context, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_leaf value;

    (void)context;
    __asm__ volatile("cpuid"
                     : "=a"(value.eax), "=b"(value.ebx), "=c"(value.ecx), "=d"(value.edx)
                     : "a"(leaf), "c"(subleaf));
    return value;
}

const struct cpuid_host cpuid_processor = { .read = read_cpuid };

static void notify_console(void *owner)
{
    (void)owner;
    sys_event_signal(PARTITION_INFO->console, UINT64_C(1) << PARTITION_INFO->console_event);
}

/* Called by the handler that has the machine, and only while its vCPU does not run, so that what
 * arrives is nothing but events; what they stand for is looked at anyway before the guest goes
 * on. */
static void wait_for_console(void *owner)
{
    struct vcpu *vcpu = owner;

    vcpu->attention = true;
    sys_ipc_wait(read_tsc() + KERNEL_INFO->tsc_khz);
}

static struct boot_image module(unsigned number)
{
    return (struct boot_image){
        .data = (const uint8_t *)(VMM_MODULE_BASE + number * VMM_MODULE_STRIDE),
        .size = PARTITION_INFO->module_size[number],
    };
}

static uint64_t date_now(void)
{
    const struct kernel_info *info = KERNEL_INFO;
    uint64_t ms = (read_tsc() - info->boot_tsc) / info->tsc_khz;

    return info->boot_epoch_s + ms / 1000;
}

/* The memory that the partition shares with others. */
static void find_shared(struct machine_setup *setup)
{
    const struct partition_info *info = PARTITION_INFO;

    for (uint32_t i = 0; i < info->port_count && i < PARTITION_PORTS_MAX; i++) {
        const struct partition_port *port = &info->port[i];

        if (port->kind == CHANNEL_MEMORY) {
            setup->shared[setup->shared_count++] = (struct shared_memory){
                .name = port->name,
                .range = { port->gpa, port->memory_size, (uint8_t *)port->address },
                .writable = port->source,
            };
        }
    }
}

/* ---- The VM ------------------------------------------------------------------------------- */

static void make_machine(struct vm *vm)
{
    struct machine_setup setup = {
        .config = &vm_config,
        .ram = { .gpa = 0, .size = PARTITION_INFO->ram_size, .host = (uint8_t *)VMM_RAM_BASE },
        .kernel = module(0),
        .initrd = module(1),
        .read_tsc = read_tsc,
        .tsc_khz = KERNEL_INFO->tsc_khz,
        .unix_seconds = date_now(),
    };
    struct console *console = &vm->machine.console;

    console->channel = (struct console_channel *)USER_CONSOLE;
    console->notify = notify_console;
    console->wait = wait_for_console;
    console->owner = &vm->vcpu[0];
    find_shared(&setup);
    if (!machine_init(&vm->machine, &setup)) {
        report_unloadable(&vm->vcpu[0], "two of its devices have the same address");
    }
}

static void map_guest(struct vm *vm, const struct guest_ram *range, unsigned rights)
{
    if (sys_vm_map(range->gpa, (uint64_t)range->host, range->size, rights) != STATUS_OK) {
        report_unloadable(&vm->vcpu[0],
                          "its memory could not be mapped (kernel memory of the partition)");
    }
}

/* The guest's RAM and what it shares with others is all of guest-physical space that translates;
 * the rest exits. */
static void make_vm(struct vm *vm)
{
    const struct machine_setup *setup = &vm->machine.setup;
    int64_t status = sys_vm_create((enum vm_paging)vm_config.paging);

    if (status == STATUS_UNSUPPORTED) {
        report_unloadable(&vm->vcpu[0], KERNEL_INFO->virt_caps & VIRT_PRESENT
                                            ? "this machine has no nested paging"
                                            : "this machine or this image has no virtualization");
    }
    if (status != STATUS_OK) {
        report_unloadable(&vm->vcpu[0], "the kernel made no VM");
    }
    vm->nested = vm_config.paging != VM_PAGING_VTLB && (KERNEL_INFO->virt_caps & VIRT_NESTED_PAGING);
    map_guest(vm, &setup->ram, MEM_ALL);
    for (unsigned i = 0; i < setup->shared_count; i++) {
        const struct shared_memory *shared = &setup->shared[i];

        map_guest(vm, &shared->range, shared->writable ? MEM_READ | MEM_WRITE : MEM_READ);
    }
}

/* ---- The vCPUs and their handlers ---------------------------------------------------------- */

/* Makes the vCPU of the calling thread, which becomes its handler. Its priority is one below the
 * handler's, so that whatever wakes that stops the guest. */
static void make_vcpu(struct vcpu *vcpu)
{
    const struct cpuid_vcpu shown = { .tsc_khz = KERNEL_INFO->tsc_khz,
                                      .number = (uint8_t)vcpu->number,
                                      .count = (uint8_t)vcpu->vm->vcpus,
                                      .pcids = !vcpu->vm->nested &&
                                               (KERNEL_INFO->virt_caps & VIRT_VTLB_PCIDS) };
    uint64_t page = VMM_STATE_BASE + vcpu->number * PAGE_SIZE;
    unsigned priority = PARTITION_INFO->priority;

    if (sys_vcpu_create(page, priority > PRIORITY_MIN ? priority - 1 : PRIORITY_MIN,
                        &vcpu->thread) != STATUS_OK) {
        report_unloadable(vcpu, "the kernel made no vCPU");
    }
    vcpu->state = (struct vcpu_state *)page;
    cpuid_build(&vcpu->cpuid, &cpuid_processor, &shown);
}

/* Stacks of all handlers but the first; the page below each is unmapped, so that one that runs
 * over ends the VMM instead of writing into another's. */
struct handler_stack {
    uint8_t guard[PAGE_SIZE];
    uint8_t stack[2 * PAGE_SIZE];
};
static struct handler_stack stacks[VM_VCPUS_MAX - 1] __attribute__((aligned(PAGE_SIZE)));

/* Entered as by a call, which leaves the stack 8 bytes off its alignment. */
static _Noreturn void handler_main(uint64_t number)
{
    struct vcpu *vcpu = &the_vm.vcpu[number];

    make_vcpu(vcpu);
    vcpu_run(vcpu);
}

/* The n-th processor of the partition, or PROCESSORS_MAX. */
static unsigned processor_of(unsigned number)
{
    uint32_t left = PARTITION_INFO->processors;

    for (; number > 0; number--) {
        left &= left - 1;
    }
    return left ? (unsigned)__builtin_ctz(left) : PROCESSORS_MAX;
}

/* Makes the handler of a vCPU that is not the first; says who the first is. An exception of a
 * handler has none to handle it: it ends the VMM. */
static void make_handler(struct vcpu *vcpu, struct vcpu *first)
{
    struct handler_stack *stack = &stacks[vcpu->number - 1];
    struct syscall_frame frame = { {
        0,
        (uint64_t)handler_main,
        (uint64_t)stack->stack + sizeof(stack->stack) - 8,
        PARTITION_INFO->priority | (uint64_t)processor_of(vcpu->number) << 8,
        vcpu->number,
        0,
    } };

    if (processor_of(vcpu->number) == PROCESSORS_MAX) {
        report_unloadable(first, "it has more vCPUs than the partition has processors");
    }
    if (sys_mem_unmap(0, (uint64_t)stack->guard, PAGE_SIZE) != STATUS_OK ||
        syscall_full(SYS_THREAD_CREATE, &frame) != STATUS_OK) {
        report_unloadable(first, "no kernel memory of the partition for its vCPUs");
    }
    vcpu->handler = (thread_id)frame.arg[0];
    first->handler = (thread_id)frame.arg[1];
}

/* With the VM's lock held, so that none of them goes on before all are known. */
static void make_handlers(struct vm *vm)
{
    struct vcpu *first = &vm->vcpu[0];

    vm_lock(first);
    for (unsigned i = 1; i < vm->vcpus; i++) {
        make_handler(&vm->vcpu[i], first);
    }
    vm_unlock(first);
}

static void number_vcpus(struct vm *vm)
{
    for (unsigned i = 0; i < VM_VCPUS_MAX; i++) {
        vm->vcpu[i] = (struct vcpu){ .vm = vm, .number = i, .deadline = TSC_NEVER,
                                     .deadline_ns = TIME_NEVER };
    }
    vm->vcpus = 1; /* until the others are there */
    vm->stopper = &vm->vcpu[0];
}

static void check_vcpus(struct vm *vm)
{
    if (vm_config.vcpus < 1 || vm_config.vcpus > VM_VCPUS_MAX) {
        report_unloadable(&vm->vcpu[0], "its number of vCPUs is not possible");
    }
    if (vm_config.vcpus > 1 && vm_config.boot == VM_BOOT_LINUX) {
        report_unloadable(&vm->vcpu[0], "without local APICs Linux can use only one vCPU");
    }
}

_Noreturn void user_main(uint64_t argument)
{
    struct vm *vm = &the_vm;

    (void)argument;
    number_vcpus(vm);
    make_machine(vm);
    check_vcpus(vm);
    make_vm(vm);
    vm->vcpus = vm_config.vcpus;
    make_handlers(vm);
    make_vcpu(&vm->vcpu[0]);
    vcpu_run(&vm->vcpu[0]);
}
