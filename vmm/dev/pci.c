/* SPDX-License-Identifier: Apache-2.0 */
/* PCI Local Bus Specification 3.0, 3.2.2.3.2: "Software Generation of Configuration
 * Transactions". */
#include "dev/pci.h"

enum {
    CONFIG_ADDRESS = 0,
    RESET_CONTROL = 1,
};

/* Enable bit, bus, device, function and register; the reserved bits read as zero. */
#define ADDRESS_BITS UINT32_C(0x80fffffc)

/* Only a double word reaches the address register; anything narrower passes it by. */
static void access_address(struct pci *pci, struct access *access)
{
    if (access->write) {
        pci->address = (uint32_t)access->value & ADDRESS_BITS;
    } else {
        access->value = pci->address;
    }
}

void pci_access(void *device, struct access *access)
{
    struct pci *pci = device;

    if (access->offset == CONFIG_ADDRESS && access->size == 4) {
        access_address(pci, access);
    } else if (access->offset == RESET_CONTROL && access->size == 1 && pci->byte_1) {
        access->offset = 0;
        pci->byte_1(pci->byte_1_device, access);
    }
}

void pci_init(struct pci *pci, access_fn byte_1, void *byte_1_device)
{
    *pci = (struct pci){ .byte_1 = byte_1, .byte_1_device = byte_1_device };
}
