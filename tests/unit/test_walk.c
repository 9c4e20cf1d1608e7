/* sources: hypervisor/lib/walk.c */
/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's address translation: hand-made tables of every kind, then random ones whose answer
 * is known because of how they were made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/walk.h"

#define PG 0x80000001u
#define WP 0x10000u
#define PSE 0x10u
#define PAE 0x20u
#define SMEP 0x100000u
#define SMAP 0x200000u
#define LMA 0x500u
#define NXE 0x800u
#define AC 0x40000u
#define NX 0x8000000000000000u

#define RAM_SIZE 0x10000u

static uint8_t ram[RAM_SIZE];
static unsigned replacements;
static uint64_t refuse_replacement; /* of the entry there */

static bool read_ram(void *context, uint64_t gpa, unsigned size, uint64_t *value)
{
    assert_ptr_equal(context, ram);
    assert_int_equal(gpa % size, 0);
    if (gpa >= RAM_SIZE) {
        return false;
    }
    *value = 0;
    memcpy(value, ram + gpa, size);
    return true;
}

static bool replace_ram(void *context, uint64_t gpa, unsigned size, uint64_t expected,
                        uint64_t desired)
{
    uint64_t now;

    assert_true(read_ram(context, gpa, size, &now));
    assert_int_equal(now, expected);
    assert_int_not_equal(now, desired);
    if (gpa == refuse_replacement) {
        return false;
    }
    memcpy(ram + gpa, &desired, size);
    replacements++;
    return true;
}

static const struct walk_memory reading = { read_ram, NULL, ram };
static const struct walk_memory marking = { read_ram, replace_ram, ram };

static int setup(void **unused)
{
    (void)unused;
    memset(ram, 0, sizeof(ram));
    replacements = 0;
    refuse_replacement = UINT64_MAX;
    return 0;
}

static void put(uint64_t gpa, unsigned size, uint64_t value)
{
    memcpy(ram + gpa, &value, size);
}

static uint64_t get(uint64_t gpa, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, ram + gpa, size);
    return value;
}

static void expect_gpa(const struct walk_registers *registers, uint64_t linear, unsigned access,
                       uint64_t gpa, unsigned shift)
{
    struct walk_result result;

    assert_int_equal(walk(registers, &reading, linear, access, &result), WALK_DONE);
    assert_int_equal(result.gpa, gpa);
    assert_int_equal(result.page_shift, shift);
}

static void expect_fault(const struct walk_registers *registers, uint64_t linear, unsigned access,
                         uint32_t error_code)
{
    struct walk_result result;

    assert_int_equal(walk(registers, &marking, linear, access, &result), WALK_FAULT);
    assert_int_equal(result.error_code, error_code);
    assert_int_equal(replacements, 0);
}

/* ---- By hand ------------------------------------------------------------------------------- */

static void no_paging(void **unused)
{
    (void)unused;
    struct walk_registers off = { .cr0 = 1, .cr3 = 0x123000, .physical_bits = 40 };

    expect_gpa(&off, 0xffff000012345678, WALK_USER | WALK_WRITE, 0x12345678, 12);
}

static void tables_32(void **unused)
{
    (void)unused;
    struct walk_registers r = { .cr0 = PG, .cr3 = 0x1018, .physical_bits = 40 };

    put(0x1000 + 0x3ff * 4, 4, 0x2067);
    put(0x2000 + 0x001 * 4, 4, 0xabcde067);
    expect_gpa(&r, 0xffc01234, WALK_USER | WALK_WRITE | WALK_FETCH, 0xabcde234, 12);
    expect_gpa(&r, 0x5ffc01234, WALK_READ, 0xabcde234, 12); /* the upper half does not count */
    expect_fault(&r, 0xffc02000, WALK_READ, 0);
    expect_fault(&r, 0x00001000, WALK_USER | WALK_WRITE, 6);
    expect_fault(&r, 0x00001000, WALK_FETCH, 0);
    r.cr4 = SMEP;
    expect_fault(&r, 0x00001000, WALK_FETCH, 0x10);
    expect_fault(&r, 0xffc01234, WALK_FETCH, 0x11);
    r.cr4 = 0;

    put(0x1000, 4, 0x00003083); /* PS means nothing before PSE is on */
    put(0x3004, 4, 0x7003);
    expect_gpa(&r, 0x1234, WALK_READ, 0x7234, 12);
    r.cr4 = PSE;
    put(0x1000, 4, 0xffc00083u | 0x5a << 13 | 0x1000 /* PAT */);
    expect_gpa(&r, 0x123456, WALK_WRITE, 0x5affc00000 + 0x123456, 22);
    put(0x1000, 4, 0x00600083); /* bit 21 */
    expect_fault(&r, 0x1234, WALK_WRITE, 0xb);
    r.physical_bits = 36;
    put(0x1000, 4, 0x00400083 | 0xf << 13);
    expect_gpa(&r, 0x1234, WALK_READ, 0xf00401234, 22);
    put(0x1000, 4, 0x00400083 | 0x10 << 13);
    expect_fault(&r, 0x1234, WALK_READ, 9);
}

