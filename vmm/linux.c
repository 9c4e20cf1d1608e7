/* SPDX-License-Identifier: Apache-2.0 */
#include "linux.h"

#include "lib/string.h"

/* Offsets in the zero page, the setup header's also in the file (boot.rst, "Details of header
 * fields"; "zero-page.rst" for the others). */
enum {
    ZP_EXT_RAMDISK_IMAGE = 0x0c0,
    ZP_EXT_RAMDISK_SIZE = 0x0c4,
    ZP_EXT_CMD_LINE_PTR = 0x0c8,
    ZP_E820_ENTRIES = 0x1e8,
    HDR_SETUP_SECTS = 0x1f1,
    HDR_SYSSIZE = 0x1f4,
    HDR_VID_MODE = 0x1fa,
    HDR_BOOT_FLAG = 0x1fe,
    HDR_JUMP = 0x200, /* its second byte is the header's length behind 0x202 */
    HDR_MAGIC = 0x202,
    HDR_VERSION = 0x206,
    HDR_TYPE_OF_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21c,
    HDR_CMD_LINE_PTR = 0x228,
    HDR_INITRD_ADDR_MAX = 0x22c,
    HDR_KERNEL_ALIGNMENT = 0x230,
    HDR_RELOCATABLE = 0x234,
    HDR_XLOADFLAGS = 0x236,
    HDR_CMDLINE_SIZE = 0x238,
    HDR_PREF_ADDRESS = 0x258,
    HDR_INIT_SIZE = 0x260,
    HDR_LEAST_END = 0x264, /* the header reaches at least here in version 2.12 */
    HDR_MOST_END = 0x290,  /* where the zero page goes on with something else */
    ZP_E820_TABLE = 0x2d0,
};

#define SECTOR 512u
#define BOOT_FLAG 0xaa55u
#define MAGIC_HDRS 0x53726448u
#define VERSION_LEAST 0x020cu /* 2.12: xloadflags */
#define LOADED_HIGH 0x01u
#define XLF_KERNEL_64 0x01u
#define XLF_ABOVE_4G 0x02u
#define LOADER_UNDEFINED 0xffu
#define VID_MODE_NORMAL 0xffffu
#define ENTRY_64 0x200u
#define IDENTITY_END ((uint64_t)BOOT_IDENTITY_GIB << 30)

enum e820_type { E820_RAM = 1, E820_RESERVED = 2 };

struct header {
    uint64_t setup_size; /* bytes of the file before the protected-mode kernel */
    uint64_t header_end; /* offset in the file and in the zero page */
    uint64_t image_size; /* bytes of the protected-mode kernel */
    uint64_t load;       /* guest-physical */
    uint64_t init_size;  /* bytes from `load` that the kernel uses before it reads e820 */
    uint64_t initrd_end; /* first address that the initrd may not touch */
    uint64_t cmdline_size;
};

static uint64_t get(const uint8_t *from, unsigned offset, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)from[offset + i] << (8 * i);
    }
    return value;
}

static void put(uint8_t *to, unsigned offset, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++) {
        to[offset + i] = (uint8_t)(value >> (8 * i));
    }
}

