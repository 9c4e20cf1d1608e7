/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The processor's protection of the kernel from user code and from itself. */

/* Turns on, for the calling processor, what there is of write protection, SMEP, SMAP, UMIP,
 * global pages and machine checks, and turns the FPU off: only guests compute with it. */
void protection_enable(void);
