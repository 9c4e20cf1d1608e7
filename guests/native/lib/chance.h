/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Chance that can be repeated: the argument "seed=N" (1) decides about all of it. */
#include "abi/types.h"

void chance_init(void);
uint64_t any(void);
/* 0 .. limit - 1 */
uint64_t below(uint64_t limit);
bool once_in(uint64_t n);
/* What breaks programs: limits, addresses of other things, small and large numbers. */
uint64_t wild(void);
