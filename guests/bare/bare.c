/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts Linux as a VMM would, with the same memory map and the same little hardware known, but
 * on the machine itself. `make bench` compares the two boots.
 *
 * GRUB's command line is the guest's memory in MiB and then Linux's command line; the modules
 * are the kernel and the initrd. See the kernel's Documentation/x86/boot.rst.
 */
#include <stddef.h>
#include <stdint.h>

enum {
    MULTIBOOT_TAG_END = 0,
    MULTIBOOT_TAG_CMDLINE = 1,
    MULTIBOOT_TAG_MODULE = 3,

    COM1 = 0x3f8,
    COM_LCR = 3, COM_LSR = 5, COM_IER = 1, COM_FCR = 2,
    LSR_THRE = 0x20, LSR_TEMT = 0x40,

    HEADER_MAGIC = 0x53726448,      /* "HdrS" */
    XLF_KERNEL_64 = 1,
    ENTRY_64 = 0x200,               /* the 64-bit entry's offset from the kernel's start */
    LOADER_UNDEFINED = 0xff,
    E820_RAM = 1, E820_RESERVED = 2,

    MIB = 1 << 20,
    LOW_RAM_END = 0x9fc00,          /* the memory map is the one that vmm/linux.c gives */
    VGA_START = 0xa0000,
    BIOS_START = 0xf0000,
};

struct multiboot_tag {
    uint32_t type;
    uint32_t size;
    union {
        char cmdline[8];
        struct { uint32_t start, end; } module;
    };
};

struct setup_header {               /* boot.rst, "Details of Header Fields"; from 0x1f1 */
    uint8_t setup_sects;
    uint16_t root_flags;
    uint32_t syssize;
    uint16_t ram_size, vid_mode, root_dev, boot_flag, jump;
    uint32_t header;
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg, kernel_version;
    uint8_t type_of_loader, loadflags;
    uint16_t setup_move_size;
    uint32_t code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver, ext_loader_type;
    uint32_t cmd_line_ptr, initrd_addr_max, kernel_alignment;
    uint8_t relocatable_kernel, min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size, hardware_subarch;
    uint64_t hardware_subarch_data;
    uint32_t payload_offset, payload_length;
    uint64_t setup_data, pref_address;
    uint32_t init_size, handover_offset, kernel_info_offset;
} __attribute__((packed));

struct e820_entry {
    uint64_t address, size;
    uint32_t type;
} __attribute__((packed));

struct boot_params {                /* the "zero page": zero-page.rst */
    uint8_t before_e820_entries[0x1e8];
    uint8_t e820_entries;
    uint8_t before_header[0x1f1 - 0x1e9];
    struct setup_header header;
    uint8_t before_e820[0x2d0 - 0x1f1 - sizeof(struct setup_header)];
    struct e820_entry e820[128];
    uint8_t rest[0x1000 - 0x2d0 - 128 * sizeof(struct e820_entry)];
} __attribute__((packed));

_Static_assert(offsetof(struct boot_params, header.header) == 0x202, "boot.rst");
_Static_assert(offsetof(struct boot_params, header.init_size) == 0x260, "boot.rst");
_Static_assert(offsetof(struct boot_params, e820) == 0x2d0, "zero-page.rst");
_Static_assert(sizeof(struct boot_params) == 0x1000, "zero-page.rst");

struct range { uintptr_t start, end; };     /* [start, end) */

struct boot { const char *cmdline; struct range kernel, initrd; };

extern char image_end[];

void bare_main(const uint32_t *boot_information);
void enter_linux(uint64_t entry, struct boot_params *params, uint64_t tsc);

static struct boot_params params;
static char linux_cmdline[2048];

static void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static uint64_t read_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* 115200 baud, 8N1, FIFO on, no interrupts. */
static void serial_init(void)
{
    outb(COM1 + COM_IER, 0);
    outb(COM1 + COM_LCR, 0x83);
    outb(COM1, 1);
    outb(COM1 + 1, 0);
    outb(COM1 + COM_LCR, 0x03);
    outb(COM1 + COM_FCR, 0x07);
}

static void print(const char *text)
{
    for (; *text != '\0'; text++) {
        while ((inb(COM1 + COM_LSR) & LSR_THRE) == 0) {
        }
        outb(COM1, (uint8_t)*text);
    }
    while ((inb(COM1 + COM_LSR) & LSR_TEMT) == 0) {
    }
}

