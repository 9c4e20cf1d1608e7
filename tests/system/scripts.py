# SPDX-License-Identifier: Apache-2.0
"""What is done on a booted machine. The functions' names are the script column of the matrix."""

from __future__ import annotations

import re
import time
from pathlib import Path

from console import PROMPT, Console
from hecht.emulator import Settings

SLEEP = 3


def _to_shell(console: Console) -> None:
    console.expect("hecht-guest: init")
    console.expect(re.escape(PROMPT))


def _poweroff(console: Console) -> None:
    console.type("poweroff")
    console.expect(r"σ0: linux ended: code 0")
    console.expect(r"hecht: end status=0\r*\n")
    console.expect_off()


def boot(console: Console) -> None:
    """To the prompt, and off again."""
    _to_shell(console)
    assert "6." in console.command("uname -r")
    _poweroff(console)


def shell(console: Console) -> None:
    """Typed commands are answered, and a sleep is as long as it should be."""
    _to_shell(console)
    cpuinfo = console.command("cat /proc/cpuinfo")
    assert re.findall(r"^processor\t: (\d+)$", cpuinfo, re.MULTILINE) == ["0"]
    assert re.search(r"^flags\t.*\bhypervisor\b", cpuinfo, re.MULTILINE)
    _check_date(console)
    assert SLEEP - 0.2 <= console.seconds_of(f"sleep {SLEEP}") <= SLEEP + 1.0
    uptime = float(console.command("cat /proc/uptime").split()[0])
    console.command(f"sleep {SLEEP}")
    later = float(console.command("cat /proc/uptime").split()[0])
    assert SLEEP <= later - uptime <= SLEEP + 2.0
    _poweroff(console)


def _check_date(console: Console) -> None:
    """The guest's clock shows the board's time."""
    settings: Settings = console.machine.settings
    date = int(console.command("date +%s"))
    if settings.start_time is not None:
        assert settings.start_time <= date <= settings.start_time + 600
    else:
        assert abs(date - time.time()) < 10


def reboot(console: Console) -> None:
    """reboot restarts the VM and not the machine."""
    _to_shell(console)
    console.type("reboot")
    console.expect(r"Linux version")
    assert "virtualization by" not in console.since_last()
    _to_shell(console)
    assert float(console.command("cat /proc/uptime").split()[0]) < 60
    _poweroff(console)


def _hostile(console: Console) -> None:
    """What tests/system/hostile tries fails, each for itself and as docs/interface.md says."""
    console.expect(r"σ0: hostile-cli failed: exception 13, address 0x0\r*\n")
    console.expect(r"σ0: hostile-read failed: exception 14, address 0xffffffff80200000\r*\n")
    console.expect(r"hostile: every call was answered as documented\r*\n")
    console.expect(r"σ0: hostile-map ended: code 0\r*\n")


def _ends_with_failures(console: Console, neighbour: str, code: int = 0) -> None:
    console.expect(rf"σ0: {neighbour} ended: code {code}\r*\n")
    console.expect(r"hecht: end status=1\r*\n")
    console.expect_off()


def hostile(console: Console) -> None:
    """A Linux beside them answers before, and after."""
    console.expect("hecht-guest: init")
    _hostile(console)
    console.type("")
    console.expect(re.escape(PROMPT))
    assert console.command("echo $((6 * 7))").strip() == "42"
    console.type("poweroff")
    _ends_with_failures(console, "linux")


def hostile_selftest(console: Console, gaps: int = 0) -> None:
    """A guest beside them passes its self-test."""
    _hostile(console)
    console.expect(rf"selftest: {gaps} failed\r*\n")
    _ends_with_failures(console, "selftest", gaps)


def hostile_selftest_bochs_svm(console: Console) -> None:
    hostile_selftest(console, 1)  # the gap of selftest_bochs_svm


def hello(console: Console) -> None:
    """A small guest runs to its end."""
    console.expect(r"mini: hello\r*\n")
    console.expect(r"σ0: hello ended: code 0\r*\n")
    console.expect(r"hecht: end status=0\r*\n")
    console.expect_off()


