"""The base class of all records, the types of their fields, and a function to read them.

Lengths, ranges, literals and digests are checked when a file is read. Other patterns are only in the published schemas
(`_published`): a file may contain tens of thousands of such values. The tests check them.
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
    """An object in a JSON file. It has all of its fields and no others. Records are not changed once created."""


def _published(**constraint: Any) -> Meta:
    """Return a constraint for the published schema only. It is not checked when a file is read."""
    return Meta(extra_json_schema=constraint)


Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Text = Annotated[str, Meta(min_length=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
# One of so many in a file that checking the digits takes longer than everything else.
Sha256OfMany = Annotated[str, Meta(min_length=64, max_length=64), _published(pattern="^[0-9a-f]{64}$")]
Names = Annotated[list[str], _published(uniqueItems=True)]
Version = Annotated[str, _published(pattern="^[0-9A-Za-z][0-9A-Za-z.+_-]{0,99}$")]
KitVersion = Annotated[str, _published(pattern="^[0-9]+\\.[0-9]+")]
ExtensionId = Annotated[str, Meta(min_length=1), _published(**{"not": {"pattern": r"[/\\\x00-\x1f]|\.\."}})]
# A relative path that stays in its folder; empty for the folder itself.
PathBelow = Annotated[str, _published(**{"not": {"pattern": r"^/|(^|/)\.\.(/|$)"}})]
FileBelow = Annotated[str, Meta(min_length=1), _published(**{"not": {"pattern": r"^/|(^|/)\.\.(/|$)"}})]
Files = Annotated[list[FileBelow], _published(uniqueItems=True)]


def read(path: Path, kind: type[_T]) -> _T:
    """Return the content of a JSON file, checked against its type.

    Args:
        path: The file.
        kind: The type of its content.

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