static void tables_pae(void **unused)
{
    (void)unused;
    struct walk_registers r = { .cr0 = PG, .cr3 = 0x1fe0, .cr4 = PAE, .physical_bits = 40 };

    put(0x1fe0 + 3 * 8, 8, 0x2001);
    put(0x2000 + 0x1ff * 8, 8, 0x3007);
    put(0x3000 + 0x123 * 8, 8, 0xff12345007);
    expect_gpa(&r, 0xfff23456, WALK_USER | WALK_WRITE, 0xff12345456, 12);
    put(0x2000, 8, 0xff00200087);
    expect_gpa(&r, 0xc0012345, WALK_USER | WALK_FETCH, 0xff00212345, 21);
    expect_fault(&r, 0x80000000, WALK_READ, 0);

    put(0x2000, 8, NX | 0x200087);
    expect_fault(&r, 0xc0000000, WALK_READ, 9); /* reserved without NXE */
    r.efer = NXE;
    expect_gpa(&r, 0xc0000000, WALK_READ, 0x200000, 21);
    expect_fault(&r, 0xc0000000, WALK_FETCH | WALK_USER, 0x15);
    put(0x2000, 8, UINT64_C(1) << 62 | 0x200087);
    expect_fault(&r, 0xc0000000, WALK_READ, 9);
    put(0x1fe0 + 3 * 8, 8, 0x2003); /* no rights there */
    expect_fault(&r, 0xfff23456, WALK_READ, 9);
    /* Its accessed bit is reserved, and so it is never set. */
    put(0x1fe0 + 3 * 8, 8, 0x2001);
    struct walk_result result;
    assert_int_equal(walk(&r, &marking, 0xfff23456, WALK_WRITE, &result), WALK_DONE);
    assert_int_equal(get(0x1fe0 + 3 * 8, 8), 0x2001);
    assert_int_equal(get(0x2000 + 0x1ff * 8, 8), 0x3027);
    assert_int_equal(get(0x3000 + 0x123 * 8, 8), 0xff12345067);
}

#define LINEAR 0xffffbb9a78563412u

static struct walk_registers tables_long(void)
{
    put(0x1000 + (LINEAR >> 39 & 511) * 8, 8, 0x7ff0000000002027); /* ignored bits, too */
    put(0x2000 + (LINEAR >> 30 & 511) * 8, 8, 0x3027);
    put(0x3000 + (LINEAR >> 21 & 511) * 8, 8, 0x4027);
    put(0x4000 + (LINEAR >> 12 & 511) * 8, 8, 0xabcd567127);
    return (struct walk_registers){ .cr0 = PG | WP, .cr3 = 0x1018, .cr4 = PAE, .efer = LMA | NXE,
                                    .physical_bits = 40, .gigabyte_pages = true };
}