def nothing(console: Console) -> None:
    """An image without virtualization and partitions ends at once."""
    console.expect(r"hecht: end status=0\r*\n")
    console.expect_off()


def no_cpu(console: Console) -> None:
    """One line says what the CPU lacks."""
    console.expect_refusal("this CPU has no (SVM|VMX)")


def no_memory(console: Console) -> None:
    """One line says that memory is too small, by the kernel or by σ0."""
    console.expect(r"(hecht: cannot start|σ0: \w+ cannot start): [^\r\n]*memory[^\r\n]*")


def not_free(console: Console) -> None:
    """A machine without the memory that the build has placed something in is refused."""
    console.expect_refusal("memory 0x[0-9a-f]+-0x[0-9a-f]+ is not free on this machine")


def _ends_well(console: Console, name: str) -> None:
    console.expect(rf"σ0: {name} ended: code 0\r*\n")
    console.expect(r"hecht: end status=0\r*\n")
    console.expect_off()


def dies(console: Console) -> None:
    """A VM that cannot go on says why and where; the machine ends in order."""
    console.expect(r"vmm: fault dies: (triple fault|it executes where there is no RAM|"
                   r"its instruction on an address without RAM cannot be emulated)\r*\n")
    console.expect(r"vmm: rip [0-9a-f]{16}  rflags")
    console.expect(r"vmm: tr  [0-9a-f]{4}  base")
    console.expect(r"σ0: fault ended: code 1\r*\n")
    console.expect(r"hecht: end status=1\r*\n")
    console.expect_off()


def unclaimed(console: Console) -> None:
    """What no device claims reads all-ones, and is told once."""
    console.expect(r"vmm: write to address 0xe0000000, 1 bytes: no device\r*\n")
    console.expect(r"fault: 0 of the reads wrong\r*\n")
    assert "no device" not in console.since_last()
    _ends_well(console, "fault")


def halts(console: Console) -> None:
    """HLT with interrupts off is the end."""
    console.expect(r"vmm: fault halted\r*\n")
    _ends_well(console, "fault")


def resets(console: Console) -> None:
    """The keyboard controller restarts the VM and nothing else, and no register survives."""
    console.expect(r"vmm: fault restarts\r*\n")
    console.expect(r"fault: second life\r*\n")
    _ends_well(console, "fault")


def selftest(console: Console, *gaps: str) -> None:
    """All of the guest's tests pass but for the known gaps, which must not be others or fewer."""
    console.expect(r"selftest: (\d+) failed\r*\n")
    failed = re.findall(r"selftest: ([\w-]+) FAILED", console.since_last())
    assert failed == list(gaps), console.since_last()
    console.expect(rf"σ0: selftest ended: code {len(gaps)}\r*\n")
    console.expect(rf"hecht: end status={int(bool(gaps))}\r*\n")
    console.expect_off()


def selftest_bochs_svm(console: Console) -> None:
    """There DR6 does not tell which breakpoint it was: when #DB is intercepted the VMCB's DR6 has
    the bit on QEMU, and has it not on Bochs."""
    selftest(console, "debug")


PAGING = Path(__file__).with_name("paging.txt").read_text().splitlines()


def paging(console: Console, wanted: int = len(PAGING)) -> None:
    """What the guest has done with its tables comes to the same wherever it runs: so many lines or
    more, all of which stand in one file."""
    console.expect(r"paging: 0 modes went wrong\r*\n")
    found = re.findall(r"^paging: [^\r\n]*", console.since_last(), re.MULTILINE)
    assert len(found) >= wanted and not set(found) - set(PAGING), "\n".join(found)
    _ends_well(console, "paging")


def paging_older(console: Console) -> None:
    """Likewise, on a processor without 1 GiB pages, SMEP or SMAP."""
    paging(console, 14)


# ---- Native programs --------------------------------------------------------------------------

def native(console: Console) -> None:
    """A native program runs to its end, without virtualization."""
    console.expect(r"hello from hello: 2048 KiB of heap, processors 0x1, start 0, restarts 0\r*\n")
    _ends_well(console, "hello")


