"""A comparison as one HTML file, in the style of the report."""

from __future__ import annotations

import os
from pathlib import Path

from comparison import wording
from comparison.changes import Comparison
from stages.storage.jsonfile import write_bytes

MOST_CHANGES = 1000
"""Most changes to show per extension. A last line gives the number of the others."""


def write(path: Path, comparison: Comparison) -> None:
    """Write the page. It needs no network and no script. The same comparison gives the same bytes.

    Args:
        path: The HTML file.
        comparison: The comparison.

    Raises:
        StageError: The file cannot be written.
    """
    from console.report.page import style, templates

    text = (
        templates()
        .get_template("diff.html")
        .render(comparison=comparison, words=wording, most=MOST_CHANGES, style=style())
    )
    write_bytes(Path(os.path.abspath(path)), text.encode("utf-8", "replace"))
