/* SPDX-License-Identifier: Apache-2.0 */
#include "port.h"

#include "abi/console.h"
#include "clock.h"
#include "events.h"
#include "thread.h"

/* The event goes to the first thread, and to a partner that is there; others look again. */
enum { LOOK_AGAIN_NS = 1000000 };

int64_t port_find(const char *name, struct port *out)
{
    const struct partition_info *info = PARTITION_INFO;

    for (uint32_t i = 0; i < info->port_count && i < PARTITION_PORTS_MAX; i++) {
        if (string_equal(info->port[i].name, name)) {
            out->info = &info->port[i];
            return channel_open(&out->end, out->info, KERNEL_INFO->tsc_khz);
        }
    }
    return STATUS_BAD_ID;
}

int64_t sampling_write(const struct port *port, const void *message, uint32_t length)
{
    return channel_write(&port->end, message, length, clock_now());
}

int64_t sampling_read(const struct port *port, void *message, uint32_t *length, bool *valid)
{
    return channel_read(&port->end, message, length, clock_now(), valid);
}

/* The partner can be another one after each restart. */
static void tell_partner(const struct port *port)
{
    thread_id partner = __atomic_load_n(&port->info->partner, __ATOMIC_RELAXED);

    if (partner) {
        sys_event_signal(partner, EVENT_PORT);
    }
}

/* Something may have changed when this returns true. */
static bool wait_for_partner(tsc_time deadline)
{
    tsc_time now = clock_now(), until = now + clock_ticks(LOOK_AGAIN_NS);

    if (now >= deadline) {
        return false;
    }
    events_wait(thread_is_first() ? EVENT_PORT : 0, until < deadline ? until : deadline);
    return true;
}

int64_t queuing_send(const struct port *port, const void *message, uint32_t length,
                     tsc_time deadline)
{
    for (;;) {
        int64_t status = channel_send(&port->end, message, length, clock_now());

        if (status == STATUS_OK) {
            tell_partner(port);
        }
        if (status != STATUS_BUSY) {
            return status;
        }
        if (!wait_for_partner(deadline)) {
            return STATUS_TIMEOUT;
        }
    }
}

int64_t queuing_receive(const struct port *port, void *message, uint32_t *length,
                        tsc_time deadline)
{
    for (;;) {
        int64_t status = channel_receive(&port->end, message, length);

        if (status == STATUS_OK) {
            tell_partner(port);
        }
        if (status != STATUS_EMPTY) {
            return status;
        }
        if (!wait_for_partner(deadline)) {
            return STATUS_TIMEOUT;
        }
    }
}
