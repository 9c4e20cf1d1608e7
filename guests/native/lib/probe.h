/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Doing what may end in an exception, and going on. */
#include "native.h"

struct probe {
    uint64_t stack;  /* where to go on; written by probe_run */
    unsigned vector; /* of the exception */
    uint64_t address;
};

/* Runs `act` on the calling thread. True: it had an exception, and probe says which. */
bool probe_run(struct probe *probe, void (*act)(uint64_t argument), uint64_t argument);
/* The exception handler's part, in another thread: answers every exception of a thread that is in
 * probe_run with that probe by letting it return, until somebody sends a message, which is
 * returned. */
struct message probe_serve(struct probe *probe);
