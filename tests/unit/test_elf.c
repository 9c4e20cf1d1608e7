/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/lib/elf.c */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/types.h"
#include "lib/elf.h"

#define BASE 0x400000UL
#define LIMIT 0x800000UL

/* The oracle for the layout is the C library's <elf.h>. */
static struct {
    Elf64_Ehdr header;
    Elf64_Phdr segment[2];
    uint8_t rest[3 * PAGE_SIZE];
} file;

static int setup(void **state)
{
    (void)state;
    memset(&file, 0, sizeof(file));
    memcpy(file.header.e_ident, ELFMAG, SELFMAG);
    file.header.e_ident[EI_CLASS] = ELFCLASS64;
    file.header.e_ident[EI_DATA] = ELFDATA2LSB;
    file.header.e_type = ET_EXEC;
    file.header.e_machine = EM_X86_64;
    file.header.e_entry = BASE + 16;
    file.header.e_phoff = sizeof(Elf64_Ehdr);
    file.header.e_phentsize = sizeof(Elf64_Phdr);
    file.header.e_phnum = 2;
    file.segment[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 0,
                                   .p_vaddr = BASE, .p_filesz = 100, .p_memsz = 100};
    file.segment[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W,
                                   .p_offset = PAGE_SIZE, .p_vaddr = BASE + PAGE_SIZE,
                                   .p_filesz = 10, .p_memsz = 5000};
    return 0;
}

static const char *try_read(struct elf *elf)
{
    return elf_read(elf, &file, sizeof(file), sizeof(file), BASE, LIMIT);
}

static void test_reads_segments(void **state)
{
    struct elf elf;

    (void)state;
    assert_null(try_read(&elf));
    assert_int_equal(elf.entry, BASE + 16);
    assert_int_equal(elf.count, 2);
    assert_int_equal(elf.segment[0].rights, MEM_READ | MEM_EXECUTE);
    assert_int_equal(elf.segment[1].rights, MEM_READ | MEM_WRITE);
    assert_int_equal(elf.segment[1].memory_size, 5000);
}

static void test_refuses(void **state)
{
    struct elf elf;

    (void)state;
#define REFUSES(change)                                                                            \
    do {                                                                                           \
        setup(NULL);                                                                               \
        change;                                                                                    \
        assert_non_null(try_read(&elf));                                                           \
    } while (0)
    REFUSES(file.header.e_ident[0] = 0);
    REFUSES(file.header.e_type = ET_DYN);
    REFUSES(file.header.e_machine = EM_386);
    REFUSES(file.header.e_phoff = UINT64_MAX);
    REFUSES(file.header.e_phoff = sizeof(file) - 8);
    REFUSES(file.header.e_phnum = 65535);
    REFUSES(file.header.e_phnum = 0);
    REFUSES(file.header.e_phentsize = 0);
    REFUSES(file.header.e_entry = 0);
    REFUSES(file.segment[0].p_flags = PF_R | PF_W | PF_X);
    REFUSES(file.segment[0].p_offset = UINT64_MAX - 4095);
    REFUSES(file.segment[0].p_filesz = sizeof(file) + 1);
    REFUSES(file.segment[0].p_filesz = 101);
    REFUSES(file.segment[0].p_vaddr = LIMIT);
    REFUSES(file.segment[0].p_vaddr = 0);
    REFUSES(file.segment[0].p_vaddr = BASE + 8);
    REFUSES(file.segment[1].p_memsz = UINT64_MAX - 10);
    setup(NULL);
    assert_non_null(elf_read(&elf, &file, 32, sizeof(file), BASE, LIMIT));
}

static void test_random_bytes_never_lead_out(void **state)
{
    struct elf elf;
    uint8_t *head = malloc(200); /* exactly as large as said: the sanitizer watches */

    (void)state;
    srand(3);
    for (int i = 0; i < 100000; i++) {
        setup(NULL);
        memcpy(head, &file, 200);
        for (int k = 0; k < 3; k++) {
            head[16 + rand() % 160] = (uint8_t)rand();
        }
        if (!elf_read(&elf, head, 200, sizeof(file), BASE, LIMIT)) {
            for (unsigned s = 0; s < elf.count; s++) {
                assert_true(elf.segment[s].address >= BASE);
                assert_true(elf.segment[s].address + elf.segment[s].memory_size <= LIMIT);
                assert_true(elf.segment[s].offset + elf.segment[s].file_size <= sizeof(file));
            }
        }
    }
    free(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reads_segments, setup),
        cmocka_unit_test_setup(test_refuses, setup),
        cmocka_unit_test_setup(test_random_bytes_never_lead_out, setup),
    };
    return cmocka_run_group_tests_name("elf", tests, NULL, NULL);
}
