"""The project that all fault tests disturb, and the table of results."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from tests.faults import harness

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "faults.md"
_BEGIN, _END = "<!-- figures: begin -->\n", "<!-- figures: end -->"


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory) -> harness.Victim:
    return harness.make_victim(tmp_path_factory.mktemp("faults").resolve() / "project")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table. A full run of all kinds also writes it to the page (FAULTS_DOCUMENT=1)."""
    if not harness.figures:
        return
    table = harness.as_table(harness.rows())
    terminalreporter.write("\n" + table)
    if os.environ.get("FAULTS_DOCUMENT") and DOCUMENT.exists():
        before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
        figures, _, after = rest.partition(_END)
        # Kinds without an attempt in this run keep their rows.
        kept = dict(
            harness.row_of(line) for line in figures.splitlines() if line.startswith("| ") and "tried" not in line
        )
        table = harness.as_table(kept | harness.rows())
        made_on = f"On {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}.\n\n"
        DOCUMENT.write_text(before + _BEGIN + "\n" + made_on + table + "\n" + _END + after)