/* Is it a bzImage with a 64-bit entry, and does the file hold what the header claims? */
static const char *check_file(struct boot_image kernel, struct header *header)
{
    const uint8_t *file = kernel.data;

    if (kernel.size < HDR_MOST_END || get(file, HDR_BOOT_FLAG, 2) != BOOT_FLAG ||
        get(file, HDR_MAGIC, 4) != MAGIC_HDRS) {
        return "the kernel is no bzImage";
    }
    if (get(file, HDR_VERSION, 2) < VERSION_LEAST) {
        return "the kernel's boot protocol is older than 2.12";
    }
    if (!(get(file, HDR_LOADFLAGS, 1) & LOADED_HIGH)) {
        return "the kernel is a zImage, not a bzImage";
    }
    if (!(get(file, HDR_XLOADFLAGS, 2) & XLF_KERNEL_64)) {
        return "the kernel has no 64-bit entry";
    }
    header->header_end = HDR_MAGIC + get(file, HDR_JUMP + 1, 1);
    if (header->header_end < HDR_LEAST_END || header->header_end > HDR_MOST_END) {
        return "the kernel's setup header has a wrong length";
    }
    uint64_t sectors = get(file, HDR_SETUP_SECTS, 1);
    header->setup_size = ((sectors ? sectors : 4) + 1) * SECTOR;
    header->image_size = get(file, HDR_SYSSIZE, 4) * 16;
    /* syssize counts paragraphs, rounded up; a signed image has more behind it. */
    if (kernel.size <= header->setup_size ||
        header->image_size > ((kernel.size - header->setup_size + 15) & ~(uint64_t)15)) {
        return "the kernel's file is shorter than its header says";
    }
    if (header->image_size > kernel.size - header->setup_size) {
        header->image_size = kernel.size - header->setup_size;
    }
    return header->image_size <= ENTRY_64 ? "the kernel's file holds no code" : NULL;
}

/* Does the kernel fit into this RAM? Below pref_address even a relocatable kernel cannot run. */
static const char *check_place(const struct guest_ram *ram, struct boot_image kernel,
                               struct header *header)
{
    const uint8_t *file = kernel.data;
    uint64_t alignment = get(file, HDR_KERNEL_ALIGNMENT, 4);

    header->load = get(file, HDR_PREF_ADDRESS, 8);
    header->init_size = get(file, HDR_INIT_SIZE, 4);
    if (header->load < BOOT_HIGH_RAM || header->load >= IDENTITY_END) {
        return "the kernel's preferred address is out of range";
    }
    if (get(file, HDR_RELOCATABLE, 1) &&
        (alignment < PAGE_SIZE || (alignment & (alignment - 1)) ||
         (header->load & (alignment - 1)))) {
        return "the kernel's alignment makes no sense";
    }
    if (header->init_size < header->image_size) {
        return "the kernel's init_size is less than the kernel";
    }
    if (header->load + header->init_size > IDENTITY_END ||
        !guest_ram_at(ram, header->load, header->init_size)) {
        return "the kernel does not fit into the VM's memory";
    }
    return NULL;
}

static const char *check_header(const struct guest_ram *ram, struct boot_image kernel,
                                struct header *header)
{
    const char *error = check_file(kernel, header);
    if (!error) {
        error = check_place(ram, kernel, header);
    }
    if (error) {
        return error;
    }
    header->initrd_end = get(kernel.data, HDR_INITRD_ADDR_MAX, 4) + 1;
    if (get(kernel.data, HDR_XLOADFLAGS, 2) & XLF_ABOVE_4G) {
        header->initrd_end = IDENTITY_END;
    }
    header->cmdline_size = get(kernel.data, HDR_CMDLINE_SIZE, 4);
    return NULL;
}

/* As high as possible, page-aligned, above the kernel. *gpa is 0 without an initrd. */
static const char *load_initrd(const struct guest_ram *ram, const struct header *header,
                               struct boot_image initrd, uint64_t *gpa)
{
    *gpa = 0;
    if (initrd.size == 0) {
        return NULL;
    }
    uint64_t end = header->initrd_end < ram->size ? header->initrd_end : ram->size;
    uint64_t kernel_end = header->load + header->init_size;
    if (initrd.size > end) {
        return "the initrd does not fit into the VM's memory";
    }
    uint64_t start = (end - initrd.size) & ~(PAGE_SIZE - 1);
    void *to = guest_ram_at(ram, start, initrd.size);
    if (!to || start < kernel_end) {
        return "the initrd does not fit into the VM's memory";
    }
    __builtin_memcpy(to, initrd.data, initrd.size);
    *gpa = start;
    return NULL;
}

