/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A part of the program that lives in a child task of its own, with a VM of its own if it wants
 * one, and gives everything back when it ends: that is checked to the page.
 */
#include "native.h"

struct life {
    void (*run)(uint64_t argument); /* it must not return, and end with sys_task_end */
    uint64_t argument;
    uint64_t quota;                 /* pages of kernel memory, without those for the image */
    uint64_t memory, size;          /* of the heap, which it shares with the program */
};

/*
 * Runs it to its end → its code. It shares the program's image with its data, holds `memory` at
 * its place and what the arguments name:
 *   port=N    an I/O port and the three behind it
 *   irq=N     an interrupt line, and line=N another
 * Nothing of this library that waits, prints or asks for the calling thread works in it. The
 * program ends with an error if it fails, or kernel memory is missing afterwards. Only the first
 * thread calls this.
 */
uint64_t life_run(const struct life *life);
/* Pages of kernel memory that the caller's task uses. */
uint64_t life_pages(void);
