/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/elf.h"

#include "abi/types.h"
#include "lib/string.h"

/* System V ABI, "ELF Header" and "Program Header", 64-bit. */
struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 64, "ELF");

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf_program_header) == 56, "ELF");

enum { ET_EXEC = 2, EM_X86_64 = 62, PT_LOAD = 1, PF_X = 1, PF_W = 2, PF_R = 4 };

static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2 /* 64-bit */, 1 /* little-endian */};

static bool same_ident(const uint8_t *bytes)
{
    for (size_t i = 0; i < sizeof(ident); i++) {
        if (bytes[i] != ident[i]) {
            return false;
        }
    }
    return true;
}

static const char *read_segment(struct elf *elf, const struct elf_program_header *ph,
                                uint64_t file_size, uint64_t base, uint64_t limit)
{
    if (elf->count == ELF_SEGMENTS_MAX) {
        return "too many segments";
    }
    if (ph->filesz > ph->memsz || ph->offset > file_size ||
        ph->filesz > file_size - ph->offset) {
        return "a segment lies outside the file";
    }
    if (ph->vaddr < base || ph->vaddr > limit || ph->memsz > limit - ph->vaddr) {
        return "a segment lies outside the program's address range";
    }
    if (ph->vaddr % PAGE_SIZE != 0 || ph->offset % PAGE_SIZE != 0) {
        return "a segment is not page-aligned";
    }
    if ((ph->flags & PF_W) && (ph->flags & PF_X)) {
        return "a segment is writable and executable";
    }
    elf->segment[elf->count++] = (struct elf_segment){
        .offset = ph->offset,
        .address = ph->vaddr,
        .file_size = ph->filesz,
        .memory_size = ph->memsz,
        .rights = MEM_READ | (ph->flags & PF_W ? MEM_WRITE : 0u) |
                  (ph->flags & PF_X ? MEM_EXECUTE : 0u),
    };
    return NULL;
}

const char *elf_read(struct elf *elf, const void *head, size_t head_size, uint64_t file_size,
                     uint64_t base, uint64_t limit)
{
    struct elf_header header;

    if (head_size < sizeof(header) || file_size < head_size) {
        return "too short for an ELF file";
    }
    memory_copy(&header, head, sizeof(header));
    if (!same_ident(header.ident) || header.type != ET_EXEC || header.machine != EM_X86_64) {
        return "no ELF executable for x86-64";
    }
    if (header.phentsize != sizeof(struct elf_program_header) || header.phoff > head_size ||
        header.phnum > (head_size - header.phoff) / sizeof(struct elf_program_header)) {
        return "program headers out of reach";
    }
    *elf = (struct elf){.entry = header.entry};
    for (unsigned i = 0; i < header.phnum; i++) {
        struct elf_program_header ph;

        memory_copy(&ph, (const uint8_t *)head + header.phoff + i * sizeof(ph), sizeof(ph));
        if (ph.type != PT_LOAD || ph.memsz == 0) {
            continue;
        }
        const char *error = read_segment(elf, &ph, file_size, base, limit);

        if (error) {
            return error;
        }
    }
    if (elf->count == 0 || header.entry < base || header.entry >= limit) {
        return "nothing to run";
    }
    return NULL;
}