static void four_levels(void **unused)
{
    (void)unused;
    struct walk_registers r = tables_long();
    struct walk_result result;

    expect_gpa(&r, LINEAR, WALK_USER | WALK_WRITE, 0xabcd567412, 12);
    assert_int_equal(walk(&r, &reading, LINEAR, WALK_WRITE, &result), WALK_DONE);
    assert_int_equal(result.rights, WALK_WRITE | WALK_USER | WALK_FETCH);
    assert_false(result.dirty);
    assert_true(result.global);

    put(0x3000 + (LINEAR >> 21 & 511) * 8, 8, 0xabcde00087);
    expect_gpa(&r, LINEAR, WALK_READ, 0xabcde00000 + (LINEAR & 0x1fffff), 21);
    put(0x3000 + (LINEAR >> 21 & 511) * 8, 8, 0xabcde02087);
    expect_fault(&r, LINEAR, WALK_READ, 9);
    put(0x2000 + (LINEAR >> 30 & 511) * 8, 8, 0xffc0000087);
    expect_gpa(&r, LINEAR, WALK_READ, 0xffc0000000 + (LINEAR & 0x3fffffff), 30);
    r.gigabyte_pages = false;
    expect_fault(&r, LINEAR, WALK_READ, 9);
    put(0x1000 + (LINEAR >> 39 & 511) * 8, 8, 0x2087); /* no pages of 512 GiB */
    expect_fault(&r, LINEAR, WALK_USER, 0xd);
    put(0x1000 + (LINEAR >> 39 & 511) * 8, 8, 0x10000002007);
    expect_fault(&r, LINEAR, WALK_READ, 9);
}

static void refused(void **unused)
{
    (void)unused;
    struct walk_registers r = tables_long();
    struct walk_result result;

    assert_int_equal(walk(&r, &reading, 0x800000000000, 0, &result), WALK_NON_CANONICAL);
    assert_int_equal(walk(&r, &reading, 0xffff7fffffffffff, 0, &result), WALK_NON_CANONICAL);
    assert_int_equal(walk(&r, &reading, 0x7fffffffffff, 0, &result), WALK_FAULT);
    assert_int_equal(walk(&r, &reading, 0xffff800000000000, 0, &result), WALK_FAULT);
    put(0x2000 + (LINEAR >> 30 & 511) * 8, 8, 0x5555557007);
    assert_int_equal(walk(&r, &reading, LINEAR, 0, &result), WALK_UNREADABLE);
    assert_int_equal(result.gpa, 0x5555557000 + (LINEAR >> 21 & 511) * 8);
    r.cr4 |= 0x1000; /* LA57 */
    assert_int_equal(walk(&r, &reading, LINEAR, 0, &result), WALK_UNSUPPORTED);
}

static void accessed_and_dirty(void **unused)
{
    (void)unused;
    struct walk_registers r = tables_long();
    struct walk_result result;
    uint64_t leaf = 0x4000 + (LINEAR >> 12 & 511) * 8;

    assert_int_equal(walk(&r, &marking, LINEAR, WALK_READ, &result), WALK_DONE);
    assert_int_equal(replacements, 0);
    assert_false(result.dirty);
    put(0x3000 + (LINEAR >> 21 & 511) * 8, 8, 0x4007);
    refuse_replacement = leaf;
    assert_int_equal(walk(&r, &marking, LINEAR, WALK_WRITE, &result), WALK_CHANGED);
    assert_int_equal(result.gpa, leaf);
    assert_int_equal(replacements, 1);
    assert_int_equal(get(0x3000 + (LINEAR >> 21 & 511) * 8, 8), 0x4027);
    refuse_replacement = UINT64_MAX;
    assert_int_equal(walk(&r, &marking, LINEAR, WALK_WRITE, &result), WALK_DONE);
    assert_int_equal(replacements, 2);
    assert_int_equal(get(leaf, 8), 0xabcd567167);
    assert_true(result.dirty);
}

/* ---- At random ------------------------------------------------------------------------------ */

static uint64_t random_state;

static uint32_t random_number(void)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(random_state >> 33);
}

static bool chance(unsigned of)
{
    return random_number() % of == 0;
}

static uint64_t random_64(void)
{
    return (uint64_t)random_number() << 40 ^ (uint64_t)random_number() << 20 ^ random_number();
}

/* One translation as it was made up. */
struct sample {
    struct walk_registers registers;
    uint64_t linear, gpa, reserved, place[4];
    unsigned access, levels, absent, bad; /* the levels at which it fails; 9: none */
    unsigned entry_size, shift;
    bool user, writable, executable, pae_top, mark[4];
};

static uint64_t random_bit(uint64_t set)
{
    uint64_t bit;

    do {
        bit = UINT64_C(1) << random_number() % 64;
    } while (!(bit & set));
    return bit;
}

