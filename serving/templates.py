"""App templates of a data set: folders with ``.kit`` files and readmes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from stages.retrieval.lexical import words

_READMES = re.compile(r"readme\.(md|rst|txt)", re.IGNORECASE)
_FILE_CHARACTERS = 200_000


@dataclass(frozen=True)
class Template:
    """One template.

    Attributes:
        id: The folder's path below ``app_templates``.
        readme: Its readme; empty if it has none.
        kit_files: Its ``.kit`` files by name.
    """

    id: str
    readme: str
    kit_files: dict[str, str]

    def score(self, query: str) -> float:
        """Return the share of the query's words in the template, 0 to 1. Words in its name count most."""
        wanted = set(words(query))
        name = set(words(self.id))
        text = set(words(f"{self.readme} {' '.join(self.kit_files)} {' '.join(self.kit_files.values())}"))
        return (2 * len(wanted & name) + len(wanted & text)) / (3 * len(wanted)) if wanted else 0.0


def templates_in(folder: Path) -> dict[str, Template]:
    """Return the templates in a folder by id. Each folder that directly contains a ``.kit`` file is a template."""
    found: dict[str, Template] = {}
    for place in sorted({path.parent for path in folder.rglob("*.kit")}):
        readmes = [path for path in sorted(place.iterdir()) if _READMES.fullmatch(path.name)]
        identifier = place.relative_to(folder).as_posix()
        found[identifier] = Template(
            identifier,
            _text(readmes[0]) if readmes else "",
            {path.name: _text(path) for path in sorted(place.glob("*.kit")) if path.is_file()},
        )
    return found


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(_FILE_CHARACTERS)
