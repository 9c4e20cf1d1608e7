/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kernel's half of every address space (x86/layout.h): made once at boot, shared by all.
 * Every mapping is either writable or executable, only the image's text is executable, and no
 * physical memory is mapped but the image and the pool.
 */
#include "kernel/arch.h"
#include "x86/layout.h"

/* Of what stands in the image. */
static inline phys_addr image_physical(const void *pointer)
{
    return (phys_addr)pointer - KERNEL_IMAGE_OFFSET;
}

/* Takes the pool at [physical, physical + size), 2 MiB-aligned and below 4 GiB; before this,
 * low memory must be mapped at its physical address. Makes the tables, without using them. */
void kernel_space_init(phys_addr pool, uint64_t size);
/* Runs on the tables from now on; low memory is gone. */
void kernel_space_enter(void);
/* The sealed part of the image (x86/sections.h) becomes read-only. */
void kernel_space_seal(void);
/* The calling processor forgets that it could write there. */
void kernel_space_sealed(void);

/* What boot has not used of the pool. */
void *kernel_space_rest(uint64_t *size);
/* A zeroed frame of the pool, for good. During boot only. */
void *boot_frame(void);

/* A stack, STACK_KERNEL .. of x86/layout.h, that belongs to `cpu`; returns its top. */
uint64_t kernel_stack_make(struct cpu *cpu, unsigned kind);

/* Maps a device's registers or its frame buffer, uncached, for good; `physical` need not be
 * aligned. */
volatile void *map_device(phys_addr physical, uint64_t size);

/* Root table of the kernel alone, physical: for a processor that runs no task. */
phys_addr kernel_space_root(void);
/* Fills the upper half of a task's root table. */
void kernel_space_share(uint64_t *root);
