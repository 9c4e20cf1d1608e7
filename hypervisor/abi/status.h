/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What every system call answers in its status register. A caller's mistake gets one of these;
 * nothing has been changed when it does.
 */
enum status {
    STATUS_OK = 0,
    STATUS_BAD_CALL = -1,     /* no such system call */
    STATUS_BAD_ARGUMENT = -2, /* out of range, unaligned, overflowing or contradictory */
    STATUS_BAD_ID = -3,       /* no such task, thread or vCPU */
    STATUS_DENIED = -4,       /* the caller does not hold that right */
    STATUS_NO_MEMORY = -5,    /* the task's quota of kernel memory is used up */
    STATUS_NO_SLOT = -6,      /* the kernel's table of tasks, threads or VMs is full */
    STATUS_NOT_MAPPED = -7,   /* the caller does not hold (all of) that memory */
    STATUS_EXISTS = -8,       /* the destination is mapped already, or the task has a VM already */
    STATUS_BUSY = -9,         /* the object is not in the state that the call needs */
    STATUS_TIMEOUT = -10,     /* the deadline passed before the partner was there */
    STATUS_EMPTY = -11,       /* nothing to read */
    STATUS_UNSUPPORTED = -12, /* this machine or this image cannot do it */
    STATUS_ELSEWHERE = -13,   /* the partner is bound to another processor: only events go there */
};