def _all_end_well(console: Console, names: set[str]) -> str:
    """In whatever order they end; returns the console's text."""
    console.expect(r"hecht: end status=(\d+)\r*\n")
    text = console.since_last()
    assert console.groups() == ("0",), text
    assert set(re.findall(r"σ0: ([\w-]+) ended: code 0\r*\n", text)) == names, text
    console.expect_off()
    return text


def ping(console: Console) -> None:
    """Calls and switches in one task, between two, and between partitions."""
    text = _all_end_well(console, {"ping"})
    for what in ("call and reply, one task", "call and reply, two tasks", "switch, one task",
                 "switch, two tasks", "call and reply, two partitions"):
        assert re.search(rf"ping: {what}: 1000 samples", text), text


LONGEST = 3000   # instructions that one entry into the kernel may take
TICKS_SHIFT = 4  # the emulator's, when it counts: ticks of an instruction


def crowd(console: Console) -> None:
    """Threads that wait for one by the hundred, and as many tasks, keep the kernel at nothing."""
    console.expect(r"crowd: (\d+) queued and (\d+) called were refused, (\d+) gave up")
    assert console.groups() == ("180", "180", "180"), console.groups()
    console.expect("crowd: 100 tasks below one")
    console.expect(r"longest: exit (\d+)")
    ways = re.findall(r"longest: ([a-z]+ ?\d*) (\d+)", console.since_last())
    assert len(ways) > 10, ways
    too_long = {way: int(ticks) >> TICKS_SHIFT for way, ticks in ways
                if int(ticks) >> TICKS_SHIFT > LONGEST}
    assert not too_long, too_long
    console.expect_off()


def bounded(console: Console) -> None:
    """No step of the vTLB keeps the processor for longer than a call may."""
    _to_shell(console)
    console.command("for i in 1 2 3 4 5 6 7 8 9 10; do sh -c 'sh -c \"ls / | wc -l\"'; done")
    console.type("poweroff")
    console.expect(r"longest: exit (\d+)")
    assert int(console.groups()[0]) >> TICKS_SHIFT <= LONGEST, console.groups()
    console.expect_off()


def ports(console: Console) -> None:
    """Sampling and queuing ports between two partitions: all in order, whole and of age."""
    text = _all_end_well(console, {"produce", "consume"})
    assert re.search(r"consume: 1000 messages in order, \d+ samples, \d+ valid", text), text


def interrupts(console: Console) -> None:
    """A board's interrupt comes to the thread that listens."""
    text = _all_end_well(console, {"irq"})
    assert "irq: interrupt to thread: 1000 samples" in text


def breakout(console: Console) -> None:
    """Nothing that the program tries goes through, and a guest beside it notices nothing."""
    text = _all_end_well(console, {"selftest", "breakout"})
    tried, refused = re.search(r"breakout: (\d+) tried, (\d+) refused", text).groups()
    assert tried == refused and int(tried) > 80000, text


# ---- Several processors -----------------------------------------------------------------------

def four_guests(console: Console) -> None:
    """A VM on each of four processors."""
    _all_end_well(console, {f"hello{number}" for number in range(4)})


def smp(console: Console) -> None:
    """One VM with a virtual CPU on each of several processors."""
    text = _all_end_well(console, {"smp"})
    assert re.search(r"smp: life [01], [24] vCPUs, .*, 0 errors\r*\n", text), text


# ---- Time -------------------------------------------------------------------------------------

WINDOW_LIMIT = 3000  # instructions that a window may start late


def windows(console: Console) -> None:
    """A periodic task's windows start in time, and none is missed."""
    console.expect(r"periodic: late: (\d+) samples, min (\d+), median (\d+), max (\d+)\r*\n")
    samples, _, _, latest = map(int, console.groups())
    settings: Settings = console.machine.settings
    assert samples >= 500 and latest >> settings.shift <= WINDOW_LIMIT, console.groups()
    console.expect(r"periodic: (\d+) deadlines missed\r*\n")
    assert console.groups() == ("0",)
    console.expect(r"σ0: periodic ended: code 0\r*\n")


# ---- Random system calls ----------------------------------------------------------------------

