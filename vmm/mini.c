/* SPDX-License-Identifier: Apache-2.0 */
#include "mini.h"

#include "lib/string.h"

const char *mini_load(const struct guest_ram *ram, struct boot_image image, const char *cmdline,
                      struct boot_entry *entry)
{
    uint64_t length = string_length(cmdline, BOOT_CMDLINE_MAX);
    void *image_to = guest_ram_at(ram, BOOT_HIGH_RAM, image.size);
    void *cmdline_to = guest_ram_at(ram, BOOT_CMDLINE, length + 1);

    if (ram->gpa != 0 || image.size == 0) {
        return "there is no image of the guest";
    }
    if (!image_to) {
        return "the guest's image does not fit into the VM's memory";
    }
    if (!cmdline_to || length == BOOT_CMDLINE_MAX) {
        return "the command line is too long";
    }
    boot_build_tables(ram);
    __builtin_memcpy(cmdline_to, cmdline, length + 1);
    __builtin_memcpy(image_to, image.data, image.size);
    *entry = (struct boot_entry){ .rip = BOOT_HIGH_RAM,
                                  .rsp = BOOT_STACK_TOP,
                                  .rsi = BOOT_CMDLINE };
    return NULL;
}
