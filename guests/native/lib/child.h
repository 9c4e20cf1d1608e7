/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Child tasks that run the program's own image, whose data they share. */
#include "native.h"

/* A task with `quota` pages of kernel memory, on the partition's processors and priority, which
 * holds the image at its place; no thread yet. */
int64_t child_make(uint64_t quota, task_id *out);
/* A thread in it, on a stack from the heap that the child gets mapped. It runs `entry`, which must
 * not return; nothing of this library that asks for the calling thread works in it. */
int64_t child_thread(task_id child, void (*entry)(uint64_t argument), uint64_t argument,
                     unsigned priority, thread_id *out);
/* Ends it, if it runs, and gives everything back. */
int64_t child_remove(task_id child);
