"""Create the pictures of the terminal: a real run on a pseudo terminal, a failed run, and the resumed run.

    python docs/make_terminal_pictures.py

Writes ``docs/images/terminal-running.svg``, ``terminal-failed.svg`` and ``terminal-resumed.svg``.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from itertools import groupby
from pathlib import Path

import pyte
import pyte.screens
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.project import make_project  # noqa: E402
from tests.terminal import run_on_terminal  # noqa: E402

IMAGES = ROOT / "docs" / "images"
COLUMNS, LINES = 100, 30
# The folder of the run, and another one of the same length: the picture is drawn by it.
_PLACE, _SHOWN_PLACE = re.compile(r"/tmp/pictures-\w{8}/kit"), "/home/you/projects/kit-run"  # noqa: S108


def picture(screen: pyte.Screen, name: str, title: str) -> None:
    """Write the contents of a screen as an SVG file."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        last = max((number for number, row in enumerate(screen.display) if row.strip()), default=0)
        for number in range(last + 1):
            line = Text()
            cells = [screen.buffer[number][column] for column in range(COLUMNS)]
            for style, run in groupby(cells, key=_style):
                line.append("".join(cell.data for cell in run), style)
            line.rstrip()
            console.print(line)
        console.save_svg(str(IMAGES / name), title=title, unique_id=name.removesuffix(".svg"))
        path = IMAGES / name
        path.write_text(_PLACE.sub(_SHOWN_PLACE, path.read_text()))


def _style(cell: pyte.screens.Char) -> str:
    """Return a cell's colour and weight in rich's words."""
    colour = "" if cell.fg == "default" else cell.fg if len(cell.fg) != 6 else f"#{cell.fg}"
    colour = {"brown": "yellow"}.get(colour, colour)
    return " ".join(filter(None, [colour, "bold" if cell.bold else ""]))


def main() -> None:
    """Run the pipeline, let it fail, resume it, and write the three pictures."""
    environ = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    for key in ("NO_COLOR", "CI", "GITHUB_ACTIONS"):
        environ.pop(key, None)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        project = make_project(Path(folder).resolve() / "kit", count=60, output__work_dir="_out")
        command = project.command("data_collection_pipeline.py")
        shown: set[str] = set()

        def look(screen: pyte.Screen) -> None:
            row = next((text for text in screen.display if "extension_data" in text), "")
            if "running" not in shown and any(f"{number} of 60" in row for number in range(20, 50)):
                shown.add("running")
                picture(screen, "terminal-running.svg", "python data_collection_pipeline.py")

        blocker = project.path / "_out" / "faiss_databases"
        blocker.parent.mkdir(parents=True)
        blocker.write_text("in the way")
        _, screen = run_on_terminal(command, cwd=ROOT, environ=environ, columns=COLUMNS, lines=LINES, look=look)
        picture(screen, "terminal-failed.svg", "python data_collection_pipeline.py")
        blocker.unlink()
        _, screen = run_on_terminal([*command, "--resume"], cwd=ROOT, environ=environ, columns=COLUMNS, lines=LINES)
        picture(screen, "terminal-resumed.svg", "python data_collection_pipeline.py --resume")


if __name__ == "__main__":
    main()
