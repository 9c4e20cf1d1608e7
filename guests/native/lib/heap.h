/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The partition's RAM, handed out once and never taken back. */
#include "abi/types.h"

/* Whole pages, `size` rounded up; zero unless the partition was restarted warm. Ends the task when
 * there is no more (CONFIG_..._RAM). */
void *heap_pages(uint64_t size);
/* `align`: a power of two, of at least a page. What lies before it is lost. */
void *heap_aligned(uint64_t size, uint64_t align);
/* Bytes that are left. */
uint64_t heap_left(void);
