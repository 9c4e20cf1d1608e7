/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/fpu.h"

#include "count.h"
#include "kernel/log.h"
#include "lib/string.h"
#include "x86/debug_registers.h"
#include "x86/instr.h"
#include "x86/sections.h"

#define CPUID_1_ECX_XSAVE (1u << 26)
#define CPUID_XSAVE 0xdu

/* XCR0 (SDM vol 3, 2.6). */
#define XCR0_X87 (1UL << 0)
#define XCR0_SSE (1UL << 1)
#define XCR0_AVX (1UL << 2)
#define XCR0_MPX (3UL << 3)
#define XCR0_AVX512 (7UL << 5)
#define XCR0_PKRU (1UL << 9)
/* What a guest may have; the rest (AMX and what comes later) is not saved, so not given. */
#define XCR0_KNOWN (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_MPX | XCR0_AVX512 | XCR0_PKRU)

/* The same on every processor, found on the first. */
static RO_AFTER_INIT uint64_t supported; /* XCR0 bits; 0: no XSAVE */

static uint64_t xgetbv0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void xsetbv0(uint64_t value)
{
    COUNT(xsetbv);
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

/*
 * Between these the kernel may execute FPU instructions. XSAVE and its kind are turned off for the
 * rest of the time: CR0.TS does not keep user code from XGETBV, which would tell it XCR0 and the
 * parts in use of another's guest.
 */
struct control {
    uint64_t cr0, cr4;
};

static struct control fpu_begin(void)
{
    const struct control before = {read_cr0(), read_cr4()};

    __asm__ volatile("clts");
    if (supported) {
        write_cr4(before.cr4 | CR4_OSXSAVE);
    }
    return before;
}

static void fpu_end(struct control before)
{
    if (supported) {
        write_cr4(before.cr4);
    }
    write_cr0(before.cr0);
}

/* What a guest may have of all that the CPU supports; it has to fit into our area (SDM vol 1,
 * 13.5: a component's size and offset). */
static void find_supported(void)
{
    struct cpuid leaf = cpuid(CPUID_XSAVE, 0);

    supported = ((uint64_t)leaf.edx << 32 | leaf.eax) & XCR0_KNOWN;
    for (uint32_t component = 2; component < 64; component++) {
        struct cpuid part = cpuid(CPUID_XSAVE, component);

        if ((supported >> component & 1) && part.eax + part.ebx > FPU_AREA_SIZE) {
            refuse("the CPU's XSAVE area does not end before %u bytes", part.eax + part.ebx);
        }
    }
}

void fpu_enable(void)
{
    bool has_xsave = (cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE) != 0;

    write_cr4(read_cr4() | CR4_OSFXSR);
    if (has_xsave && supported == 0) { /* the boot processor: later it is read-only */
        find_supported();
    }
}

/* FCW and MXCSR after reset; XSTATE_BV = 0 would mean the same for XRSTOR, but FXRSTOR reads them
 * (SDM vol 1, 10.5.1 and 13.6). */
void fpu_init(struct fpu *fpu)
{
    *(uint16_t *)&fpu->area[0] = 0x037f;
    *(uint32_t *)&fpu->area[24] = 0x1f80;
    fpu->xcr0 = XCR0_X87;
}

void fpu_reset(struct fpu *fpu, uint64_t dr[4])
{
    memory_set(fpu, 0, sizeof(*fpu));
    fpu_init(fpu);
    fpu_load(fpu);
    memory_set(dr, 0, 4 * sizeof(*dr));
    debug_registers_load(dr);
}

void fpu_save(struct fpu *fpu)
{
    const struct control before = fpu_begin();

    COUNT(xsave);
    if (supported) {
        fpu->xcr0 = xgetbv0();
        xsetbv0(supported);
        __asm__ volatile("xsave64 %0"
                         : "+m"(*fpu->area)
                         : "a"((uint32_t)supported), "d"((uint32_t)(supported >> 32))
                         : "memory");
    } else {
        __asm__ volatile("fxsave64 %0" : "+m"(*fpu->area) : : "memory");
    }
    fpu_end(before);
}

void fpu_load(const struct fpu *fpu)
{
    const struct control before = fpu_begin();

    COUNT(xsave);
    if (supported) {
        xsetbv0(supported);
        __asm__ volatile("xrstor64 %0"
                         :
                         : "m"(*fpu->area), "a"((uint32_t)supported),
                           "d"((uint32_t)(supported >> 32))
                         : "memory");
        xsetbv0(fpu->xcr0);
    } else {
        __asm__ volatile("fxrstor64 %0" : : "m"(*fpu->area) : "memory");
    }
    fpu_end(before);
}

uint64_t fpu_xcr0(void)
{
    if (!supported) {
        return 0;
    }
    const struct control before = fpu_begin();
    uint64_t xcr0 = xgetbv0();

    fpu_end(before);
    return xcr0;
}

bool fpu_xcr0_valid(uint64_t xcr0)
{
    uint64_t avx512 = xcr0 & XCR0_AVX512, mpx = xcr0 & XCR0_MPX;

    return (xcr0 & ~supported) == 0 && (xcr0 & XCR0_X87) != 0 &&
           !((xcr0 & XCR0_AVX) && !(xcr0 & XCR0_SSE)) && (mpx == 0 || mpx == XCR0_MPX) &&
           (avx512 == 0 || (avx512 == XCR0_AVX512 && (xcr0 & XCR0_AVX)));
}

void fpu_set_xcr0(uint64_t xcr0)
{
    const struct control before = fpu_begin();

    xsetbv0(xcr0);
    fpu_end(before);
}
