/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

bool stream_find(const char *name, struct port *out)
{
    if (port_find(name, out) != STATUS_OK) {
        return false;
    }
    if (out->info->message_size < 8 || out->info->message_size > STREAM_WORDS * 8) {
        native_fail("the size of its messages", STATUS_BAD_ARGUMENT);
    }
    return true;
}

static uint64_t word(uint64_t n, uint32_t place)
{
    return (n + place) * 0x9e3779b97f4a7c15UL;
}

uint32_t stream_fill(uint64_t *buffer, const struct port *port, uint64_t n)
{
    uint32_t words = 1 + (uint32_t)n % (port->info->message_size / 8);

    buffer[0] = n;
    for (uint32_t i = 1; i < words; i++) {
        buffer[i] = word(n, i);
    }
    return words * 8;
}

uint64_t stream_check(const uint64_t *buffer, uint32_t length)
{
    if (length == 0 || length % 8 != 0 || length > STREAM_WORDS * 8) {
        return 0;
    }
    for (uint32_t i = 1; i < length / 8; i++) {
        if (buffer[i] != word(buffer[0], i)) {
            return 0;
        }
    }
    return buffer[0];
}
