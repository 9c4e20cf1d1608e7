/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * PCI configuration mechanism #1 with no device behind it: the address register reads back, the
 * data reads all-ones, which means "nothing here".
 */
#include "dev.h"

struct pci {
    uint32_t address;
    /* Chipsets keep the reset control register at byte 1 of the address register, reached by
     * byte accesses. NULL: nobody there. */
    access_fn byte_1;
    void *byte_1_device;
};

void pci_init(struct pci *pci, access_fn byte_1, void *byte_1_device);

/* Ports 0xcf8 to 0xcff. */
void pci_access(void *pci, struct access *access);
