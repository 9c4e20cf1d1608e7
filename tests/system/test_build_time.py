# SPDX-License-Identifier: Apache-2.0
"""A change of one symbol is an image within ten seconds, everything within a minute. The limits
are for a machine with nothing else to do: the least of some tries counts."""

from __future__ import annotations

from conftest import ROOT, make
from hecht import buildtime

TRIES = 3


def test_changes_are_soon_an_image() -> None:
    made = make("build/guest/lock", "CONFIG=qemu_svm")
    assert made.returncode == 0, made.stdout + made.stderr
    with buildtime.copy_of(ROOT) as folder:
        assert buildtime.full(folder) < buildtime.FULL_LIMIT
        for name in ("command line", "kernel memory"):
            for last in (False,) * (TRIES - 1) + (True,):
                seconds = buildtime.change(folder, *buildtime.CHANGES[name])
                if seconds < buildtime.CHANGE_LIMIT:
                    break
                assert not last, f"{name}: {seconds:.1f} s"
