/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/multiboot.h"

#include "lib/string.h"

/* Tags (Multiboot2, 3.6): type and size, then the contents; the next begins 8-byte aligned. */
enum {
    TAG_END = 0,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15,
};

enum { MEMORY_AVAILABLE = 1 };
enum { FRAMEBUFFER_RGB = 1, FRAMEBUFFER_TEXT = 2 };
enum { RSDP_SIZE = 20 };

struct tag {
    uint32_t type, size;
};

struct tag_module {
    struct tag tag;
    uint32_t start, end;
    char command[];
};

struct memory_entry {
    uint64_t base, size;
    uint32_t type, reserved;
};

struct tag_memory_map {
    struct tag tag;
    uint32_t entry_size, entry_version;
};

struct tag_framebuffer {
    struct tag tag;
    uint64_t address;
    uint32_t pitch, width, height;
    uint8_t bits_per_pixel, type;
    uint16_t reserved;
};
_Static_assert(sizeof(struct memory_entry) == 24, "Multiboot2, 3.6.8");
_Static_assert(sizeof(struct tag_framebuffer) == 32, "Multiboot2, 3.6.12");

static const char *read_module(const struct tag *tag, struct multiboot *out)
{
    const struct tag_module *module = (const void *)tag;

    if (tag->size < sizeof(*module)) {
        return "the loader's module list is damaged";
    }
    if (module->end < module->start || module->start % PAGE_SIZE != 0) {
        return "a boot module is not aligned to a page";
    }
    if (out->module_count == BOOT_MODULES_MAX) {
        return "there are too many boot modules";
    }
    struct boot_module *to = &out->module[out->module_count];
    size_t room = tag->size - sizeof(*module), length = 0;

    while (length < room && module->command[length] && module->command[length] != ' ') {
        length++;
    }
    if (length == 0 || length >= BOOT_NAME_MAX) {
        return "a boot module has no name, or one that is too long";
    }
    *to = (struct boot_module){.base = module->start, .size = module->end - module->start};
    memory_copy(to->name, module->command, length);
    out->module_count++;
    return NULL;
}

/* Entries may overlap: what any of them keeps is not ours, so these come off last. */
static const char *read_memory_map(const struct tag *tag, struct multiboot *out)
{
    const struct tag_memory_map *map = (const void *)tag;

    if (tag->size < sizeof(*map) || map->entry_size < sizeof(struct memory_entry) ||
        map->entry_size % 8 != 0) {
        return "the loader's memory map is damaged";
    }
    const uint8_t *entries = (const uint8_t *)(map + 1);
    size_t count = (tag->size - sizeof(*map)) / map->entry_size;

    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count; i++) {
            const struct memory_entry *entry = (const void *)(entries + i * map->entry_size);

            if (pass == 0 && entry->type == MEMORY_AVAILABLE) {
                memory_map_add(&out->memory, entry->base, entry->size);
            } else if (pass == 1 && entry->type != MEMORY_AVAILABLE) {
                memory_map_remove(&out->memory, entry->base, entry->size);
            }
        }
    }
    return NULL;
}

static void read_framebuffer(const struct tag *tag, struct framebuffer *out)
{
    const struct tag_framebuffer *from = (const void *)tag;

    if (tag->size < offsetof(struct tag_framebuffer, reserved)) {
        return;
    }
    bool text = from->type == FRAMEBUFFER_TEXT;
    unsigned bytes = from->bits_per_pixel / 8u;

    /* What we cannot draw on counts as no screen. */
    if (from->width == 0 || from->height == 0 ||
        from->width > 16384 || from->height > 16384 ||
        (!text && (from->type != FRAMEBUFFER_RGB || bytes < 3 || bytes > 4)) ||
        from->pitch < from->width * (text ? 2 : bytes) || from->pitch > 0x100000) {
        return;
    }
    *out = (struct framebuffer){
        .address = from->address,
        .pitch = from->pitch,
        .width = from->width,
        .height = from->height,
        .bytes_per_pixel = (uint8_t)bytes,
        .text = text,
    };
}

static const char *read_tag(const struct tag *tag, uint32_t offset, struct multiboot *out)
{
    switch (tag->type) {
    case TAG_MODULE:
        return read_module(tag, out);
    case TAG_MEMORY_MAP:
        return read_memory_map(tag, out);
    case TAG_FRAMEBUFFER:
        read_framebuffer(tag, &out->framebuffer);
        return NULL;
    case TAG_ACPI_NEW: /* comes behind the old one, and is the better one */
    case TAG_ACPI_OLD:
        if (tag->size >= sizeof(*tag) + RSDP_SIZE &&
            (tag->type == TAG_ACPI_NEW || out->rsdp == 0)) {
            out->rsdp = offset + (uint32_t)sizeof(*tag);
        }
        return NULL;
    default:
        return NULL;
    }
}

const char *multiboot_read(const void *info, size_t size, struct multiboot *out)
{
    memory_set(out, 0, sizeof(*out));
    for (size_t offset = 8; size >= sizeof(struct tag) && offset <= size - sizeof(struct tag);) {
        const struct tag *tag = (const void *)((const uint8_t *)info + offset);

        if (tag->size < sizeof(*tag) || tag->size > size - offset) {
            return "the loader's information is damaged";
        }
        if (tag->type == TAG_END) {
            return out->memory.count ? NULL : "the loader gave no memory map";
        }
        const char *error = read_tag(tag, (uint32_t)offset, out);

        if (error) {
            return error;
        }
        offset += ((size_t)tag->size + 7) & ~(size_t)7;
    }
    return "the loader's information has no end";
}
