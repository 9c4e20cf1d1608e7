/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the loader tells (Multiboot2 specification, 3.6), read once and copied out. Pure. */
#include "abi/info.h"
#include "x86/memory_map.h"

struct framebuffer {
    uint64_t address; /* physical; 0: there is none */
    uint32_t pitch;   /* bytes from line to line */
    uint32_t width, height; /* pixels, or characters if `text` */
    uint8_t bytes_per_pixel; /* 3 or 4 */
    bool text;        /* the VGA's text screen, two bytes per character */
};

struct multiboot {
    struct memory_map memory; /* RAM that firmware and loader do not keep */
    uint32_t module_count;
    struct boot_module module[BOOT_MODULES_MAX];
    struct framebuffer framebuffer;
    uint32_t rsdp; /* offset of the copy of ACPI's root pointer in the information; 0: none */
};

/* Reads `size` bytes of information at `info` (8-byte aligned). Returns NULL, or what is wrong
 * with it as a phrase for the user. Nothing outside the `size` bytes is read, whatever they say. */
const char *multiboot_read(const void *info, size_t size, struct multiboot *out);
