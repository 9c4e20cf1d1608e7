# SPDX-License-Identifier: Apache-2.0
"""One-field changes to valid models are refused, or are choices that boot. MUTATIONS=N looks at
more of them, MUTATION_BOOTS=N boots more, MUTATION_SEED=N takes others: every day has its own."""

from __future__ import annotations

import fcntl
import os
import random
import time
from pathlib import Path

import mutate
import pytest
from hecht.model import Model

COUNT = int(os.environ.get("MUTATIONS", "200"))
BOOTS = int(os.environ.get("MUTATION_BOOTS", "3"))
SEED = int(os.environ.get("MUTATION_SEED", str(int(time.time()) // 86400)))
LIMIT = 60  # seconds, for a machine that does nothing for long


@pytest.mark.parametrize("seed", [1, SEED])
def test_only_choices_are_accepted(tmp_path: Path, seed: int) -> None:
    outcomes = list(mutate.outcomes(COUNT, seed, mutate.QUICK, False, tmp_path))
    accepted = [outcome for outcome in outcomes if not outcome.refused_by]
    wrong = [f"{outcome.name} {outcome.seed} {outcome.mutation}" for outcome in accepted
             if outcome.mutation.field not in mutate.CHOICES]
    assert not wrong, wrong
    assert len(accepted) < COUNT / 2


@pytest.mark.parametrize("number", range(BOOTS))
def test_what_is_accepted_boots(tmp_path: Path, number: int) -> None:
    outcomes = [outcome for outcome in mutate.outcomes(COUNT, SEED, mutate.QUICK, False, tmp_path)
                if not outcome.refused_by]
    outcome = random.Random(SEED).sample(outcomes, BOOTS)[number]
    mutate.TREE.mkdir(parents=True, exist_ok=True)
    with (mutate.TREE / "lock").open("w") as lock:  # of the tree; a test in another process waits
        fcntl.flock(lock, fcntl.LOCK_EX)
        iso = mutate.build(outcome.name, outcome.seed)
        print(outcome.mutation, mutate.boots(outcome.name, outcome.model, iso, LIMIT))


def test_the_same_seed_gives_the_same_change(tmp_path: Path) -> None:
    one, other = (list(mutate.outcomes(20, 7, ("ports",), False, tmp_path)) for _ in range(2))
    assert [outcome.mutation for outcome in one] == [outcome.mutation for outcome in other]
    assert all(isinstance(outcome.model, Model) for outcome in one)
