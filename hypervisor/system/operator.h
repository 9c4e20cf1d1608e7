/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is typed on the board's console: the partitions' bytes, and after Ctrl-\ one key that is
 * for σ0. */
#include <stdbool.h>
#include <stdint.h>

#define OPERATOR_KEY 0x1c /* Ctrl-\ */

enum operator_command {
    OPERATOR_PASS,     /* the byte is a partition's; after Ctrl-\ Ctrl-\ one of them is */
    OPERATOR_NOTHING,  /* the first half */
    OPERATOR_LOG,      /* h: print the health monitor's log */
    OPERATOR_STATE,    /* p: print the partitions */
    OPERATOR_SCHEDULE, /* 0..9: switch to that schedule */
    OPERATOR_HELP,     /* any other */
};

struct operator {
    bool pressed; /* Ctrl-\ came last */
};

enum operator_command operator_type(struct operator *operator, uint8_t byte);