static void print_hex(uint64_t value)
{
    char digits[17];
    for (size_t i = 0; i < 16; i++) {
        digits[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    }
    digits[16] = '\0';
    print(digits);
}

__attribute__((noreturn)) static void die(const char *reason)
{
    print("bare: error: ");
    print(reason);
    print("\r\n");
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

/* The ranges may overlap. */
static void move(uintptr_t to, struct range from)
{
    char *target = (char *)to;
    const char *source = (const char *)from.start;
    size_t length = from.end - from.start;

    if (to <= from.start) {
        __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(length) : : "memory");
        return;
    }
    target += length - 1;
    source += length - 1;
    __asm__ volatile("std; rep movsb; cld"
                     : "+D"(target), "+S"(source), "+c"(length) : : "memory");
}

static int overlap(struct range a, struct range b)
{
    return a.start < b.end && b.start < a.end;
}

static struct boot find_modules(const uint32_t *boot_information)
{
    struct boot boot = { .cmdline = "" };
    const char *at = (const char *)boot_information + 8;

    for (;;) {
        const struct multiboot_tag *tag = (const void *)at;
        struct range *module = boot.kernel.end == 0 ? &boot.kernel : &boot.initrd;

        switch (tag->type) {
        case MULTIBOOT_TAG_END:
            return boot;
        case MULTIBOOT_TAG_CMDLINE:
            boot.cmdline = tag->cmdline;
            break;
        case MULTIBOOT_TAG_MODULE:
            *module = (struct range){ tag->module.start, tag->module.end };
            break;
        }
        at += (tag->size + 7) & ~UINT32_C(7);   /* tags are aligned to 8 bytes */
    }
}

/* Takes the number before Linux's own command line off it. Returns it in bytes. */
static uintptr_t take_memory_size(const char **cmdline)
{
    uintptr_t mib = 0;
    while (**cmdline >= '0' && **cmdline <= '9') {
        mib = mib * 10 + (uintptr_t)(*(*cmdline)++ - '0');
    }
    if (**cmdline == ' ') {
        (*cmdline)++;
    }
    return mib * MIB;
}

/* Fills the zero page from the file's header. Returns the part of the file to be loaded. */
static struct range read_header(struct range file)
{
    struct setup_header *header = &params.header;
    uintptr_t field = file.start + offsetof(struct boot_params, header);
    uintptr_t field_end = file.start + 0x202 + *(const uint8_t *)(file.start + 0x201);

    if (field_end > field + sizeof(*header)) {
        field_end = field + sizeof(*header);
    }
    move((uintptr_t)header, (struct range){ field, field_end });
    if (header->header != HEADER_MAGIC || (header->xloadflags & XLF_KERNEL_64) == 0) {
        die("the first module is no 64-bit bzImage");
    }
    header->type_of_loader = LOADER_UNDEFINED;
    return (struct range){ file.start + (header->setup_sects + 1U) * 512, file.end };
}

static void add_e820(uint64_t start, uint64_t end, uint32_t type)
{
    params.e820[params.e820_entries++] =
        (struct e820_entry){ .address = start, .size = end - start, .type = type };
}

static void set_cmdline(const char *cmdline)
{
    for (size_t i = 0; cmdline[i] != '\0' && i < sizeof(linux_cmdline) - 1; i++) {
        linux_cmdline[i] = cmdline[i];
    }
    params.header.cmd_line_ptr = (uint32_t)(uintptr_t)linux_cmdline;
}

void bare_main(const uint32_t *boot_information)
{
    serial_init();
    struct boot boot = find_modules(boot_information);
    uintptr_t memory = take_memory_size(&boot.cmdline);
    struct range code = read_header(boot.kernel);
    struct setup_header *header = &params.header;
    struct range kernel = { header->pref_address, header->pref_address + header->init_size };
    uintptr_t initrd_size = boot.initrd.end - boot.initrd.start;
    struct range initrd = { (memory - initrd_size) & ~(uintptr_t)4095, 0 };
    initrd.end = initrd.start + initrd_size;

    if (kernel.start < (uintptr_t)image_end || overlap(kernel, initrd) || initrd.end > memory) {
        die("the memory is too small");
    }
    /* GRUB puts modules where it likes: the initrd goes first, so it must not hit the kernel. */
    if (overlap(initrd, code)) {
        die("the initrd's place is taken by the kernel's file");
    }
    move(initrd.start, boot.initrd);
    move(kernel.start, code);

    set_cmdline(boot.cmdline);
    header->ramdisk_image = (uint32_t)initrd.start;
    header->ramdisk_size = (uint32_t)initrd_size;
    header->code32_start = (uint32_t)kernel.start;
    add_e820(0, LOW_RAM_END, E820_RAM);
    add_e820(LOW_RAM_END, VGA_START, E820_RESERVED);
    add_e820(BIOS_START, MIB, E820_RESERVED);
    add_e820(MIB, memory, E820_RAM);

    /* The printing itself must not count: announce a time soon to come, and enter then. */
    uint64_t tsc = read_tsc() + 1000000;
    print("bare: entry tsc 0x");
    print_hex(tsc);
    print("\r\n");
    enter_linux(kernel.start + ENTRY_64, &params, tsc);
}