/* What may not be set, table by table of the manual; 0: everything may. */
static uint64_t must_be_zero(const struct sample *s, unsigned shift, bool leaf)
{
    unsigned width = s->registers.physical_bits;
    uint64_t high = ~((UINT64_C(1) << width) - 1); /* M and above */
    bool nx = s->registers.efer & NXE;

    if (s->entry_size == 4) {
        return leaf && shift == 22 ? 0x200000 : 0;
    }
    if (!(s->registers.efer & LMA)) {
        if (shift == 30) {
            return high | 0x1e6;
        }
        return (nx ? high & ~NX : high) | (leaf && shift == 21 ? 0x1fe000 : 0);
    }
    high &= 0xfffffffffffff;
    if (!nx) {
        high |= NX;
    }
    if (shift == 39) {
        return high | 0x80;
    }
    if (shift == 30 && (leaf || !s->registers.gigabyte_pages)) {
        return high | (leaf ? 0x3fffe000 : 0x80);
    }
    return high | (leaf && shift == 21 ? 0x1fe000 : 0);
}

static void make_entry(struct sample *s, unsigned level, unsigned shift, bool leaf,
                       uint64_t address)
{
    uint64_t zero = must_be_zero(s, shift, leaf), entry = address | 1, free_bits = 0xe18;
    bool top = s->pae_top && level == 0;

    if (s->registers.efer & LMA) {
        free_bits |= 0x7ff0000000000000;
    }
    entry |= random_64() & free_bits & ~zero;
    if (!top) {
        bool user = !chance(3), writable = !chance(3), accessed = chance(2);
        entry |= (user ? 4u : 0) | (writable ? 2u : 0) | (accessed ? 0x20u : 0);
        s->user &= user;
        s->writable &= writable;
        bool dirty = chance(2);
        entry |= dirty ? 0x40u : 0; /* ignored in what is no leaf */
        s->mark[level] = !accessed || (leaf && (s->access & WALK_WRITE) && !dirty);
        if (s->entry_size == 8 && (s->registers.efer & NXE) && chance(4)) {
            entry |= NX;
            s->executable = false;
        }
    }
    if (leaf && shift > 12) {
        entry |= 0x80 | (chance(2) ? 0x1000u : 0);
    }
    if (level == s->bad) {
        if (zero) {
            entry |= random_bit(zero);
        } else {
            s->bad = 9;
        }
    }
    if (level == s->absent) {
        entry = random_64() & ~UINT64_C(1);
    }
    put(s->place[level], s->entry_size, entry);
}

static void make_tables(struct sample *s)
{
    bool lma = s->registers.efer & LMA, wide = s->registers.cr4 & PAE;
    unsigned step = wide ? 9 : 10, top = lma ? 39 : wide ? 30 : 22, leaf_shift = 12;

    s->pae_top = wide && !lma;
    s->entry_size = wide ? 8 : 4;
    if (chance(3)) {
        leaf_shift = !wide ? (s->registers.cr4 & PSE ? 22 : 12) : 21;
    } else if (lma && s->registers.gigabyte_pages && chance(3)) {
        leaf_shift = 30;
    }
    s->gpa = (random_64() & ((UINT64_C(1) << (wide ? s->registers.physical_bits : 32)) - 1)) >>
             leaf_shift << leaf_shift;
    uint64_t page = s->gpa;
    if (!wide && leaf_shift == 22) { /* PSE-36 */
        uint64_t high = random_number() & ((1u << (s->registers.physical_bits - 32)) - 1) & 0xff;
        page |= high << 13;
        s->gpa |= high << 32;
    }
    s->gpa |= s->linear & ((UINT64_C(1) << leaf_shift) - 1);
    s->shift = leaf_shift;
    s->user = s->writable = s->executable = true;
    for (unsigned shift = top, level = 0;; shift -= step, level++) {
        uint64_t index = s->linear >> shift & ((1u << step) - 1);
        s->place[level] = 0x1000 * (level + 1) + index * s->entry_size;
        s->levels = level + 1;
        make_entry(s, level, shift, shift == leaf_shift,
                   shift == leaf_shift ? page : 0x1000 * (level + 2));
        if (shift == leaf_shift) {
            return;
        }
    }
}

