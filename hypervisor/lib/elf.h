/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Static ELF64 executables for x86-64: what kernel and σ0 need to load one. The image is not
 * trusted; every field is checked before it is used. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX 8

struct elf_segment {
    uint64_t offset;    /* in the file; congruent to address modulo the page size */
    uint64_t address;   /* virtual */
    uint64_t file_size; /* bytes from the file; the rest of the memory is zero */
    uint64_t memory_size;
    unsigned rights;    /* enum memory_rights, never write and execute together */
};

struct elf {
    uint64_t entry;
    unsigned count;
    struct elf_segment segment[ELF_SEGMENTS_MAX];
};

/*
 * Reads the headers. `head` holds the file's first `head_size` bytes, in which the program
 * headers must lie; `file_size` is the whole. Segments must be page-aligned to each other and lie
 * in [base, limit). Returns NULL, or what is wrong.
 */
const char *elf_read(struct elf *elf, const void *head, size_t head_size, uint64_t file_size,
                     uint64_t base, uint64_t limit);
