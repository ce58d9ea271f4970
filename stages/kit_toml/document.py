"""Kit's dialect of TOML: ``extension.toml`` and ``.kit`` files, with the place and the comment of every value.

Kit reads TOML more freely than TOML 1.1 allows, and real files rely on it. On top of plain TOML this module takes:

- a table that is declared twice, or that continues a dotted key or an inline table: the parts merge;
- a key that is given twice: the later value wins, as it does in Kit (noted in `Document.notes` if the values differ);
- the append operator: ``folders.'++' = [...]``, ``folders.++ = [...]``, ``folders ++= [...]``, and a ``'++'`` key in
  the table of the array's own name;
- configuration filters: ``"filter:platform"."linux-x86_64"`` and ``"filter:config"."release"`` anywhere in a key;
- a byte order mark (UTF-8 or UTF-16), any kind of line end, control characters in comments, and files that are not
  UTF-8 (read as Windows-1252, of which Latin-1's printable characters are a part).

Tokens such as ``${kit}`` are left as they are. Dates, which Kit's settings do not have, become strings.

How filters combine. `Document.leaves` holds every value under its own filters. `Document.values` is one merged view:
what is given without a filter; over it, in the order of the file, what is filtered for `DEFAULT_PLATFORM` and
`DEFAULT_CONFIG`; and where neither gives a value, what any other filter gives. So nothing is lost for being meant for
another platform, and where platforms differ the view is that of a release build on Linux.

The text is taken apart in `stages.kit_toml.lexer`, its statements put together in `stages.kit_toml.reader`, filters
applied in `stages.kit_toml.filters`.
"""

from __future__ import annotations

from typing import Any

from stages.kit_toml.model import Document
from stages.kit_toml.reader import Reader


def loads(data: bytes, *, name: str) -> dict[str, Any]:
    """Return the merged values of a file's content (see `Document.values`).

    Raises:
        KitTomlError: The content cannot be read as Kit's TOML.
    """
    return parse(data, name=name).values


def parse(data: bytes, *, name: str) -> Document:
    """Return the values of a file's content with their locations.

    Args:
        data: The bytes of the file.
        name: Name of the file in error messages.

    Raises:
        KitTomlError: The content cannot be read as Kit's TOML; it names the first broken line.
    """
    reader = Reader(name, lenient=False)
    reader.read(data)
    return reader.document()


def parse_lenient(data: bytes, *, name: str) -> Document:
    """Return the readable parts of a file's content, with an error for each broken part.

    A broken key or value is left out alone; after a broken table header everything up to the next header is, since
    nothing tells where it belongs. Never raises `KitTomlError`.
    """
    reader = Reader(name, lenient=True)
    reader.read(data)
    return reader.document()
