/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other side of guests/native/share.c, over memory that the VM shares. The command line is one
 * of these, with guest-physical addresses:
 *
 *   answer REQUEST ANSWER   until the end, each request's sum goes into the answer's second word
 *                           and, inverted, into the last of its 4 MiB
 *   intrude REQUEST MARK    in the middle writes to the request, which it may only read: its end.
 *                           In its next life it finds its mark, counts it up and ends well
 */
#include "guest.h"

#define REQUEST_WORDS 8192u
#define ANSWER_WORDS 0x80000u
#define MIDDLE 10u

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* What a request's first word becomes after `seen`. */
static uint64_t next_request(const uint64_t *request, uint64_t seen)
{
    uint64_t number;

    while ((number = load(request)) == seen) {
        pause();
    }
    return number;
}

static int answer(uint64_t *request, uint64_t *memory)
{
    for (uint64_t number = 0; (number = next_request(request, number)) != UINT64_MAX;) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < REQUEST_WORDS; i++) {
            sum += request[i];
        }
        memory[1] = sum;
        memory[ANSWER_WORDS - 1] = ~sum;
        __atomic_store_n(memory, number, __ATOMIC_RELEASE);
    }
    return 0;
}

static int intrude(uint64_t *request, uint64_t *mark)
{
    if (load(mark) != 0) {
        print("share: what was shared is there in life %lu\n", load(mark) + 1);
        __atomic_store_n(mark, load(mark) + 1, __ATOMIC_RELEASE);
        return 0;
    }
    __atomic_store_n(mark, 1, __ATOMIC_RELEASE);
    while (load(request) < MIDDLE) {
        pause();
    }
    *(volatile uint64_t *)request = 0;
    print("share: the write came back\n");
    return 1;
}

/* The hexadecimal number behind the next 'x', which `text` is moved behind. */
static uint64_t *next_address(const char **text)
{
    uint64_t value = 0;

    while (**text && *(*text)++ != 'x') {
    }
    for (; (**text >= '0' && **text <= '9') || (**text >= 'a' && **text <= 'f'); (*text)++) {
        value = value << 4 | (uint64_t)(**text <= '9' ? **text - '0' : **text - 'a' + 10);
    }
    return (uint64_t *)value;
}

int main(const char *cmdline)
{
    const char *text = cmdline;
    uint64_t *request = next_address(&text), *own = next_address(&text);

    /* Bochs interrupts no guest that never allowed it; nothing can come: the PICs are masked. */
    __asm__ volatile("sti");
    return cmdline[0] == 'a' ? answer(request, own) : intrude(request, own);
}
