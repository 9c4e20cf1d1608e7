/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/acpi.h"

#include "lib/string.h"
#include "x86/boot_map.h"

struct acpi_info acpi_info = {.cpu_count = 1};

/* System description table header (ACPI 6.5, 5.2.6). */
enum { HEADER_LENGTH = 4, HEADER_SIZE = 36 };

#define TABLE_MAX BOOT_MAP_SIZE

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static uint64_t get64(const uint8_t *at)
{
    return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static bool sums_to_zero(const uint8_t *bytes, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return sum == 0;
}

/* ---- MADT (ACPI 6.5, 5.2.12) ----------------------------------------------------------------- */

enum {
    MADT_ENTRIES = 44,
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_X2APIC = 9,
    LAPIC_ENABLED = 1,
    ISA_LINES = 16,
};

/* A table may name a processor twice, by both kinds of entries (5.2.12.12). */
static void add_cpu(struct acpi_info *info, uint32_t apic_id, uint32_t flags)
{
    for (uint32_t i = 0; i < info->cpu_count; i++) {
        if (info->apic_id[i] == apic_id) {
            return;
        }
    }
    if ((flags & LAPIC_ENABLED) && info->cpu_count < ACPI_CPU_MAX) {
        info->apic_id[info->cpu_count++] = apic_id;
    }
}

static void add_ioapic(struct acpi_info *info, const uint8_t *entry)
{
    if (info->ioapic_count < ACPI_IOAPIC_MAX) {
        info->ioapic[info->ioapic_count++] =
            (struct acpi_ioapic){.address = get32(entry + 4), .gsi_base = get32(entry + 8)};
    }
}

/* Flags: bits 1..0 polarity (3: low), bits 3..2 trigger (3: level); 0 is the bus's own, which for
 * ISA is edge and high (table 5.25). */
static void add_override(struct acpi_info *info, const uint8_t *entry)
{
    uint16_t flags = get16(entry + 8);

    if (info->override_count < ACPI_OVERRIDE_MAX) {
        info->override[info->override_count].isa = entry[3];
        info->override[info->override_count].irq = (struct acpi_irq){
            .gsi = get32(entry + 4), .active_low = (flags & 3) == 3, .level = (flags >> 2 & 3) == 3};
        info->override_count++;
    }
}

static void read_madt_entry(struct acpi_info *info, const uint8_t *entry, uint8_t length)
{
    if (entry[0] == MADT_LAPIC && length >= 8) {
        add_cpu(info, entry[3], get32(entry + 4));
    } else if (entry[0] == MADT_X2APIC && length >= 16) {
        add_cpu(info, get32(entry + 4), get32(entry + 8));
    } else if (entry[0] == MADT_IOAPIC && length >= 12) {
        add_ioapic(info, entry);
    } else if (entry[0] == MADT_OVERRIDE && length >= 10) {
        add_override(info, entry);
    }
}

void acpi_read_madt(struct acpi_info *info, const uint8_t *table, size_t size)
{
    if (size < MADT_ENTRIES) {
        return;
    }
    info->cpu_count = 0;
    for (size_t at = MADT_ENTRIES; at + 2 <= size;) {
        uint8_t length = table[at + 1];

        if (length < 2 || length > size - at) {
            break;
        }
        read_madt_entry(info, table + at, length);
        at += length;
    }
    if (info->cpu_count == 0) {
        info->cpu_count = 1; /* this one, whatever the table says */
    }
}

/* ---- FADT (ACPI 6.5, 5.2.9) -------------------------------------------------------------------- */

enum {
    FADT_DSDT = 40,
    FADT_PM1A_CONTROL = 64,
    FADT_PM1B_CONTROL = 68,
    FADT_FLAGS = 112,
    FADT_RESET_REGISTER = 116, /* generic address: space, width, offset, size, address */
    FADT_RESET_VALUE = 128,
    FADT_X_DSDT = 140,
    FADT_FLAG_RESET = 1 << 10,
    SPACE_IO = 1,
};

uint64_t acpi_read_fadt(struct acpi_info *info, const uint8_t *table, size_t size)
{
    if (size < FADT_PM1B_CONTROL + 4) {
        return 0;
    }
    info->pm1a_control = get16(table + FADT_PM1A_CONTROL);
    info->pm1b_control = get16(table + FADT_PM1B_CONTROL);
    if (size > FADT_RESET_VALUE && (get32(table + FADT_FLAGS) & FADT_FLAG_RESET) &&
        table[FADT_RESET_REGISTER] == SPACE_IO) {
        info->reset_port = get16(table + FADT_RESET_REGISTER + 4);
        info->reset_value = table[FADT_RESET_VALUE];
    }
    uint64_t wide = size >= FADT_X_DSDT + 8 ? get64(table + FADT_X_DSDT) : 0;

    return wide ? wide : get32(table + FADT_DSDT);
}

/* ---- \_S5 (ACPI 6.5, 7.4.2) ----------------------------------------------------------------------- */

enum { AML_NAME = 0x08, AML_PACKAGE = 0x12, AML_BYTE = 0x0a };

/* An integer of a package: ZeroOp, OneOp or a byte (20.2.3); returns bytes used, 0 for none. */
static size_t read_aml_byte(const uint8_t *at, size_t room, uint8_t *value)
{
    if (room >= 1 && at[0] <= 1) {
        *value = at[0];
        return 1;
    }
    if (room >= 2 && at[0] == AML_BYTE) {
        *value = at[1];
        return 2;
    }
    return 0;
}

/* At `at`: PackageOp, PkgLength, element count, SLP_TYPa, SLP_TYPb. */
static bool read_s5_package(struct acpi_info *info, const uint8_t *at, size_t room)
{
    if (room < 4 || at[0] != AML_PACKAGE) {
        return false;
    }
    size_t skip = 1 + 1 + (size_t)(at[1] >> 6) + 1; /* PkgLength's lead byte counts its followers */

    if (skip >= room) {
        return false;
    }
    size_t used = read_aml_byte(at + skip, room - skip, &info->s5_type_a);

    return used != 0 &&
           read_aml_byte(at + skip + used, room - skip - used, &info->s5_type_b) != 0;
}

/* A name's definition is NameOp followed by its path; finding the bytes is enough for a name
 * that the specification reserves. */
void acpi_read_dsdt(struct acpi_info *info, const uint8_t *table, size_t size)
{
    for (size_t at = HEADER_SIZE; at + 5 <= size; at++) {
        bool defined = table[at - 1] == AML_NAME ||
                       (table[at - 1] == '\\' && table[at - 2] == AML_NAME);

        if (memory_equal(table + at, "_S5_", 4) && defined &&
            read_s5_package(info, table + at + 4, size - at - 4)) {
            info->can_power_off = info->pm1a_control != 0;
            return;
        }
    }
}

/* ---- Finding them ---------------------------------------------------------------------------- */

enum {
    RSDP_SIZE = 20,
    RSDP_SIZE_2 = 36,
    RSDP_REVISION = 15,
    RSDP_RSDT = 16,
    RSDP_XSDT = 24,
};

/* Maps a table whole, or returns NULL; *size is its length. */
static const uint8_t *map_table(uint64_t physical, size_t *size)
{
    const uint8_t *header = physical ? x86_map_boot(physical, HEADER_SIZE) : NULL;

    if (!header) {
        return NULL;
    }
    *size = get32(header + HEADER_LENGTH);
    if (*size < HEADER_SIZE || *size > TABLE_MAX) {
        return NULL;
    }
    const uint8_t *table = x86_map_boot(physical, *size);

    return table && sums_to_zero(table, *size) ? table : NULL;
}

static void read_table(uint64_t physical)
{
    size_t size;
    const uint8_t *table = map_table(physical, &size);

    if (!table) {
        return;
    }
    if (memory_equal(table, "APIC", 4)) {
        acpi_read_madt(&acpi_info, table, size);
    } else if (memory_equal(table, "FACP", 4)) {
        uint64_t dsdt = acpi_read_fadt(&acpi_info, table, size);

        table = map_table(dsdt, &size);
        if (table && memory_equal(table, "DSDT", 4)) {
            acpi_read_dsdt(&acpi_info, table, size);
        }
    }
}

/* The root table's entries; it is mapped again for each, as one window is all there is. False:
 * it is no table. */
static bool read_root(uint64_t physical, unsigned entry_size)
{
    size_t size;
    const uint8_t *root = map_table(physical, &size);

    if (!root) {
        return false;
    }
    for (size_t at = HEADER_SIZE; root && at + entry_size <= size; at += entry_size) {
        read_table(entry_size == 8 ? get64(root + at) : get32(root + at));
        root = map_table(physical, &size);
    }
    return true;
}

static bool is_rsdp(const uint8_t *at)
{
    return memory_equal(at, "RSD PTR ", 8) && sums_to_zero(at, RSDP_SIZE);
}

/* Where a BIOS puts it (ACPI 6.5, 5.2.5.1): first KiB of the extended data area, ROM area. */
static uint64_t search_rsdp(uint64_t base, size_t size)
{
    const uint8_t *area = x86_map_boot(base, size);

    for (size_t at = 0; area && at + RSDP_SIZE <= size; at += 16) {
        if (is_rsdp(area + at)) {
            return base + at;
        }
    }
    return 0;
}

bool acpi_init(uint64_t rsdp)
{
    if (rsdp == 0) {
        const uint8_t *segment = x86_map_boot(0x40e, 2);
        uint64_t ebda = segment ? (uint64_t)get16(segment) << 4 : 0;

        rsdp = ebda >= 0x80000 && ebda < 0xa0000 ? search_rsdp(ebda, 1024) : 0;
        rsdp = rsdp ? rsdp : search_rsdp(0xe0000, 0x20000);
    }
    const uint8_t *root = rsdp ? x86_map_boot(rsdp, RSDP_SIZE) : NULL;

    if (!root || !is_rsdp(root)) {
        return false;
    }
    uint64_t rsdt = get32(root + RSDP_RSDT), xsdt = 0;

    if (root[RSDP_REVISION] >= 2) {
        root = x86_map_boot(rsdp, RSDP_SIZE_2);
        xsdt = root && sums_to_zero(root, RSDP_SIZE_2) ? get64(root + RSDP_XSDT) : 0;
    }
    return (xsdt && read_root(xsdt, 8)) || read_root(rsdt, 4);
}

struct acpi_irq acpi_isa_irq(uint8_t isa)
{
    for (unsigned i = 0; i < acpi_info.override_count; i++) {
        if (acpi_info.override[i].isa == isa) {
            return acpi_info.override[i].irq;
        }
    }
    return (struct acpi_irq){.gsi = isa};
}

struct acpi_irq acpi_line(uint32_t gsi)
{
    bool isa = gsi < ISA_LINES;

    for (unsigned i = 0; i < acpi_info.override_count; i++) {
        if (acpi_info.override[i].irq.gsi == gsi) {
            return acpi_info.override[i].irq;
        }
    }
    return (struct acpi_irq){.gsi = gsi, .level = !isa, .active_low = !isa};
}
