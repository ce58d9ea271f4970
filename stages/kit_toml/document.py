"""Kit's dialect of TOML: ``extension.toml`` and ``.kit`` files, with the line and the comment of every value.

Kit accepts more than TOML 1.1, and real files rely on that. In addition to TOML this module accepts:

- a table declared twice, or one that continues a dotted key or an inline table: the parts are merged;
- a key given twice: the later value wins, as in Kit (noted in `Document.notes` if the values differ);
- the append operator: ``folders.'++' = [...]``, ``folders.++ = [...]``, ``folders ++= [...]``, and a ``'++'`` key in
  the table of the array's own name;
- configuration filters: ``"filter:platform"."linux-x86_64"`` and ``"filter:config"."release"`` anywhere in a key;
- a byte order mark (UTF-8 or UTF-16), any kind of line end, control characters in comments, and files that are not
  UTF-8 (read as Windows-1252, which includes Latin-1's printable characters).

Tokens such as ``${kit}`` stay unexpanded. Dates become strings, because Kit's settings have no dates.

Filters: `Document.leaves` contains every value with its filters. `Document.values` is a merged view in three layers:
values without a filter; over them, in the order of the file, values filtered for `DEFAULT_PLATFORM` and
`DEFAULT_CONFIG`; and for keys without such a value, the values of other filters. So the view is that of a release
build on Linux, plus the keys that only other platforms have.

`stages.kit_toml.lexer` splits the text, `stages.kit_toml.reader` combines the statements, and
`stages.kit_toml.filters` applies the filters.
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

    Skips a broken key or value. After a broken table header it skips everything up to the next header, because the
    table of these statements is unknown. Never raises `KitTomlError`.
    """
    reader = Reader(name, lenient=True)
    reader.read(data)
    return reader.document()