/* SDM vol 3, 4.6.1, sentence by sentence. */
static bool allowed(const struct sample *s)
{
    const struct walk_registers *r = &s->registers;
    bool write = s->access & WALK_WRITE, fetch = s->access & WALK_FETCH;
    bool implicit = s->access & WALK_IMPLICIT;
    bool smap = r->cr4 & SMAP, smep = r->cr4 & SMEP, ac = (r->rflags & AC) && !implicit;

    if ((s->access & WALK_USER) && !implicit) { /* user-mode access */
        if (!s->user) {
            return false;
        }
        return fetch ? s->executable : !write || s->writable;
    }
    if (!s->user) { /* supervisor-mode address */
        return fetch ? s->executable : !write || s->writable || !(r->cr0 & WP);
    }
    if (fetch) {
        return !smep && s->executable;
    }
    return (!smap || ac) && (!write || s->writable || !(r->cr0 & WP));
}

static struct sample make_sample(void)
{
    static const unsigned accesses[] = { WALK_READ, WALK_WRITE, WALK_FETCH,
                                         WALK_READ | WALK_IMPLICIT, WALK_WRITE | WALK_IMPLICIT };
    static const uint8_t widths[] = { 32, 36, 39, 40, 46, 51 };
    struct sample s = { .absent = chance(5) ? random_number() % 4 : 9,
                        .bad = chance(4) ? random_number() % 4 : 9 };
    uint64_t cr4_of_mode[] = { 0, PSE, PAE, PAE };
    unsigned mode = random_number() % 4;

    s.registers = (struct walk_registers){
        .cr0 = PG | (chance(2) ? WP : 0),
        .cr3 = 0x1000 | (mode == 2 ? 0 : random_number() & 0x18),
        .cr4 = cr4_of_mode[mode] | (chance(2) ? SMEP : 0) | (chance(2) ? SMAP : 0),
        .efer = (mode == 3 ? LMA : 0) | (chance(3) ? 0 : NXE),
        .rflags = chance(2) ? AC : 0,
        .physical_bits = widths[random_number() % sizeof(widths)],
        .gigabyte_pages = chance(2),
    };
    s.access = accesses[random_number() % 5] | (chance(2) ? WALK_USER : 0);
    s.linear = random_64() & (mode == 3 ? 0x7fffffffffff : 0xffffffff);
    if (mode == 3 && chance(2)) {
        s.linear |= 0xffff800000000000;
    }
    make_tables(&s);
    return s;
}

static uint32_t expected_error(const struct sample *s, uint32_t cause)
{
    bool implicit = s->access & WALK_IMPLICIT;
    uint32_t code = cause | (s->access & WALK_WRITE);
    bool fetch_told = (s->registers.cr4 & SMEP) ||
                      ((s->registers.cr4 & PAE) && (s->registers.efer & NXE));

    code |= !implicit ? s->access & WALK_USER : 0;
    return code | (fetch_told ? s->access & WALK_FETCH : 0);
}

static void check_sample(const struct sample *s)
{
    bool absent = s->absent < s->levels && s->absent <= s->bad, bad = s->bad < s->levels;
    struct walk_result result;
    unsigned marks = 0;

    replacements = 0;
    enum walk_status status = walk(&s->registers, &marking, s->linear, s->access, &result);
    if (absent || bad || !allowed(s)) {
        assert_int_equal(status, WALK_FAULT);
        assert_int_equal(result.error_code, expected_error(s, absent ? 0 : bad ? 9 : 1));
        assert_int_equal(replacements, 0);
        return;
    }
    assert_int_equal(status, WALK_DONE);
    assert_int_equal(result.gpa, s->gpa);
    assert_int_equal(result.page_shift, s->shift);
    assert_int_equal(result.rights, (s->user ? WALK_USER : 0) | (s->writable ? WALK_WRITE : 0) |
                                        (s->executable ? WALK_FETCH : 0));
    for (unsigned i = 0; i < s->levels; i++) {
        marks += s->mark[i];
    }
    assert_int_equal(replacements, marks);
}

static void random_tables(void **unused)
{
    (void)unused;

    random_state = 1;
    for (unsigned i = 0; i < 300000; i++) {
        struct sample sample = make_sample();
        check_sample(&sample);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(no_paging), TEST(tables_32), TEST(tables_pae),         TEST(four_levels),
        TEST(refused),   TEST(accessed_and_dirty), TEST(random_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
