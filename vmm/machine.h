/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The machine that the guest sees beside its processor: RAM, buses, devices and the clock, made
 * according to struct vm_config. Knows neither the kernel nor the vCPU, so the host tests run it
 * as it is.
 */
#include "abi/config.h"
#include "abi/info.h"
#include "boot.h"
#include "bus.h"
#include "clock.h"
#include "console.h"
#include "dev/exit.h"
#include "dev/kbd.h"
#include "dev/pci.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/reset.h"
#include "dev/rtc.h"
#include "dev/uart.h"

/* Memory outside the RAM that other partitions have too, in the same or in another place. */
struct shared_memory {
    const char *name;
    struct guest_ram range; /* whole pages */
    bool writable;          /* otherwise a write is the end of the VM */
    struct machine *machine; /* filled by machine_init */
};

/* What a machine is made from. */
struct machine_setup {
    const struct vm_config *config;
    struct guest_ram ram; /* at guest-physical 0, zero */
    struct shared_memory shared[PARTITION_PORTS_MAX];
    unsigned shared_count;
    struct boot_image kernel;
    struct boot_image initrd;
    tsc_time (*read_tsc)(void);
    uint64_t tsc_khz;
    uint64_t unix_seconds; /* the date now */
};

/* What the guest asked a device for, to be heeded by the run loop. */
enum vm_request {
    VM_GOES_ON,
    VM_RESTART,
    VM_END,
    VM_VIOLATION, /* it wrote to shared memory that it may only read */
};

struct machine {
    struct machine_setup setup;
    struct clock clock;
    struct timer_queue timers;
    struct bus ports;
    struct bus memory;
    struct console console;

    struct pic pic;
    struct pit pit;
    struct uart uart;
    struct rtc rtc;
    struct kbd kbd;
    struct pci pci;
    struct reset reset;
    struct exit_port exit_port;

    enum vm_request request;
    uint64_t end_code; /* of VM_END; of VM_VIOLATION the guest-physical address */
};

/*
 * Makes the machine, powered on. The caller has filled machine->console's channel, notify, wait
 * and owner, and zeroed the rest; the machine stays where it is, as its devices point into it.
 * False: a device does not fit on its bus (a wrong configuration).
 */
bool machine_init(struct machine *machine, const struct machine_setup *setup);

/* RESET: RAM is zeroed, the devices are as after power-on, but clock and date go on. Shared memory
 * is not touched. */
void machine_reset(struct machine *machine);

/* The guest writes to an address: true when that is shared memory that it may only read, which is
 * requested to be its end then. */
bool machine_refuses_write(struct machine *machine, uint64_t gpa);

/* Loads the guest's images. NULL, or what is wrong. */
const char *machine_load(struct machine *machine, struct boot_entry *entry);

/* Lets timers expire and moves bytes between console and UART. Returns when it wants to be
 * called again, in nanoseconds of the VM's clock, or TIME_NEVER. */
uint64_t machine_serve(struct machine *machine);

/* When machine_serve wants to be called, as it stands now. */
static inline uint64_t machine_next(const struct machine *machine)
{
    const struct timer *first = machine->timers.first;

    return first ? first->deadline_ns : TIME_NEVER;
}

/* Has nothing happened for which machine_serve, the PIC or a request would have to be looked at,
 * since machine_serve said `next`? (Time may have passed.) */
static inline bool machine_is_quiet(const struct machine *machine, uint64_t next)
{
    return machine->request == VM_GOES_ON && machine_next(machine) == next &&
           pic_is_quiet(&machine->pic) && console_is_quiet(&machine->console);
}

static inline tsc_time machine_tsc(const struct machine *machine)
{
    return machine->setup.read_tsc();
}

/* The TSC at a time of the VM's clock, not before it; TIME_NEVER gives TSC_NEVER. A time that
 * has passed gives one that has passed or passes at once. */
tsc_time machine_deadline(const struct machine *machine, uint64_t ns);
