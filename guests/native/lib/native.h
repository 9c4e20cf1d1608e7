/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The library of programs that are a partition themselves: C without a C library, on the system
 * calls of lib/user/syscall.h. A program defines native_main(); its first thread runs it on the
 * partition's priority. The heap stands at VMM_RAM_BASE (lib/heap.h).
 */
#include "abi/info.h"
#include "abi/layout.h"
#include "abi/status.h"
#include "lib/string.h"
#include "lib/user/syscall.h"

#define KERNEL_INFO ((const struct kernel_info *)USER_KERNEL_INFO)
#define PARTITION_INFO ((const struct partition_info *)USER_PARTITION_INFO)

/* The program. When it returns, the task ends with code 0. */
void native_main(void);

/* Ends the task, once σ0 has all that was printed. */
_Noreturn void native_end(uint64_t code);
/* Prints what went wrong, "NAME: what: STATUS_...", and ends with code 1. */
_Noreturn void native_fail(const char *what, int64_t status);
/* Fails unless `status` is STATUS_OK. */
void native_must(const char *what, int64_t status);
/* "OK", "BAD_CALL" and so on. */
const char *status_name(int64_t status);
