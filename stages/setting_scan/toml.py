"""Settings in Kit's TOML files: the ``[settings]`` tables, and the arguments of ``[[test]]`` entries."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from stages import kit_toml
from stages.artifacts.settings import Definition, SettingUse
from stages.failures import StageWarning
from stages.setting_scan.paths import arguments, canonical, value_type

_HEADING = re.compile(r"([-=*_~+/])\1\1.*\1\1\1\Z")
# A comment line that may be a disabled setting, not a description. `_is_disabled` decides.
_DISABLED = re.compile(r"""[\w."'\-]*[A-Za-z_][\w."'\-]*\s*(?:\+\+)?=\s*\S""")

# Lines between one element of an array and the next.
_LONGEST_ARRAY = 100
_APP_TABLES = frozenset({"package", "core", "dependencies", "settings", "template"})


class TomlSettings(NamedTuple):
    """The settings in one TOML file.

    Attributes:
        definitions: One record per value below ``[settings]``, in the order of the file.
        uses: The ``--/path=value`` arguments of its ``[[test]]`` entries.
        warnings: Warnings about unreadable parts.
    """

    definitions: list[Definition]
    uses: list[SettingUse]
    warnings: list[StageWarning]


def toml_settings(
    data: bytes, *, file: str, owner: str, choice: bool = False, broken_known: bool = False
) -> TomlSettings:
    """Return the settings of an ``extension.toml`` or ``.kit`` file.

    Args:
        data: The file's content.
        file: Its path relative to the owner's folder.
        owner: The id of the extension or app, for the warnings.
        choice: True for the ``.kit`` file of an app. Without the tables of an app or extension the file is a preset: a
            table of settings that an app merges into its own (``rendering_modes/quality.kit``).
        broken_known: True if the file's errors are already reported elsewhere.
    """
    document = kit_toml.parse_lenient(data, name=file)
    depth = 0 if choice and not _APP_TABLES & document.values.keys() else 1
    definitions: list[Definition] = []
    uses: list[SettingUse] = []
    lines: list[bytes] = []
    for leaf in document.leaves:
        if len(leaf.path) > depth and (not depth or leaf.path[0] == "settings"):
            definitions.append(
                Definition(
                    path=canonical("/".join(leaf.path[depth:])),
                    type=value_type(leaf.value) or "unknown",
                    value=leaf.value,
                    line=leaf.line,
                    file=file,
                    documentation=_documentation(leaf.comment) or _documentation(leaf.trailing_comment),
                    filters=[f"{name}={value}" for name, value in leaf.filters],
                    append=leaf.append,
                    choice=choice,
                )
            )
        elif leaf.path[0] == "test" and "args" in leaf.path[1:]:
            lines = lines or data.splitlines()
            line = leaf.line
            for item in leaf.value if isinstance(leaf.value, list) else [leaf.value]:
                line = _line_of(item, lines, line)
                uses += arguments(item, file=file, line=line)
    warnings = [
        StageWarning(
            kind="toml-syntax",
            extension=owner,
            file=file,
            line=error.line,
            message=f"{error.reason}; this part of the file is left out.",
        )
        for error in ([] if broken_known else document.errors)
    ]
    warnings += [
        StageWarning(
            kind="toml-duplicate" if line else "toml-encoding",
            extension=owner,
            file=file,
            line=line,
            message=f"{text}.",
        )
        for line, text in document.notes
    ]
    return TomlSettings(definitions, uses, warnings)


def _line_of(item: Any, lines: list[bytes], begin: int) -> int:
    """Return the line of an element in the array that begins at a line, or that line if the element is not found."""
    text = item.encode() if isinstance(item, str) else b""
    if not text.isascii() or b'"' in text or b"\\" in text:  # the file may spell it differently
        text = text.split(b"=")[0]
    for number in range(begin, len(lines) + 1) if text else ():
        if text in lines[number - 1].partition(b"#")[0]:
            return number
        if number - begin > _LONGEST_ARRAY:
            break
    return begin


def _documentation(comment: str) -> str:
    lines = [re.sub(r"\s*#{2,}\Z", "", line) for line in comment.splitlines()]
    lines = [line for line in lines if not _is_disabled(line) and not _HEADING.match(line)]
    return "\n".join(lines).strip()


def _is_disabled(line: str) -> bool:
    """Return True if a comment is a statement of Kit's TOML: ``x.y = 2``, but not ``mode = fast or slow``."""
    if not _DISABLED.match(line):
        return False
    if line.rstrip().endswith(("[", "{")) or line.count('"""') == 1:
        return True  # the first line of a longer value
    return not kit_toml.parse_lenient(line.encode(), name="").errors
