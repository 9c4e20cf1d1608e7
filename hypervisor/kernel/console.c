/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that only σ0 may make (syscall.c): the board's console and power. */
#include "kernel/calls.h"
#include "kernel/ipc.h"
#include "kernel/log.h"
#include "kernel/task.h"
#include "kernel/virtualization.h"

/* Who is told when something was typed. */
static struct {
    struct thread *thread;
    uint64_t bits;
} listener;

/* a0 = length, a1..a5 = the bytes: the first one goes. */
static void drop_byte(uint64_t arg[6])
{
    arg[0]--;
    for (unsigned i = 1; i < 6; i++) {
        arg[i] = arg[i] >> 8 | (i < 5 ? arg[i + 1] << 56 : 0);
    }
}

struct thread *call_console_write(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg, length = arg[0];

    if (length < 1 || length > 5 * sizeof(uint64_t)) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    if (arch_console_put((char)arg[1])) {
        drop_byte(arg);
    }
    return arg[0] > 0 ? call_again(self) : call_return(self, STATUS_OK);
}

struct thread *call_console_read(struct thread *self)
{
    int byte = arch_console_read();

    if (byte < 0) {
        return call_return(self, STATUS_EMPTY);
    }
    self->arch.frame.arg[0] = (uint64_t)byte;
    return call_return(self, STATUS_OK);
}

struct thread *call_console_listen(struct thread *self)
{
    listener.thread = self;
    listener.bits = self->arch.frame.arg[0];
    return call_return(self, STATUS_OK);
}

void kernel_console_input(struct cpu *cpu)
{
    (void)cpu;
    if (listener.thread) {
        ipc_signal(listener.thread, listener.bits);
    }
}

struct thread *call_machine_end(struct thread *self)
{
    uint64_t how = self->arch.frame.arg[0];

    if (how > MACHINE_RESET) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    virt_end(self->cpu);
    if (how == MACHINE_OFF) {
        log_line("hecht: machine off\n");
        arch_machine_off();
        log_line("hecht: this machine cannot be powered off by software\n");
    } else {
        log_line("hecht: machine reset\n");
        arch_machine_reset();
    }
    arch_machine_stop();
}
