/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The processor's protection of the kernel from user code and from itself. */

/* Turns on, for the calling processor, what there is of write protection, SMEP, SMAP, UMIP,
 * global pages and machine checks, and turns the FPU off: only guests compute with it. */
void protection_enable(void);
/* Chooses the guard of stack frames: before anything else, by a function that never returns. */
void protection_start(void);
