/* SPDX-License-Identifier: Apache-2.0 */
#include "bus.h"

static uint64_t end_of(const struct bus_range *range)
{
    return range->base + range->size;
}

static bool contains(const struct bus_range *range, uint64_t address, uint64_t size)
{
    uint64_t offset = address - range->base; /* huge when it begins below */

    return offset < range->size && size <= range->size - offset;
}

/* Index of the first range that ends above `address`; bus->ranges when none does. */
static unsigned first_above(const struct bus *bus, uint64_t address)
{
    unsigned low = 0;
    unsigned high = bus->ranges;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (end_of(&bus->range[middle]) > address) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

bool bus_attach(struct bus *bus, struct bus_range range)
{
    if (!range.access || range.size == 0 || range.size > UINT64_MAX - range.base ||
        bus->ranges == BUS_RANGES) {
        return false;
    }

    unsigned place = first_above(bus, range.base);

    if (place < bus->ranges && bus->range[place].base < end_of(&range)) {
        return false;
    }
    for (unsigned i = bus->ranges; i > place; i--) {
        bus->range[i] = bus->range[i - 1];
    }
    bus->range[place] = range;
    bus->ranges++;
    return true;
}

static uint64_t all_ones(const struct access *access)
{
    return UINT64_MAX >> (64 - 8 * access->size);
}

/* ---- Accesses that no device claims ----------------------------------------------------- */

static bool is_new(struct bus *bus, uint64_t address)
{
    for (unsigned i = 0; i < bus->reports; i++) {
        if (bus->reported[i] == address) {
            return false;
        }
    }
    if (bus->reports == BUS_REPORTED) {
        return false;
    }
    bus->reported[bus->reports++] = address;
    return true;
}

static bool access_unclaimed(struct bus *bus, struct access *access)
{
    if (!access->write) {
        access->value = all_ones(access);
    }
    bus->unclaimed_count++;
    if (is_new(bus, access->offset) && bus->unclaimed) {
        bus->unclaimed(bus->owner, access);
    }
    return false;
}

void bus_ignore(void *device, struct access *access)
{
    (void)device;
    (void)access;
}

/* ---- Accesses ---------------------------------------------------------------------------- */

static bool access_device(const struct bus_range *range, struct access *access)
{
    uint64_t address = access->offset;

    if (!access->write) {
        access->value = all_ones(access);
    }
    access->offset = address - range->base;
    range->access(range->device, access);
    access->offset = address;
    return true;
}

struct split {
    struct bus *bus;
    bool claimed;
};

static void access_one_byte(void *device, struct access *byte)
{
    struct split *split = device;

    split->claimed &= bus_access(split->bus, byte);
}

static bool access_split(struct bus *bus, struct access *access)
{
    struct split split = { .bus = bus, .claimed = true };

    access_bytewise(&split, access, access_one_byte);
    return split.claimed;
}

/* Kept apart, so that the way to the device that was hit last needs no stack frame. */
__attribute__((noinline)) static bool access_another(struct bus *bus, struct access *access)
{
    uint64_t address = access->offset;
    unsigned next = first_above(bus, address);
    const struct bus_range *range = &bus->range[next];

    if (next == bus->ranges || (range->base > address && range->base - address >= access->size)) {
        return access_unclaimed(bus, access);
    }
    if (!contains(range, address, access->size)) {
        return access_split(bus, access);
    }
    bus->last = next;
    return access_device(range, access);
}

bool bus_access(struct bus *bus, struct access *access)
{
    const struct bus_range *last = &bus->range[bus->last];

    if (contains(last, access->offset, access->size)) {
        return access_device(last, access);
    }
    return access_another(bus, access);
}