static const char *load_cmdline(const struct guest_ram *ram, const struct header *header,
                                const char *cmdline)
{
    uint64_t length = string_length(cmdline, BOOT_CMDLINE_MAX);
    char *to = guest_ram_at(ram, BOOT_CMDLINE, length + 1);

    if (!to || length > header->cmdline_size || length == BOOT_CMDLINE_MAX) {
        return "the command line is longer than the kernel takes";
    }
    __builtin_memcpy(to, cmdline, length + 1);
    return NULL;
}

static void put_e820(uint8_t *zero_page, uint64_t base, uint64_t end, enum e820_type type)
{
    unsigned count = zero_page[ZP_E820_ENTRIES];
    unsigned entry = ZP_E820_TABLE + count * 20;

    put(zero_page, entry, 8, base);
    put(zero_page, entry + 8, 8, end - base);
    put(zero_page, entry + 16, 4, type);
    zero_page[ZP_E820_ENTRIES] = (uint8_t)(count + 1);
}

static void fill_zero_page(const struct guest_ram *ram, uint8_t *zero_page,
                           struct boot_image kernel, const struct header *header,
                           uint64_t initrd, uint64_t initrd_size)
{
    __builtin_memset(zero_page, 0, PAGE_SIZE);
    __builtin_memcpy(zero_page + HDR_SETUP_SECTS, kernel.data + HDR_SETUP_SECTS,
                     header->header_end - HDR_SETUP_SECTS);
    put(zero_page, HDR_VID_MODE, 2, VID_MODE_NORMAL);
    put(zero_page, HDR_TYPE_OF_LOADER, 1, LOADER_UNDEFINED);
    put(zero_page, HDR_RAMDISK_IMAGE, 4, (uint32_t)initrd);
    put(zero_page, HDR_RAMDISK_SIZE, 4, (uint32_t)initrd_size);
    put(zero_page, ZP_EXT_RAMDISK_IMAGE, 4, initrd >> 32);
    put(zero_page, ZP_EXT_RAMDISK_SIZE, 4, initrd_size >> 32);
    put(zero_page, HDR_CMD_LINE_PTR, 4, BOOT_CMDLINE);
    put(zero_page, ZP_EXT_CMD_LINE_PTR, 4, 0);

    put_e820(zero_page, 0, BOOT_LOW_RAM_END, E820_RAM);
    put_e820(zero_page, BOOT_LOW_RAM_END, 0xa0000, E820_RESERVED);
    put_e820(zero_page, 0xf0000, BOOT_HIGH_RAM, E820_RESERVED);
    put_e820(zero_page, BOOT_HIGH_RAM, ram->size, E820_RAM);
}

const char *linux_load(const struct guest_ram *ram, struct boot_image kernel,
                       struct boot_image initrd, const char *cmdline, struct boot_entry *entry)
{
    struct header header;
    uint64_t initrd_gpa;
    uint8_t *zero_page = guest_ram_at(ram, BOOT_ZERO_PAGE, PAGE_SIZE);

    if (ram->gpa != 0 || ram->size <= BOOT_HIGH_RAM || !zero_page) {
        return "the VM's memory is too small";
    }
    const char *error = check_header(ram, kernel, &header);
    if (!error) {
        error = load_cmdline(ram, &header, cmdline);
    }
    if (!error) {
        error = load_initrd(ram, &header, initrd, &initrd_gpa);
    }
    if (error) {
        return error;
    }
    boot_build_tables(ram);
    fill_zero_page(ram, zero_page, kernel, &header, initrd_gpa, initrd.size);
    __builtin_memcpy(guest_ram_at(ram, header.load, header.image_size),
                     kernel.data + header.setup_size, header.image_size);
    *entry = (struct boot_entry){ .rip = header.load + ENTRY_64,
                                  .rsp = BOOT_STACK_TOP,
                                  .rsi = BOOT_ZERO_PAGE };
    return NULL;
}
