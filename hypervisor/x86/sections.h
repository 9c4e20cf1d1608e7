/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where things go in the image; see kernel.lds. */

/* Written during boot, read-only before the first user instruction. */
#define RO_AFTER_INIT __attribute__((section(".ro_after_init")))
