/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include "linux.h"
#include "mini.h"

/* ---- Places, as on every PC --------------------------------------------------------------- */

enum { IRQ_PIT = 0, IRQ_UART = 4, IRQ_RTC = 8 };

#define PORT_POST 0x80u
#define PORT_EXIT 0xf4u
#define PORT_UART 0x3f8u

/* ---- What devices ask for ----------------------------------------------------------------- */

static uint64_t now_ns(void *owner)
{
    const struct machine *machine = owner;
    return clock_ns(&machine->clock, machine_tsc(machine));
}

static void request_restart(void *owner)
{
    struct machine *machine = owner;
    machine->request = VM_RESTART;
}

static void request_end(void *owner, uint64_t code)
{
    struct machine *machine = owner;
    machine->request = VM_END;
    machine->end_code = code;
}

static void report_unclaimed(struct machine *machine, const char *bus,
                             const struct access *access)
{
    console_line(&machine->console, "%s %s 0x%lx, %u bytes: no device",
                 access->write ? "write to" : "read from", bus, access->offset, access->size);
}

static void unclaimed_port(void *owner, const struct access *access)
{
    report_unclaimed(owner, "port", access);
}

static void unclaimed_memory(void *owner, const struct access *access)
{
    report_unclaimed(owner, "address", access);
}

/* A wire to the interrupt controller; without one it ends in the air. */
static struct irq_line wire(struct machine *machine, unsigned input)
{
    if (!machine->setup.config->pic) {
        return (struct irq_line){ .set = NULL };
    }
    return (struct irq_line){ .set = pic_set_irq, .controller = &machine->pic, .input = input };
}

/* ---- Shared memory ------------------------------------------------------------------------ */

static void request_violation(struct machine *machine, uint64_t gpa)
{
    machine->request = VM_VIOLATION;
    machine->end_code = gpa;
}

/* The hardware makes the guest's accesses. Here come those of instructions that are emulated,
 * because their other operand is a device, or because they run over the memory's edge. */
static void shared_access(void *device, struct access *access)
{
    struct shared_memory *shared = device;
    uint8_t *place = shared->range.host + access->offset;

    if (!access->write) {
        access->value = 0;
        __builtin_memcpy(&access->value, place, access->size);
    } else if (shared->writable) {
        __builtin_memcpy(place, &access->value, access->size);
    } else {
        request_violation(shared->machine, shared->range.gpa + access->offset);
    }
}

bool machine_refuses_write(struct machine *machine, uint64_t gpa)
{
    for (unsigned i = 0; i < machine->setup.shared_count; i++) {
        const struct shared_memory *shared = &machine->setup.shared[i];

        if (!shared->writable && guest_ram_at(&shared->range, gpa, 1)) {
            request_violation(machine, gpa);
            return true;
        }
    }
    return false;
}

/* ---- The buses ---------------------------------------------------------------------------- */

static bool attach_ports(struct machine *machine)
{
    const struct vm_config *config = machine->setup.config;
    const struct {
        bool present;
        struct bus_range range;
    } devices[] = {
        { config->pic, { "PIC, master", 0x20, 2, pic_master_access, &machine->pic } },
        { config->pic, { "PIC, slave", 0xa0, 2, pic_slave_access, &machine->pic } },
        { config->pic, { "PIC, ELCR", 0x4d0, 2, pic_elcr_access, &machine->pic } },
        { config->pit, { "PIT", 0x40, 4, pit_access, &machine->pit } },
        { config->pit, { "speaker", 0x61, 1, pit_speaker_access, &machine->pit } },
        { config->rtc, { "RTC", 0x70, 2, rtc_access, &machine->rtc } },
        { config->uart, { "UART", PORT_UART, 8, uart_access, &machine->uart } },
        { config->keyboard_controller,
          { "keyboard, data", 0x60, 1, kbd_data_access, &machine->kbd } },
        { config->keyboard_controller,
          { "keyboard, command", 0x64, 1, kbd_command_access, &machine->kbd } },
        { config->keyboard_controller,
          { "port 92", 0x92, 1, reset_port_92_access, &machine->reset } },
        /* With the reset control register at 0xcf9 in it. */
        { config->pci, { "PCI", 0xcf8, 8, pci_access, &machine->pci } },
        /* The port of power-on codes, which systems write to for a delay. */
        { true, { "POST", PORT_POST, 1, bus_ignore, NULL } },
        { config->boot == VM_BOOT_MINI,
          { "exit", PORT_EXIT, 4, exit_port_access, &machine->exit_port } },
    };
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        if (devices[i].present && !bus_attach(&machine->ports, devices[i].range)) {
            return false;
        }
    }
    return true;
}