def _random(console: Console, neighbours: set[str], name: str = "random") -> str:
    """The program itself looks at what came and what is missing; the watcher, at its memory."""
    text = _all_end_well(console, neighbours | {name, "watch"})
    calls, good, wrong = map(int, re.search(
        rf"{name}: (\d+) calls, (\d+) succeeded, (\d+) errors of the documentation",
        text).groups())
    assert wrong == 0 and good * 3 >= calls >= 15000, (calls, good, wrong)
    lives, before, after, missing = map(int, re.search(
        rf"{name}: (\d+) lives, (\d+) pages before and (\d+) after, .*, (\d+) missing",
        text).groups())
    assert lives > 1 and before == after and missing == 0, (lives, before, after, missing)
    assert int(re.search(r"watch: (\d+) rounds over \d+ KiB, always", text)[1]) > 0
    return text


def random(console: Console) -> None:
    """Every call and every documented error occurs, a third succeeds, nothing is missing
    afterwards, and neither a guest nor a watcher beside them notices anything."""
    _random(console, {"selftest"})


def random_alone(console: Console) -> None:
    """Likewise, without a guest."""
    _random(console, set())


def _hostile_vmm(console: Console, neighbours: set[str], reasons: set[str]) -> None:
    text = _random(console, neighbours, "vmm")
    exits = re.search(r"vmm: exits:((?: \w+ \d+)+)", text)[1].split()
    missing = reasons - set(exits[::2])
    assert not missing, (missing, exits)


EXITS = {"CPUID", "HLT", "IO", "MSR_READ", "MSR_WRITE", "MEMORY", "HYPERCALL", "CACHE",
         "VIRTUALIZATION", "RECALL"}


def hostile_vmm(console: Console) -> None:
    """A VMM with random memory, code and state beside a guest and a watcher: its calls are
    answered as documented, refused states and dead guests are its own, and nothing is missing."""
    _hostile_vmm(console, {"selftest"}, EXITS | {"SHUTDOWN", "INVALID_STATE"})


def hostile_vmm_calm(console: Console) -> None:
    """Likewise, without a guest beside it and with code that an emulator can take."""
    _hostile_vmm(console, set(), EXITS | {"SHUTDOWN", "INVALID_STATE"})


def hostile_vmm_tame(console: Console) -> None:
    """Likewise, with nothing but real mode, where no state is refused and no guest dies."""
    _hostile_vmm(console, set(), EXITS)


# ---- Health monitor ---------------------------------------------------------------------------

def health(console: Console) -> None:
    """Each error has the action that the configuration gives it, and no other partition's."""
    console.expect(r"hecht: end status=1\r*\n")
    text = console.since_last().replace("\r", "")
    assert len(re.findall(r"σ0: cold: memory violation \(0x7ff000010000\): cold restart\n",
                          text)) == 2
    assert len(re.findall(r"σ0: warm: stack overflow \(0x\w+\): warm restart\n", text)) == 2
    for line in ("σ0: stop: exception (6): partition stopped",
                 "σ0: log: deadline missed (1000): logged",
                 "σ0: switch: application error (42): partition stopped, schedule switched",
                 "fail: start 1, restarts 2, 1 starts in RAM",  # cold: zeroed
                 "fail: start 2, restarts 2, 3 starts in RAM",  # warm: kept
                 "σ0: cold ended: code 0", "σ0: warm ended: code 0", "σ0: log ended: code 0"):
        assert text.count(line + "\n") == 1, line
    assert re.search(r"σ0: schedule 1 from \d+ ms on\n", text), text
    console.expect_off()


def _kernel_memory(console: Console, moments: int = 8, moment: str = "vmm: again starts") -> int:
    """Of the partition that is restarted, the most of some moments: pages in use, as the operator
    sees it."""
    pages = 0
    for _ in range(moments):
        console.expect(moment)
        console.operator("p")
        console.expect(r"σ0: again: [\w ]+, restarts \d+, kernel memory (\d+) of \d+ pages\r*\n")
        pages = max(pages, int(console.groups()[0]))
    return pages


