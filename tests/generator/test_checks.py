# SPDX-License-Identifier: Apache-2.0
"""The register of checks and its page."""

from __future__ import annotations

from conftest import ROOT
from hecht.checks import all_checks, describe


def test_page_is_fresh() -> None:
    assert (ROOT / "docs/checks.md").read_text() == describe(), \
        "run: scripts/generate --checks >docs/checks.md"


def test_reasons() -> None:
    for check in all_checks():
        assert check.reason.endswith(".") and len(check.reason) >= 30, check.identifier
