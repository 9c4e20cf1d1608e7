/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Found before the real one by -iquote: what the kernel shows σ0 stands where a host process has
 * nothing for sure. */
#include_next "abi/layout.h"

#undef USER_KERNEL_INFO
#undef USER_BOOT_INFO
#define USER_KERNEL_INFO 0x0000300000000000UL
#define USER_BOOT_INFO 0x0000300000010000UL
