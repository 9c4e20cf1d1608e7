/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* DR0 to DR3, which no entry switches. */
#include <stdint.h>

static inline void debug_registers_save(uint64_t dr[4])
{
    __asm__ volatile("mov %%db0, %0\n\tmov %%db1, %1\n\tmov %%db2, %2\n\tmov %%db3, %3"
                     : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
}

static inline void debug_registers_load(const uint64_t dr[4])
{
    __asm__ volatile("mov %0, %%db0\n\tmov %1, %%db1\n\tmov %2, %%db2\n\tmov %3, %%db3"
                     :
                     : "r"(dr[0]), "r"(dr[1]), "r"(dr[2]), "r"(dr[3]));
}
