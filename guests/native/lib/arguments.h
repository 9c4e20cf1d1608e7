/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The text that the configuration gives the partition: words "NAME=NUMBER" and "NAME". */
#include "abi/types.h"

/* Decimal, or hexadecimal with 0x; `otherwise` where there is no such word. */
uint64_t argument_number(const char *name, uint64_t otherwise);
/* Is there the word NAME, or NAME=...? */
bool argument_given(const char *name);
