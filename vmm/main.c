/* SPDX-License-Identifier: Apache-2.0 */
/* Where the VMM starts: it makes its machine and its VM out of what σ0 gave the partition. */
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

/* Only called while the vCPU does not run, so that what arrives is nothing but events; what they
 * stand for is looked at anyway before the guest goes on. */
static void wait_for_console(void *owner)
{
    struct vm *vm = owner;

    vm->attention = true;
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

/* ---- Start -------------------------------------------------------------------------------- */

static void make_machine(struct vm *vm)
{
    const struct machine_setup setup = {
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
    console->owner = vm;
    if (!machine_init(&vm->machine, &setup)) {
        report_unloadable(vm, "two of its devices have the same address");
    }
}

/* The guest's RAM is all of guest-physical space that translates; the rest exits. */
static void make_vm(struct vm *vm)
{
    const struct guest_ram *ram = &vm->machine.setup.ram;
    int64_t status = sys_vm_create();

    if (status == STATUS_UNSUPPORTED) {
        report_unloadable(vm, "this machine or this image has no virtualization");
    }
    if (status != STATUS_OK) {
        report_unloadable(vm, "the kernel made no VM");
    }
    if (sys_vm_map(ram->gpa, VMM_RAM_BASE, ram->size, MEM_ALL) != STATUS_OK) {
        report_unloadable(vm, "its memory could not be mapped (kernel memory of the partition)");
    }
}

static void make_vcpu(struct vm *vm, unsigned priority)
{
    vm->state = (struct vcpu_state *)VMM_STATE_BASE;
    if (sys_vcpu_create(VMM_STATE_BASE, priority, &vm->vcpu) != STATUS_OK) {
        report_unloadable(vm, "the kernel made no vCPU");
    }
    cpuid_build(&vm->cpuid, &cpuid_processor, KERNEL_INFO->tsc_khz);
}

/* `argument`: the priority of this thread. The vCPU's is one below, so that whatever wakes its
 * handler stops the guest. */
_Noreturn void user_main(uint64_t argument)
{
    struct vm *vm = &the_vm;

    make_machine(vm);
    make_vm(vm);
    make_vcpu(vm, argument > PRIORITY_MIN ? (unsigned)argument - 1 : PRIORITY_MIN);
    vm_run(vm);
}
