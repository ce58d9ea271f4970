"""The form that the records of all files share, the types of their fields, and how to read them.

Lengths, ranges, literals and the digits of a digest are checked when a file is read. Other patterns stand in the
published schemas alone (`_published`): a file may hold tens of thousands of such values, and the tests check them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from stages.failures import StageError
from stages.storage.jsonfile import read_bytes, read_json

_T = TypeVar("_T")


class Record(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """An object in a JSON file: every field is there, and no other. Nobody changes one that was read or made."""


def _published(**constraint: Any) -> Meta:
    """Return a constraint of the published schema that is not checked when a file is read."""
    return Meta(extra_json_schema=constraint)


Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Text = Annotated[str, Meta(min_length=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Names = Annotated[list[str], _published(uniqueItems=True)]
Version = Annotated[str, _published(pattern="^[0-9A-Za-z][0-9A-Za-z.+_-]{0,99}$")]
KitVersion = Annotated[str, _published(pattern="^[0-9]+\\.[0-9]+")]
ExtensionId = Annotated[str, Meta(min_length=1), _published(**{"not": {"pattern": r"[/\\\x00-\x1f]|\.\."}})]
# A path that does not lead out of the folder that it is relative to; empty for the folder itself.
PathBelow = Annotated[str, _published(**{"not": {"pattern": r"^/|(^|/)\.\.(/|$)"}})]
FileBelow = Annotated[str, Meta(min_length=1), _published(**{"not": {"pattern": r"^/|(^|/)\.\.(/|$)"}})]
Files = Annotated[list[FileBelow], _published(uniqueItems=True)]


def read(path: Path, kind: type[_T]) -> _T:
    """Return the content of a JSON file, checked against its type.

    Args:
        path: The file.
        kind: The record that it holds.

    Raises:
        StageError: The file is missing, unreadable, not JSON, or of another form; the message names the key.
    """
    content = read_bytes(path)
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise StageError(
            f"{path}: not in the form that the pipeline writes ({error}). Delete it and run again."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        read_json(path)  # names the line
        raise StageError(f"{path}: not valid JSON ({error}). Delete it and run again.") from error