static bool attach_outside_ram(struct machine *machine, struct bus_range range)
{
    return range.base >= machine->setup.ram.size && bus_attach(&machine->memory, range);
}

static bool attach_memory(struct machine *machine)
{
    uint64_t base = machine->setup.config->uart_mmio;

    for (unsigned i = 0; i < machine->setup.shared_count; i++) {
        struct shared_memory *shared = &machine->setup.shared[i];
        const struct guest_ram *range = &shared->range;

        shared->machine = machine;
        if (!attach_outside_ram(machine, (struct bus_range){ shared->name, range->gpa, range->size,
                                                             shared_access, shared })) {
            return false;
        }
    }
    return base == 0 ||
           attach_outside_ram(machine, (struct bus_range){ "UART", base, 8, uart_access,
                                                           &machine->uart });
}

/* ---- Life --------------------------------------------------------------------------------- */

/* The devices that power-on and reset leave in the same state. */
static void init_chipset(struct machine *machine)
{
    kbd_init(&machine->kbd, request_restart, machine);
    reset_init(&machine->reset, request_restart, machine);
    pci_init(&machine->pci, reset_control_access, &machine->reset);
}

bool machine_init(struct machine *machine, const struct machine_setup *setup)
{
    struct timer_queue *timers = &machine->timers;

    machine->setup = *setup;
    clock_init(&machine->clock, machine_tsc(machine), setup->tsc_khz);
    *timers = (struct timer_queue){ .now_ns = now_ns, .clock = machine };
    machine->console.queue = timers;
    console_init(&machine->console);
    machine->ports = (struct bus){ .unclaimed = unclaimed_port, .owner = machine };
    machine->memory = (struct bus){ .unclaimed = unclaimed_memory, .owner = machine };

    pic_init(&machine->pic);
    pit_init(&machine->pit, timers, wire(machine, IRQ_PIT));
    rtc_init(&machine->rtc, timers, wire(machine, IRQ_RTC), setup->unix_seconds);
    uart_init(&machine->uart, (struct char_sink){ console_put, &machine->console },
              wire(machine, IRQ_UART));
    machine->exit_port = (struct exit_port){ request_end, machine };
    init_chipset(machine);
    return attach_ports(machine) && attach_memory(machine);
}

void machine_reset(struct machine *machine)
{
    const struct guest_ram *ram = &machine->setup.ram;

    pit_reset(&machine->pit);
    rtc_reset(&machine->rtc);
    uart_reset(&machine->uart);
    init_chipset(machine);
    pic_init(&machine->pic); /* last: the lines of the others are low now */
    __builtin_memset(ram->host, 0, ram->size);
    machine->request = VM_GOES_ON;
}

const char *machine_load(struct machine *machine, struct boot_entry *entry)
{
    const struct machine_setup *setup = &machine->setup;

    switch (setup->config->boot) {
    case VM_BOOT_LINUX:
        return linux_load(&setup->ram, setup->kernel, setup->initrd, setup->config->cmdline, entry);
    case VM_BOOT_MINI:
        return mini_load(&setup->ram, setup->kernel, setup->config->cmdline, entry);
    default:
        return "its boot protocol is unknown";
    }
}

/* ---- Service ------------------------------------------------------------------------------ */

static void move_input(struct machine *machine)
{
    uint8_t byte;

    while (uart_can_receive(&machine->uart) && console_peek(&machine->console, &byte)) {
        uart_receive(&machine->uart, byte);
        console_skip(&machine->console);
    }
}

uint64_t machine_serve(struct machine *machine)
{
    const struct timer *first = machine->timers.first;

    if (first && first->deadline_ns <= time_now(&machine->timers)) {
        timer_run(&machine->timers);
    }
    if (machine->setup.config->uart) {
        move_input(machine);
        if (console_drained(&machine->console)) {
            uart_drain(&machine->uart);
        }
    }
    return machine_next(machine);
}

tsc_time machine_deadline(const struct machine *machine, uint64_t ns)
{
    tsc_time now = machine_tsc(machine);
    uint64_t now_on_clock = clock_ns(&machine->clock, now);

    if (ns == TIME_NEVER) {
        return TSC_NEVER;
    }
    if (ns <= now_on_clock) {
        return now;
    }
    uint64_t ticks = clock_ticks(&machine->clock, ns - now_on_clock);
    return ticks > TSC_NEVER - now ? TSC_NEVER : now + ticks;
}
