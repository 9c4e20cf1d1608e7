/* SPDX-License-Identifier: Apache-2.0 */
/* A VM's intercept maps. */
#include "svm.h"

#include "kernel/memory.h"
#include "lib/string.h"
#include "x86/instr.h"

static void free_frames(struct quota *quota, uint8_t *first, unsigned count)
{
    for (unsigned i = 0; first && i < count; i++) {
        frame_free(quota, first + i * PAGE_SIZE);
    }
}

enum status svm_vm_init(struct vm *vm)
{
    struct svm_vm *svm = frame_alloc(vm->quota);

    if (!svm) {
        return STATUS_NO_MEMORY;
    }
    vm->backend = svm;
    svm->iopm = frames_alloc(vm->quota, SVM_IOPM_FRAMES);
    svm->msrpm = frames_alloc(vm->quota, SVM_MSRPM_FRAMES);
    if (!svm->iopm || !svm->msrpm) {
        svm_vm_destroy(vm);
        return STATUS_NO_MEMORY;
    }
    memory_set(svm->iopm, 0xff, SVM_IOPM_FRAMES * PAGE_SIZE);
    memory_set(svm->msrpm, 0xff, SVM_MSRPM_FRAMES * PAGE_SIZE);
    /* Switched by VMLOAD and VMSAVE, and written on every switch of the guest's processes. */
    svm_vm_msr_intercept(vm, MSR_FS_BASE, 0);
    svm_vm_msr_intercept(vm, MSR_GS_BASE, 0);
    svm_vm_msr_intercept(vm, MSR_KERNEL_GS_BASE, 0);
    return STATUS_OK;
}

void svm_vm_destroy(struct vm *vm)
{
    struct svm_vm *svm = vm->backend;

    free_frames(vm->quota, svm->iopm, SVM_IOPM_FRAMES);
    free_frames(vm->quota, svm->msrpm, SVM_MSRPM_FRAMES);
    frame_free(vm->quota, svm);
    vm->backend = NULL;
}

/* Nothing to do at once: the generation has grown, and every vCPU takes a fresh identifier, which
 * has no translations, before its next entry (svm_vcpu.c, take_asid). */
void svm_vm_flush(struct vm *vm)
{
    (void)vm;
}

static void set_bits(uint8_t *map, uint32_t bit, unsigned mask, unsigned value)
{
    uint8_t *byte = &map[bit / 8];

    *byte = (uint8_t)((*byte & ~(mask << bit % 8)) | value << bit % 8);
}

void svm_vm_port_intercept(struct vm *vm, uint16_t first, uint32_t count, bool on)
{
    struct svm_vm *svm = vm->backend;

    for (uint32_t port = first; port < first + count && port <= 0xffff; port++) {
        set_bits(svm->iopm, port, 1, on ? 1 : 0);
    }
}

enum status svm_vm_msr_intercept(struct vm *vm, uint32_t msr, unsigned intercept)
{
    struct svm_vm *svm = vm->backend;
    /* APM vol 2, 15.11: three ranges of 8,192 MSRs, 2 KiB each. */
    static const uint32_t ranges[] = {0x00000000u, 0xc0000000u, 0xc0010000u};

    for (unsigned i = 0; i < 3; i++) {
        if (msr - ranges[i] < 8192) {
            set_bits(svm->msrpm, i * 16384 + (msr - ranges[i]) * 2, 3, intercept & 3);
            return STATUS_OK;
        }
    }
    return STATUS_UNSUPPORTED;
}
