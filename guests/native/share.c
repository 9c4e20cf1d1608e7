/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talks with guests/mini/share.c over shared memory: fills "request", of which the first word is
 * its number, and checks the sum that comes back in "answer". In the middle it waits until another
 * has been at "mark" in its second life, where there is such a memory.
 *
 *   intrude   writes to "request" instead, which it may only read; ends well when restarted
 */
#include "arguments.h"
#include "clock.h"
#include "print.h"
#include "shared.h"

enum { ROUNDS = 20, MIDDLE = 10, REQUEST_WORDS = 8192, ANSWER_WORDS = 0x80000 };

#define LAST_REQUEST UINT64_MAX
#define LOOK_AGAIN_NS 200000u
#define PATIENCE_NS 20000000000UL

static uint64_t *find(const char *name, uint64_t words)
{
    struct shared shared;

    native_must(name, shared_find(name, &shared));
    if (shared.size != words * sizeof(uint64_t)) {
        native_fail("a memory of another size", STATUS_BAD_ARGUMENT);
    }
    return (uint64_t *)shared.memory;
}

static void wait_for(const uint64_t *word, uint64_t wanted)
{
    tsc_time patience = clock_now() + clock_ticks(PATIENCE_NS);

    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != wanted) {
        if (clock_now() > patience) {
            native_fail("a word that does not come", STATUS_TIMEOUT);
        }
        clock_sleep(clock_now() + clock_ticks(LOOK_AGAIN_NS));
    }
}

static void one_round(uint64_t *request, const uint64_t *answer, uint64_t number)
{
    uint64_t sum = number;

    for (unsigned i = 1; i < REQUEST_WORDS; i++) {
        request[i] = number << 32 | i;
        sum += request[i];
    }
    __atomic_store_n(request, number, __ATOMIC_RELEASE);
    wait_for(answer, number);
    if (answer[1] != sum || answer[ANSWER_WORDS - 1] != ~sum || request[0] != number) {
        native_fail("a wrong answer", STATUS_BAD_ARGUMENT);
    }
}

static void intrude(void)
{
    if (PARTITION_INFO->restarts == 0) {
        *(volatile uint64_t *)find("request", REQUEST_WORDS) = 0;
    }
}

void native_main(void)
{
    if (argument_given("intrude")) {
        intrude();
        return;
    }
    uint64_t *request = find("request", REQUEST_WORDS);
    const uint64_t *answer = find("answer", ANSWER_WORDS);
    struct shared mark;

    for (uint64_t number = 1; number <= ROUNDS; number++) {
        one_round(request, answer, number);
        if (number == MIDDLE && shared_find("mark", &mark) == STATUS_OK) {
            wait_for((const uint64_t *)mark.memory, 2);
        }
    }
    __atomic_store_n(request, LAST_REQUEST, __ATOMIC_RELEASE);
    print("share: %u requests answered\n", (unsigned)ROUNDS);
}
