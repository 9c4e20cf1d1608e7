# SPDX-License-Identifier: Apache-2.0
"""
What the console of a configuration must show, and whether its machine turns itself off: computed
from build/NAME/model.json. What cannot be known (a guest without what it needs, a window too
short for this emulator) is not asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MIB = 1 << 20
WINDOW_LEAST_US = 1000    # on these emulators
SHARE_LEAST = 20          # of processor time: one in so many
SHARE_LEAST_LINUX_BOCHS = 2  # boots in 1,600 million instructions, of some 10 million a second
STREAM_BYTES = (8, 4096)  # of a message of guests/native/lib/stream.h
ACTIONS = {"STOP": "partition stopped", "RESTART_COLD": "cold restart",
           "RESTART_WARM": "warm restart", "LOG": "logged",
           "SWITCH_SCHEDULE": "partition stopped, schedule switched",
           "STOP_MODULE": "module stopped"}
# What guests/native/fail.c does: error, its text.
FAILS = {"exception": ("EXCEPTION", r"exception \(6\)"),
         "violation": ("MEMORY_VIOLATION", r"memory violation \(0x\w+\)"),
         "overflow": ("STACK_OVERFLOW", r"stack overflow \(0x\w+\)"),
         "deadline": ("DEADLINE_MISSED", r"deadline missed \(1000\)"),
         "application": ("APPLICATION", r"application error \(42\)")}

# Programs of tests/system/hostile: the exception that they end with, and what error that is.
HOSTILE = {"cli": (13, "EXCEPTION"), "read": (14, "MEMORY_VIOLATION")}


@dataclass
class Fate:
    """Of one partition. `markers` are patterns, each to be found once or more."""
    markers: list[str] = field(default_factory=list)
    ends: bool = True      # for good
    certain: bool = True   # that the markers come
    stops_all: bool = False
    switches: bool = False
    restarts: bool = False # without end
    code: int | str | None = 0   # what it ends with, if it ends by itself
    error: str = "PARTITION_ENDED"  # what its end is to the health monitor


@dataclass
class Forecast:
    fates: dict[str, Fate]  # by partition
    turns_off: bool | None  # None: cannot be known
    required: list[str]     # markers


def _devices(partition: dict, *wanted: str) -> bool:
    return all(partition["vm"]["devices"][device] for device in wanted)


def _mini(partition: dict) -> Fate:
    vm, name = partition["vm"], re.escape(partition["name"])
    guest = vm["kernel"]["source"].rpartition("/")[2].removesuffix(".bin")
    words = vm["cmdline"].split()
    if guest == "hello":
        fate = Fate(["mini: hello"])
    elif guest == "repeat" and len(words) == 2 and words[0] in ("nothing", "cpuid", "in", "out") \
            and words[1].isdigit() and int(words[1]) <= 1000:
        return Fate([])
    elif guest == "smp" and vm["vcpus"] > 1 and _devices(
            partition, "pic", "uart", "rtc", "keyboard_controller") and \
            vm["cmdline"] in ("", "reset"):
        # What it counted stands later in the line, which others may cut; its code tells as well.
        fate = Fate([rf"smp: life [01], {vm['vcpus']} vCPUs"])
    elif guest == "selftest" and vm["uart_mmio"] == 0xd0000000 and vm["vcpus"] == 1 \
            and partition["memory"] == 8 * MIB and all(vm["devices"].values()):
        # Its clock is late where others take of the processor's time: one test may fail.
        fate = Fate([r"selftest: [01] failed"], code=r"[01]")
    elif guest == "fault" and vm["cmdline"] in ("triple", "execute"):
        return Fate([rf"vmm: {name} dies: "], code=1, error="VM_SHUTDOWN")
    elif guest == "fault" and vm["cmdline"] == "hlt":
        return Fate([f"vmm: {name} halted"])
    elif guest == "fault" and vm["cmdline"] == "write":
        fate = Fate(["fault: 0 of the reads wrong"])
    elif guest == "fault" and vm["cmdline"] == "reset" and \
            _devices(partition, "rtc", "keyboard_controller"):
        fate = Fate(["fault: second life"])
    else:
        return Fate(certain=False)
    if not _devices(partition, "uart"):
        fate.markers = []
    return fate


def _linux(partition: dict) -> Fate:
    vm = partition["vm"]
    words = vm["cmdline"].split()
    if not vm["kernel"]["source"] == "build/guest/vmlinuz" or not vm["initrd"] \
            or vm["initrd"]["source"] != "build/guest/initrd":
        return Fate(certain=False)
    shown = _devices(partition, "uart") and "console=ttyS0" in words
    return Fate(["hecht-guest: init"] if shown else [],
                ends="hecht.autotest=poweroff" in words)


def _streams(model: dict, partition: dict) -> list[dict]:
    """The channels that produce and consume use."""
    found = [model["channels"][port["channel"]] for port in partition["ports"]
             if port["name"] in ("sample", "queue")]
    programs = {other["slot"]: (other.get("native") or {}) for other in model["partitions"]}
    for channel in found:
        ends = [programs[slot] for slot in (channel["source"], *channel["destinations"])]
        if [end.get("source") for end in ends] != ["guests/native/produce",
                                                   "guests/native/consume"]:
            return []
        if ends[0]["arguments"] != ends[1]["arguments"] or not \
                STREAM_BYTES[0] <= channel["message_size"] <= STREAM_BYTES[1]:
            return []
    return found


def _native(model: dict, partition: dict) -> Fate:
    native, name = partition["native"], re.escape(partition["name"])
    words = dict(word.partition("=")[::2] for word in native["arguments"].split())
    program = native["source"].rpartition("/")[2]
    if program == "hello" and words.get("code", "0").isdigit() and len(words.get("code", "")) < 5:
        return Fate([f"hello from {name}: {partition['memory'] // 1024} KiB of heap"],
                    code=int(words.get("code", "0")))
    if program == "periodic" and words.get("frames", "").isdigit() and \
            0 < int(words["frames"]) <= 100 and partition["memory"]:
        return Fate(["periodic: 0 deadlines missed"])
    if program in ("produce", "consume") and _streams(model, partition):
        partners = {slot for channel in _streams(model, partition)
                    for slot in (channel["source"], *channel["destinations"])}
        alone = any(other["slot"] in partners and _restarts(other)
                    for other in model["partitions"])
        return Fate([rf"{program}: \d+ messages"], certain=not alone)
    if program == "ping" and words.get("rounds", "").isdigit() and int(words["rounds"]) < 100 \
            and partition["memory"] >= 4 * MIB:
        return Fate([r"ping: call and reply, one task: \d+ samples"])
    if program == "echo" and words.get("calls") == "0":
        return Fate(["echo: 0 calls answered"])
    if program == "random" and words.get("calls", "").isdigit() and int(words["calls"]) <= 1000:
        return Fate([r"random: \d+ calls, \d+ succeeded, 0 statuses there are not"], certain=False)
    if program == "irq" and native["irqs"] and native["io_ports"] and words == {"rounds": "50"}:
        owned = any(first <= 2 < first + count for first, count in native["irqs"])
        ports = any(first <= 0x40 and first + count >= 0x44 for first, count in native["io_ports"])
        return Fate([r"irq: interrupt to thread: 50 samples"], certain=owned and ports)
    if program in HOSTILE:
        exception, error = HOSTILE[program]
        return Fate([f"σ0: {name} failed: exception {exception}"], code=None, error=error)
    if program == "fail":
        return _fail(partition, words)
    return Fate(certain=False)


def _restarts(partition: dict) -> bool:
    return any(action.startswith("RESTART") for action in partition["actions"].values())


def _fail(partition: dict, words: dict[str, str]) -> Fate:
    name = re.escape(partition["name"])
    error = next((word for word in FAILS if word in words), None)
    if not error or not partition["memory"] or not words.get("restarts", "").isdigit():
        return Fate(certain=False)
    symbol, text = FAILS[error]
    action = partition["actions"][symbol]
    if action == "IGNORE":
        return Fate(["fail: ends well"])
    fate = Fate([rf"σ0: {name}: {text}: {ACTIONS[action]}"])
    if action.startswith("RESTART"):
        fate.markers.append("fail: ends well")
    elif action != "LOG":
        fate.code = None
        fate.stops_all = action == "STOP_MODULE"
        fate.switches = action == "SWITCH_SCHEDULE"
    return fate


def _fate(model: dict, partition: dict) -> Fate:
    name = re.escape(partition["name"])
    kinds = {"linux": _linux, "mini": _mini}
    fate = kinds[partition["kind"]](partition) if partition["vm"] else _native(model, partition)
    if fate.ends and fate.code is not None:
        fate.markers.append(rf"σ0: {name} ended: code {fate.code}\r*\n")
        action = partition["actions"][fate.error]
        fate.stops_all |= action == "STOP_MODULE"
        fate.switches |= action == "SWITCH_SCHEDULE"
        if action.startswith("RESTART"):
            fate.ends, fate.restarts = False, True
            fate.markers.append(rf"σ0: {name}: (partition ended|VM shutdown) \({fate.code}\): "
                                + ACTIONS[action])
    elif fate.ends and fate.error in ("EXCEPTION", "MEMORY_VIOLATION"):
        action = partition["actions"][fate.error]
        fate.stops_all |= action == "STOP_MODULE"
        fate.switches |= action == "SWITCH_SCHEDULE"
        fate.ends = not action.startswith("RESTART")
    return fate


def _has_time(model: dict, partition: dict, schedules: list[dict]) -> bool:
    """In each of these schedules, on each of its processors, long enough windows."""
    number = partition["time_partition"]
    slow = model["emulator"]["name"] == "bochs" and partition["kind"] == "linux"
    share_least = SHARE_LEAST_LINUX_BOCHS if slow else SHARE_LEAST
    for schedule in schedules if number else ():
        for processor in partition["processors"]:
            lengths = [window["length_us"] for window in schedule["windows"]
                       if window["processor"] == processor
                       and window["time_partition"] == number]
            if max(lengths, default=0) < WINDOW_LEAST_US or \
                    sum(lengths) * share_least < schedule["frame_us"]:
                return False
    return True


def _is_starved(model: dict, partition: dict, fates: dict[str, Fate]) -> bool:
    """By one that restarts without end in all windows, with a higher priority."""
    return any(other is not partition and other["time_partition"] == 0
               and fates[other["name"]].restarts
               and other["priority"] > partition["priority"]
               and set(other["processors"]) & set(partition["processors"])
               for other in model["partitions"])


def forecast(model: dict) -> Forecast:
    fates = {partition["name"]: _fate(model, partition) for partition in model["partitions"]}
    switches = any(fate.switches or not fate.certain for fate in fates.values())
    schedules = model["schedules"] if switches else model["schedules"][:1]
    for partition in model["partitions"]:
        fates[partition["name"]].certain &= _has_time(model, partition, schedules) and \
            not _is_starved(model, partition, fates)
    counting = [fates[partition["name"]] for partition in model["partitions"]
                if partition["counts_for_end"]] or list(fates.values())
    stops_all = any(fate.stops_all for fate in fates.values())
    uncertain = any(not fate.certain for fate in fates.values())
    turns_off: bool | None = all(fate.ends for fate in counting)
    required = [marker for fate in fates.values() if fate.certain for marker in fate.markers]
    if stops_all or uncertain:
        # Somebody may end the machine, or keep it from its end.
        turns_off = None
        if stops_all or any("STOP_MODULE" in partition["actions"].values()
                            for partition in model["partitions"]):
            required = []
    if turns_off is not False and len(counting) < len(fates):
        required = [marker for fate in counting if fate.certain for marker in fate.markers]
        if stops_all or uncertain:
            required = [] if stops_all else required
    return Forecast(fates, turns_off, required)
