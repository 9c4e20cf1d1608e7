/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The channels between partitions, shared memory among them: σ0 places their memory, maps it into
 * all ends, and tells each who the other is. */
#include "partition.h"

/* Once: memory for every channel. NULL, or the name of one there can be none of. */
const char *ports_place(void);
/* Maps the channels of a new task and describes them in its information page. */
const char *ports_give(const struct partition *partition);
/* Its first thread is there: it and its partners are told of each other, get the right to signal
 * to each other, and EVENT_PORT to look. */
void ports_connect(const struct partition *partition);
/* It is gone: its partners are told. */
void ports_withdraw(const struct partition *partition);
/* It starts anew: its queues are empty then. */
void ports_reset(const struct partition *partition);
