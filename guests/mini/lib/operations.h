/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The ways out of a guest whose cost is measured, by name. */

struct operation {
    const char *name;
    void (*prepare)(void); /* not measured; NULL: nothing */
    void (*run)(void);
};

/* Ends with a NULL name; the first does nothing. */
extern const struct operation operations[];

/* Interrupts that the operations need. */
void operations_setup(void);
