# SPDX-License-Identifier: Apache-2.0
"""The kernel's memory, what of it each partition gets, and the backends."""

from __future__ import annotations

from collections.abc import Iterator

from hecht import slots
from hecht.checks.core import Look, check
from hecht.errors import Problem
from hecht.model import (MIB, PAGE, PORT_OWN, PROGRAM_OWN, SIGMA0_OWN, VCPU_OWN, VM_OWN, VTLB_OWN,
                         Channel, Partition)

KERNEL_MIB = (4, 1024)
BACKENDS = ("svm", "vmx")
TASKS, THREADS = 255, 1023  # that can have a name
TASK_KIB, THREAD_KIB = 32, 8  # of KERNEL_EXTRA_KIB, as its help says
PROGRAM_THREADS = 8         # "a few"
TIME_PARTITIONS = 32


@check("KRN-001", "Page tables, tasks, threads and virtual CPUs of all partitions are made in the "
       "kernel's memory; a partition must not find its quota taken.")
def quotas_fit(look: Look) -> Iterator[Problem]:
    model = look.model
    pages = (model.kernel_own + model.sigma0_quota
             + sum(partition.kernel_quota for partition in model.partitions))
    if pages * PAGE > model.kernel_memory:
        yield look.problem("the kernel's memory cannot hold what the partitions may need of it: "
                           + " + ".join([f"{model.kernel_own} (kernel)",
                                         f"{model.sigma0_quota} (σ0)"]
                                        + [f"{partition.kernel_quota} ({partition.name})"
                                           for partition in model.partitions])
                           + f" = {pages} pages of 4 KiB",
                           "KERNEL_MEMORY_MIB", "PROCESSORS", *look.of_partitions("MEMORY_MIB"),
                           KERNEL_MEMORY_MIB=str(-(-pages * PAGE // MIB)))


@check("KRN-002", "A kernel with less memory cannot make σ0; more than a gibibyte has never been "
       "tried.")
def kernel_memory(look: Look) -> Iterator[Problem]:
    if not KERNEL_MIB[0] * MIB <= look.model.kernel_memory <= KERNEL_MIB[1] * MIB:
        yield look.problem(f"the kernel has {KERNEL_MIB[0]} to {KERNEL_MIB[1]} MiB",
                           "KERNEL_MEMORY_MIB", KERNEL_MEMORY_MIB="16")


@check("KRN-003", "Kernel memory comes in pages of 4 KiB.")
def extra_pages(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        symbol = partition.prefix + "KERNEL_EXTRA_KIB"
        kib = look.config.number(symbol)
        if kib * 1024 % PAGE:
            yield look.problem("kernel memory comes in pages of 4 KiB", symbol,
                               **{symbol: str(-(-kib // 4) * 4)})


@check("KRN-004", "A virtual machine runs by a backend for the CPU's vendor.")
def backend(look: Look) -> Iterator[Problem]:
    if look.model.vms and not look.model.backends:
        yield look.problem("there are virtual machines but no backend that could run them",
                           "VIRT", "SVM", "VMX",
                           **{"VMX" if look.model.emulator.name == "bochs" else "SVM": "y"})


@check("KRN-005", "The kernel tries the backends of its table in order; one that there is not, or "
       "that stands there twice, does not link.")
def backend_known(look: Look) -> Iterator[Problem]:
    backends = look.model.backends
    if any(backend not in BACKENDS for backend in backends) or len(set(backends)) < len(backends):
        yield look.problem(f"the list of backends is {ascii(backends)}; there are "
                           f"{' and '.join(BACKENDS)}, each once", "SVM", "VMX", SVM="y")


@check("KRN-006", "There are 255 names of tasks. Programs with kernel memory for more leave "
       "none to the others, nor to a partition that is restarted.")
def task_names(look: Look) -> Iterator[Problem]:
    yield from _names(look, "tasks", TASKS - 1 - len(look.model.partitions), TASK_KIB)


@check("KRN-007", "There are 1,023 names of threads. Programs with kernel memory for more "
       "leave none to the others, nor to a partition that is restarted.")
def thread_names(look: Look) -> Iterator[Problem]:
    model = look.model
    own = 1 + 3 * model.processors  # σ0's: service or helper, worker; and an idle thread each
    of_partitions = sum(2 * vm.vm.vcpus for vm in model.vms if vm.vm) \
        + PROGRAM_THREADS * len(model.programs)
    yield from _names(look, "threads", THREADS - own - of_partitions, THREAD_KIB)


def _names(look: Look, what: str, left: int, each: int) -> Iterator[Problem]:
    wanted = {program.prefix + "KERNEL_EXTRA_KIB":
              look.config.number(program.prefix + "KERNEL_EXTRA_KIB")
              for program in look.model.programs}
    if sum(wanted.values()) // each <= left:
        return
    largest = max(wanted, key=lambda symbol: wanted[symbol])
    others = sum(wanted.values()) - wanted[largest]
    restarted = [f"{partition.prefix}ON_{error}_{action}" for partition in look.model.partitions
                 for error, action in partition.actions.items()
                 if action.startswith("RESTART") and not largest.startswith(partition.prefix)]
    if not others and not restarted:
        return  # it can only harm itself
    yield look.problem(f"the programs have kernel memory for {sum(wanted.values()) // each} {what} "
                       f"of their own; {left} can have a name", *wanted, *restarted[:1],
                       remedy="less for each of them",
                       **({largest: str(max(0, left * each - others) // 4 * 4)}
                          if others // each <= left else {symbol: "0" for symbol in wanted}))


@check("KRN-008", "σ0's table has a place for each slot.")
def partition_count(look: Look) -> Iterator[Problem]:
    if len(look.model.partitions) > slots.PARTITIONS:
        yield look.problem(f"there are {len(look.model.partitions)} partitions; "
                           f"{slots.PARTITIONS} is the most", "NAME", remedy="fewer partitions")


@check("KRN-009", "The kernel has a queue for each of 32 time partitions on each processor.")
def time_partition_count(look: Look) -> Iterator[Problem]:
    if look.model.time_partitions > TIME_PARTITIONS:
        yield look.problem(f"there are {look.model.time_partitions} time partitions; "
                           f"{TIME_PARTITIONS} is the most", *look.of_partitions("TIME_PARTITION"),
                           **{symbol: "0" for symbol in look.of_partitions("TIME_PARTITION")})


def _table_pages(size: int) -> int:
    """Page tables of four levels for `size` bytes by pages of 4 KiB that begin anywhere: one more
    may be touched of the two levels above the lowest."""
    lowest = (size + (1 << 21) - 1) >> 21
    return lowest + (lowest + 511) // 512 + 3


def _end_pages(partition: Partition, channel: Channel) -> int:
    if channel.kind != "memory":
        return PORT_OWN
    return _table_pages(channel.size) * (2 if partition.vm else 1)


def _needs(look: Look, partition: Partition) -> int:
    """Pages of kernel memory: what is mapped, by whom, and what stands beside."""
    ends = [channel for channel in look.channels
            if partition.slot in {channel.source, *channel.destinations}]
    pages = sum(_end_pages(partition, channel) for channel in ends) + (PORT_OWN if ends else 0)
    if partition.vm:
        modules = (partition.memory + (1 << 22) - 1 >> 22) + 8
        vtlb = not look.config.is_on(partition.prefix + "PAGING_NESTED")
        return pages + 2 * _table_pages(partition.memory) + modules + VM_OWN \
            + VTLB_OWN * (len(partition.processors) if vtlb else 0) \
            + VCPU_OWN * (len(partition.processors) - 1 if partition.processors else 0)
    extra = look.config.text(partition.prefix + "KERNEL_EXTRA_KIB")
    return pages + PROGRAM_OWN + _table_pages(partition.memory) + int(extra or "0") // 4


@check("KRN-010", "With less kernel memory a partition cannot be made, or fails later when its RAM "
       "is mapped by small pages.")
def quota_least(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        needed = _needs(look, partition)
        if partition.kernel_quota < needed:
            yield look.problem(f"{partition.name} has {partition.kernel_quota} pages of kernel "
                               f"memory and needs {needed}", partition.prefix + "MEMORY_MIB",
                               remedy="make the model anew: scripts/generate")


@check("KRN-011", "With less kernel memory σ0 cannot be made, or cannot map the machine's memory.")
def sigma0_least(look: Look) -> Iterator[Problem]:
    if look.model.sigma0_quota < SIGMA0_OWN:
        yield look.problem(f"σ0 has {look.model.sigma0_quota} pages of kernel memory and needs "
                           f"{SIGMA0_OWN}", "KERNEL_MEMORY_MIB",
                           remedy="make the model anew: scripts/generate")


@check("KRN-012", "The kernel takes its memory in whole pages from one piece of the machine's.")
def kernel_pages(look: Look) -> Iterator[Problem]:
    if look.model.kernel_memory % MIB:
        yield look.problem("the kernel's memory is no whole number of MiB", "KERNEL_MEMORY_MIB",
                           KERNEL_MEMORY_MIB=str(look.model.kernel_memory // MIB + 1))
