/* SPDX-License-Identifier: Apache-2.0 */
/* What all vCPUs of a VM share: intercept maps, and how far cached translations are forgotten. */
#include "x86/vmx/vmx.h"

#include "kernel/memory.h"
#include "lib/string.h"
#include "x86/instr.h"
#include "x86/vmx/vmcs.h"

#define PORTS_PER_MAP 0x8000u
#define MSRS_PER_MAP 0x2000u
#define MSR_HIGH_FIRST 0xc0000000u

/* The MSR map's quarters, of 1 KiB each (SDM vol 3, 24.6.9). */
enum { MSR_READ_LOW = 0x000, MSR_READ_HIGH = 0x400, MSR_WRITE_LOW = 0x800, MSR_WRITE_HIGH = 0xc00 };

static void set_bit(uint8_t *map, uint32_t bit, bool on)
{
    uint8_t mask = (uint8_t)(1u << bit % 8);

    map[bit / 8] = (uint8_t)(on ? map[bit / 8] | mask : map[bit / 8] & ~mask);
}

enum status vmx_vm_init(struct vm *vm)
{
    struct vmx_vm *vmx = frames_alloc(vm->quota, VMX_VM_FRAMES);

    if (!vmx) {
        return STATUS_NO_MEMORY;
    }
    vm->backend = vmx;
    memory_set(vmx->io_bitmap, 0xff, sizeof(vmx->io_bitmap));
    memory_set(vmx->msr_bitmap, 0xff, sizeof(vmx->msr_bitmap));
    vmx_vm_msr_intercept(vm, MSR_FS_BASE, 0);
    vmx_vm_msr_intercept(vm, MSR_GS_BASE, 0);
    vmx_vm_msr_intercept(vm, MSR_KERNEL_GS_BASE, 0);
    return STATUS_OK;
}

void vmx_vm_destroy(struct vm *vm)
{
    uint8_t *frame = vm->backend;

    for (unsigned i = 0; i < VMX_VM_FRAMES; i++) {
        frame_free(vm->quota, frame + i * PAGE_SIZE);
    }
    vm->backend = NULL;
}

/* Nothing to do now: vmx_enter compares generations, on each processor for itself. */
void vmx_vm_flush(struct vm *vm)
{
    (void)vm;
}

void vmx_vm_port_intercept(struct vm *vm, uint16_t first, uint32_t count, bool on)
{
    struct vmx_vm *vmx = vm->backend;

    for (uint32_t port = first; port < first + count && port < 2 * PORTS_PER_MAP; port++) {
        set_bit(vmx->io_bitmap[port / PORTS_PER_MAP], port % PORTS_PER_MAP, on);
    }
}

enum status vmx_vm_msr_intercept(struct vm *vm, uint32_t msr, unsigned intercept)
{
    struct vmx_vm *vmx = vm->backend;
    bool high = msr >= MSR_HIGH_FIRST;
    uint32_t bit = high ? msr - MSR_HIGH_FIRST : msr;

    if (bit >= MSRS_PER_MAP) {
        return STATUS_UNSUPPORTED;
    }
    set_bit(vmx->msr_bitmap + (high ? MSR_READ_HIGH : MSR_READ_LOW), bit,
            (intercept & MSR_INTERCEPT_READ) != 0);
    set_bit(vmx->msr_bitmap + (high ? MSR_WRITE_HIGH : MSR_WRITE_LOW), bit,
            (intercept & MSR_INTERCEPT_WRITE) != 0);
    return STATUS_OK;
}

uint64_t vmx_vm_eptp(const struct vm *vm)
{
    return vm->gpa.root | EPTP_WRITE_BACK_4_LEVELS;
}
