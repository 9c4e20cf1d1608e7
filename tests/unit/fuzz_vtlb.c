/* sources: hypervisor/virt/vtlb.c hypervisor/virt/shadow.c hypervisor/kernel/memory.c hypervisor/lib/walk.c hypervisor/lib/insn.c hypervisor/lib/string.c tests/unit/fake/pager.c */
/* cflags: -Itests/unit/fake */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vTLB against a processor that remembers nothing, with the fuzzer's choice of tables, changes
 * and accesses. A short deterministic run: -runs=20000 -seed=1; for long: -max_total_time=600.
 */
#include "pager.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *bytes;
    size_t left;
    uint64_t noise;
};

/* Two bytes make a choice; behind the end, some that follow from the beginning. */
static uint32_t next(void *context, uint32_t limit)
{
    struct input *in = context;
    uint32_t value;

    if (in->left >= 2) {
        value = in->bytes[0] | (uint32_t)in->bytes[1] << 8;
        in->bytes += 2;
        in->left -= 2;
        in->noise = in->noise * 6364136223846793005UL + value;
    } else {
        in->left = 0;
        in->noise = in->noise * 6364136223846793005UL + 1442695040888963407UL;
        value = (uint32_t)(in->noise >> 33);
    }
    return value % limit;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size, size};

    pager_start(next, &in, next(&in, 2) ? 64 : next(&in, 12));
    for (unsigned rounds = 0; in.left > 0 && rounds < 30; rounds++) {
        pager_round();
    }
    pager_end();
    return 0;
}
