/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Events of the calling thread that it has got, but not looked at yet. */
#include "native.h"

/* Waits until one of `bits` is there → those of them that are, which are pending no more;
 * 0: `deadline` has passed, or something else came. A thread that waits this way serves no calls:
 * a message that arrives is lost. */
uint64_t events_wait(uint64_t bits, tsc_time deadline);
