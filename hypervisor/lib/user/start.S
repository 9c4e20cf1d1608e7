/* SPDX-License-Identifier: Apache-2.0 */
/* Where a user program starts: RDI = the argument of its first thread, RSP = top of its stack. */
    .section .text.start, "ax"
    .globl _start
_start:
    xor     %ebp, %ebp
    and     $-16, %rsp
    call    user_main
    ud2
    .section .note.GNU-stack, "", @progbits
