"""The published JSON Schemas, made from the types of the records; ``make schemas`` writes them.

The description of a field comes from the docstring of its record.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from stages.artifacts.catalog import PUBLISHED, PublishedFile
from stages.artifacts.embeddings import CodeExampleMetadata, ExtensionMetadata, NodeMetadata, SettingMetadata
from stages.artifacts.faiss import IndexedDocument
from stages.failures import StageWarning

FOLDER = Path(__file__).resolve().parent.parent / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FORMS = (ExtensionMetadata, CodeExampleMetadata, SettingMetadata, NodeMetadata)
_REFERENCE = "#/$defs/{name}"


def schemas() -> dict[str, dict[str, Any]]:
    """Return every published schema, by its file's name."""
    return {f"{file.schema}.schema.json": schema_of(file) for file in PUBLISHED}


def schema_of(file: PublishedFile) -> dict[str, Any]:
    """Return the schema of one kind of file."""
    kinds = [file.record, *(_FORMS if file.schema == "faiss_index" else ())]
    (top, *_), parts = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    for record in _records(kinds, parts):
        _describe(record, parts[record.__name__])
    if file.schema == "faiss_index":
        # A reader leaves the metadata undecoded, whatever its form.
        forms = [{"$ref": _REFERENCE.format(name=form.__name__)} for form in _FORMS]
        content = parts[IndexedDocument.__name__]["properties"]["metadata"]
        parts[IndexedDocument.__name__]["properties"]["metadata"] = {
            "description": content["description"],
            "anyOf": forms,
        }
    schema = {"$schema": _DIALECT, "$id": f"{file.schema}.schema.json"}
    schema |= parts.pop(top["$ref"].rpartition("/")[2]) if "$ref" in top else top
    return schema | {"title": file.title} | ({"$defs": dict(sorted(parts.items()))} if parts else {})


def _records(kinds: list[Any], parts: dict[str, Any]) -> list[type]:
    """Return the classes of a schema's parts."""
    found: dict[str, type] = {}
    pending: list[Any] = list(kinds)
    while pending:
        kind = pending.pop()
        if isinstance(kind, type) and kind.__name__ in parts and kind.__name__ not in found:
            found[kind.__name__] = kind
            pending += inspect.get_annotations(kind, eval_str=False) and _field_types(kind)
        else:
            pending += getattr(kind, "__args__", ())
    return list(found.values())


def _field_types(kind: type) -> list[Any]:
    from typing import get_type_hints

    return list(get_type_hints(kind, include_extras=False).values())


def _describe(record: type, part: dict[str, Any]) -> None:
    """Add the descriptions in a record's docstrings to its part of a schema."""
    text = inspect.cleandoc(record.__doc__ or "")
    part["description"] = _plain(text.partition("\n\n")[0])
    part["additionalProperties"] = False
    descriptions: dict[str, str] = {}
    for kind in reversed(record.__mro__):
        descriptions |= _attributes(kind)
    if record is StageWarning:
        descriptions |= _attributes(StageWarning)
    for name, rule in part["properties"].items():
        part["properties"][name] = {"description": descriptions[name], **rule}


def _attributes(kind: type) -> dict[str, str]:
    """Return the description of each attribute in the docstring of a class."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", text, re.MULTILINE | re.DOTALL)
    return {name: _plain(description) for name, description in found}


def _plain(text: str) -> str:
    return re.sub(r"``([^`]*)``", r"`\1`", " ".join(text.split()))


def encoded(schema: dict[str, Any]) -> str:
    """Return the content of a schema's file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every schema, and remove obsolete ones."""
    made = schemas()
    for path in FOLDER.glob("*.schema.json"):
        if path.name not in made:
            path.unlink()
    for name, schema in made.items():
        (FOLDER / name).write_text(encoded(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
