/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads that wait for one, with deadlines in no order, and many tasks below one: what the
 * kernel does about them must not take it long at once. The row of the matrix reads off how long
 * it took (CONFIG_COUNT).
 */
#include "child.h"
#include "clock.h"
#include "print.h"
#include "thread.h"

#define CHILDREN 3u
#define EACH 60u             /* threads; a task may have 64 */
#define CROWD (CHILDREN * EACH)
#define CHILD_QUOTA 400u     /* pages */
#define BELOW 100u           /* tasks */
#define BELOW_QUOTA 8u       /* pages of each */
#define MS 1000000UL
#define EVENT_NEXT (1UL << 8)

/* The children share these. */
static thread_id target, callers[CROWD];
static volatile tsc_time base;       /* of the deadlines */
static volatile bool over;           /* the target shall end */
static volatile uint32_t refused, expired, made;
static struct task_parameters below; /* of the many tasks */

/* ---- Who waits ------------------------------------------------------------------------------ */

static void call(uint64_t number)
{
    static const uint64_t words[4];

    for (;;) {
        sys_ipc_wait(TSC_NEVER);
        /* 7 has no factor in common with the crowd: each deadline once, in no order. */
        tsc_time deadline = base + number * 7 % CROWD * clock_ticks(MS / 100);
        int64_t status = sys_ipc_call(target, deadline, words).status;

        __atomic_add_fetch(status == STATUS_TIMEOUT ? &expired : &refused, 1, __ATOMIC_SEQ_CST);
    }
}

/* ---- For whom ------------------------------------------------------------------------------- */

/* On the lowest priority, until others give it theirs. */
static void be_deaf(uint64_t unused)
{
    (void)unused;
    while (!over) {
    }
}

static void listen(uint64_t unused)
{
    (void)unused;
    while (!over) {
        sys_ipc_wait(clock_now() + clock_ticks(MS));
    }
}

/* All call a new target, whose last moment comes after `wait_ns`. */
static void gather(void (*run)(uint64_t), uint64_t deadlines_ns, uint64_t wait_ns)
{
    const struct thread_setup setup = {
        .run = run, .priority = PRIORITY_MIN, .processor = thread_first_processor()};

    over = false;
    base = clock_now() + clock_ticks(deadlines_ns);
    native_must("a target", thread_start(&setup, &target));
    for (unsigned i = 0; i < CROWD; i++) {
        native_must("the next", sys_event_signal(callers[i], EVENT_NEXT));
    }
    clock_sleep(clock_now() + clock_ticks(wait_ns));
    over = true;
    clock_sleep(clock_now() + clock_ticks(10 * MS));
}

static void make_crowd(void)
{
    static task_id child[CHILDREN];
    unsigned priority = PARTITION_INFO->priority - 1;

    for (unsigned i = 0; i < CROWD; i++) {
        if (i % EACH == 0) {
            native_must("a child", child_make(CHILD_QUOTA, &child[i / EACH]));
        }
        native_must("a caller", child_thread(child[i / EACH], call, i, priority, &callers[i]));
    }
}

/* ---- Tasks ---------------------------------------------------------------------------------- */

static void make_tasks(uint64_t unused)
{
    task_id id;

    (void)unused;
    while (made < BELOW && sys_task_create(&below, &id) == STATUS_OK) {
        made++;
    }
    sys_thread_end();
}

static void end_many_tasks(void)
{
    task_id child;
    thread_id id;

    below = (struct task_parameters){
        .quota = BELOW_QUOTA,
        .processors = PARTITION_INFO->processors,
        .time_partition = PARTITION_INFO->time_partition,
        .priority = PRIORITY_MIN,
    };
    native_must("a child", child_make(BELOW * BELOW_QUOTA + CHILD_QUOTA, &child));
    native_must("its thread",
                child_thread(child, make_tasks, 0, PARTITION_INFO->priority - 1, &id));
    clock_sleep(clock_now() + clock_ticks(10 * MS));
    native_must("removing it", child_remove(child));
}

void native_main(void)
{
    make_crowd();
    gather(be_deaf, 1000 * MS, 10 * MS);
    uint32_t queued = refused;

    gather(listen, 1000 * MS, 10 * MS);
    uint32_t called = refused - queued;

    gather(be_deaf, 5 * MS, 20 * MS);
    print("crowd: %u queued and %u called were refused, %u gave up\n", queued, called, expired);
    end_many_tasks();
    print("crowd: %u tasks below one\n", made);
}