def _restarts(console: Console, number: int) -> None:
    end = r"σ0: again ended: code 0\r*\n"
    console.expect(end)
    before = _kernel_memory(console)
    for _ in range(number):
        console.expect(end)
    assert _kernel_memory(console) == before > 0
    windows(console)


def restarts(console: Console) -> None:
    """A mini guest restarts beside a periodic task: no window missed, no memory lost."""
    _restarts(console, 50)


def thousand_restarts(console: Console) -> None:
    _restarts(console, 1000)


def linux_restarts(console: Console) -> None:
    """Linux boots and powers off ten times beside a periodic task."""
    for _ in range(10):
        console.expect("hecht-guest: init")
        console.expect(r"σ0: again ended: code 0\r*\n")
        console.expect(r"σ0: again: partition ended \(0\): cold restart\r*\n")
    windows(console)


def two_linux(console: Console) -> None:
    """On two processors at the same time."""
    text = _all_end_well(console, {"first", "second"})
    assert text.count("hecht-guest: init") == 2


# ---- Shared memory ----------------------------------------------------------------------------

def shared(console: Console) -> None:
    """A program and a VM talk over shared memory; a VM and a program that write where they may only
    read are restarted, and find what they shared as it was."""
    text = _all_end_well(console, {"ask", "answer", "intruder", "native"})
    for line in ("vmm: intruder dies: it writes to 0xc0000000, shared memory that it may only read",
                 "σ0: intruder ended: code 1",
                 "σ0: intruder: memory violation (0xc0000000): cold restart",
                 "share: what was shared is there in life 2",
                 "σ0: native: memory violation (0x380000000000): cold restart",
                 "share: 20 requests answered"):
        assert text.replace("\r", "").count(line + "\n") == 1, text
    assert text.index("share: what was") < text.index("share: 20 requests"), text


SHARED = 0xc0000000  # what the generator gives out first


def _word(console: Console, offset: int) -> int:
    """32 bits of shared memory; the other VM's prompt may stand around them."""
    return int(re.findall(r"0x([0-9A-F]{8})", console.command(
        f"devmem {SHARED + offset:#x} 32"))[-1], 16)


def shared_linux(console: Console) -> None:
    """What one Linux writes into shared memory another reads, and it is there when the first has
    ended; what is typed goes to the second then."""
    for _ in range(3):  # of four: the other VM may have written into the middle of one
        console.expect(f"hecht-guest: init|{re.escape(PROMPT)}")
    console.type("")
    console.expect(re.escape(PROMPT))
    assert _word(console, 0) == 0
    for offset in (0, 0xff8, 0xffffc):
        console.command(f"devmem {SHARED + offset:#x} 32 {0x600d0000 + offset:#x}")
    assert _word(console, 0xff8) == 0x600d0ff8
    console.type("poweroff")
    console.expect(r"σ0: first ended: code 0\r*\n")
    console.type("")
    console.expect(re.escape(PROMPT))
    for offset in (0, 0xff8, 0xffffc):
        assert _word(console, offset) == 0x600d0000 + offset
    assert _word(console, 0x100000) == 0xffffffff  # nothing is behind it
    console.type("poweroff")
    _ends_well(console, "second")


def _linux_in_front(console: Console, names: set[str]) -> None:
    """Linux gets what is typed; all the others end by themselves, at any time."""
    _to_shell(console)
    console.type("poweroff")
    console.expect(r"hecht: end status=0\r*\n")
    text = console.log.read_text()
    assert set(re.findall(r"σ0: ([\w-]+) ended: code 0\r*\n", text)) == names, text
    console.expect_off()


def four_processors(console: Console) -> None:
    _linux_in_front(console, {"first", "second", "third", "periodic"})


def everything(console: Console) -> None:
    _linux_in_front(console, {"linux", "second", "small", "control", "produce", "consume"})


# ---- Grants -----------------------------------------------------------------------------------

def revoked(console: Console) -> None:
    """Memory is taken from a VM in use, from each processor; a guest beside it notices nothing."""
    text = _all_end_well(console, {"revoke", "hello"})
    times = re.search(r"revoke: (\d+) times in use", text)
    assert times and int(times[1]) == 20 * console.machine.settings.processors, text
