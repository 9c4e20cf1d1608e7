/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Errors that the program itself notices (abi/health.h). */
#include "abi/health.h"
#include "native.h"

/* Tells σ0, which may stop or restart the partition on it: then this does not return. DENIED: the
 * caller is not the first thread. BUSY: the one before has not been looked at yet. TIMEOUT. */
int64_t health_raise(enum health_error error, uint64_t detail);
