# SPDX-License-Identifier: Apache-2.0
"""What the allocator reckons with is what the C sources say: they are asked."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from hecht import allocate

PROGRAM = r"""
#include <stdio.h>
#include "lib/channel.h"
#include "virt/shadow.h"

int main(void)
{
    unsigned kind, size, count;

    printf("%u %zu %zu %zu\n", CHANNEL_SAMPLING_SLOTS, sizeof(struct channel_slot),
           sizeof(struct channel_writer_part), 2 + SHADOW_FRAMES + 2 * SHADOW_MAX);
    fflush(stdout);
    while (scanf("%u %u %u", &kind, &size, &count) == 3) {
        uint64_t writer = channel_writer_size(kind ? CHANNEL_QUEUING : CHANNEL_SAMPLING, size, count);

        printf("%lu\n", writer + channel_reader_size(kind ? CHANNEL_QUEUING : CHANNEL_SAMPLING));
        fflush(stdout);
    }
}
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> subprocess.Popen[str]:
    folder: Path = tmp_path_factory.mktemp("constants")
    (folder / "constants.c").write_text(PROGRAM)
    subprocess.run(["gcc", "-std=gnu17", "-I", ROOT / "hypervisor", "-I", ROOT / "hypervisor/x86",
                    "-I", ROOT / "hypervisor/x86/plain", "-o", folder / "constants",
                    folder / "constants.c", ROOT / "hypervisor/lib/channel.c",
                    ROOT / "hypervisor/lib/string.c"], check=True)
    with subprocess.Popen([folder / "constants"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        yield process
        process.stdin.close()


def test_sizes_of_channels(sources: subprocess.Popen[str]) -> None:
    """Those that there can be: what the validator refuses is not allocated."""
    slots, slot, writer, vtlb = map(int, sources.stdout.readline().split())
    assert (slots, slot, writer) == (allocate.SAMPLING_SLOTS, allocate.SLOT_HEADER,
                                     allocate.WRITER_HEADER)
    assert vtlb == allocate.VTLB_OWN

    @settings(max_examples=2000, deadline=None)
    @given(st.booleans(), st.one_of(st.integers(1, 70), st.integers(1, 0x100000)),
           st.one_of(st.integers(1, 70), st.integers(1, 1 << 16)))
    def agrees(queuing: bool, size: int, count: int) -> None:
        sources.stdin.write(f"{int(queuing)} {size} {count}\n")
        sources.stdin.flush()
        told = int(sources.stdout.readline())
        channel = SimpleNamespace(kind="queuing" if queuing else "sampling", message_size=size,
                                  message_count=count)
        assert told in (allocate.channel_span(channel), allocate.PAGE if queuing else 0)

    agrees()
