/* SPDX-License-Identifier: Apache-2.0 */
#include "operator.h"

enum operator_command operator_type(struct operator *operator, uint8_t byte)
{
    bool pressed = operator->pressed;

    operator->pressed = !pressed && byte == OPERATOR_KEY;
    if (operator->pressed) {
        return OPERATOR_NOTHING;
    }
    if (!pressed || byte == OPERATOR_KEY) {
        return OPERATOR_PASS;
    }
    switch (byte) {
    case 'h':
        return OPERATOR_LOG;
    case 'p':
        return OPERATOR_STATE;
    case '0' ... '9':
        return OPERATOR_SCHEDULE;
    default:
        return OPERATOR_HELP;
    }
}
