"""Generate the tables of the reference pages from the program's schemas, parsers and doit commands.

MkDocs loads this module as a hook. A page contains ``<!-- reference: NAME -->``, a line for readers of the raw file,
and ``<!-- reference: end -->``. When the site is built, the function of that name in `PARTS` replaces the part between
the markers. The pages therefore always match the program.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import data_collection_pipeline
import run_pipeline
from config.request import FLAGS, Request
from stages.artifacts.catalog import PUBLISHED

ROOT = Path(__file__).resolve().parent.parent
_MARKED = re.compile(r"<!-- reference: (\w+) -->\n.*?<!-- reference: end -->\n", re.DOTALL)
_KINDS = ("wheel", "git", "path")
_FIELD_HEAD = ("field", "type", "meaning")
# Path, type, description, and True if the field may be absent.
_Row = tuple[str, str, str, bool]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page with its marked parts generated. MkDocs calls this for each page."""
    return filled(markdown)


def filled(markdown: str) -> str:
    """Return a page with its marked parts generated.

    Raises:
        KeyError: There is no part of that name.
    """
    return _MARKED.sub(lambda match: PARTS[match[1]]() + "\n", markdown)


def schema_of(path: str) -> dict[str, Any]:
    """Return a JSON Schema of the project."""
    found: dict[str, Any] = json.loads((ROOT / path).read_bytes())
    return found


# --- configuration ---------------------------------------------------------------------------------------------------


def config_keys() -> str:
    """Return every key of the configuration, section by section."""
    return config_part(schema_of("config/pipeline_config.schema.json"))


def config_part(schema: dict[str, Any]) -> str:
    """Return every key of a configuration's schema: description, allowed values, default and example."""
    lines: list[str] = []
    for section, table in schema["properties"].items():
        lines += [f"## `[{section}]` {{ #{section} }}", "", table["description"], ""]
        for key, rule in table["properties"].items():
            if (section, key) != ("input", "sources"):
                lines += _key(f"{section}.{key}", key, rule, schema)
        if section == "input":
            lines += _sources(schema)
    return "\n".join(lines)


def _sources(schema: dict[str, Any]) -> list[str]:
    lines = ["### `[[input.sources]]` { #input.sources }", ""]
    lines += [schema["properties"]["input"]["properties"]["sources"]["description"], ""]
    for kind in _KINDS:
        rule = schema["$defs"][kind]
        lines += [f'### `kind = "{kind}"` {{ #input.sources.{kind} }}', "", rule["description"], ""]
        for key, inner in rule["properties"].items():
            if key != "kind":
                anchor = f"input.sources.{kind}.{key}"
                lines += _key(anchor, key, inner, schema, required=key in rule["required"], level=4)
    return lines


def _key(
    anchor: str, key: str, rule: dict[str, Any], schema: dict[str, Any], *, required: bool = False, level: int = 3
) -> list[str]:
    rule = _resolved(rule, schema)
    default = "none; the key is required" if required else _default(rule)
    lines = [f"{'#' * level} `{key}` {{ #{anchor} }}", "", rule["description"], ""]
    lines += [f"- **Value:** {allowed(rule)}", f"- **Default:** {default}"]
    lines += [f"- **Example:** `{key} = {json.dumps(example)}`" for example in rule.get("examples", ())]
    return [*lines, ""]


def _default(rule: dict[str, Any]) -> str:
    default = rule.get("default")
    if default is None:
        return "not set"
    return "empty" if default in ("", []) else f"`{json.dumps(default)}`"


def allowed(rule: dict[str, Any]) -> str:
    """Return a description of the values that a configuration schema allows."""
    if "x-expected" in rule:
        return str(rule["x-expected"])
    if "enum" in rule:
        return _either(f"`{json.dumps(value)}`" for value in rule["enum"])
    kind = rule["type"] if isinstance(rule["type"], str) else rule["type"][0]
    words = {"string": "a string", "boolean": "`true` or `false`", "array": "a list of strings"}
    if kind == "integer":
        return f"a whole number from {rule['minimum']} to {rule['maximum']}"
    if kind == "number":
        return f"a number above {rule['exclusiveMinimum']}, up to {rule['maximum']}"
    return words[kind] + (" that is not empty" if rule.get("minLength") else "")


# --- files -----------------------------------------------------------------------------------------------------------


def output_files() -> str:
    """Return every output file that has a schema, with its fields."""
    lines: list[str] = []
    for file in PUBLISHED:
        schema = schema_of(f"stages/schemas/{file.schema}.schema.json")
        folders = {"work_dir": file.work_dir, "target_dir/<major.minor>": file.data_set, "target_dir": file.target_dir}
        shown = [f"{folder}/{place}" for folder, place in folders.items() if place]
        lines += [f"## `{Path(shown[0]).name}` {{ #{file.schema} }}", ""]
        lines += [schema.get("description", schema["title"] + "."), ""]
        lines += [f"- `{place}`" for place in shown] + [f"- Schema: `stages/schemas/{file.schema}.schema.json`", ""]
        lines += [fields(schema), ""]
    return "\n".join(lines)


def checkpoint_keys() -> str:
    """Return the keys of the checkpoint file."""
    return fields(schema_of("checkpoint/checkpoint.schema.json"))


def fields(schema: dict[str, Any]) -> str:
    """Return the fields of a file as a table, nested ones by path, and another table per variant of a part."""
    lines: list[str] = []
    for form, rows in _tables(schema):
        lines += ["", f"`{form}`:", ""] if form else []
        lines += _table(_FIELD_HEAD, _cells(rows))
    return "\n".join(lines)


def _tables(schema: dict[str, Any]) -> Iterator[tuple[str, list[_Row]]]:
    """Yield the fields of a file, then those of each variant of its parts, with the variant's name."""
    forms: list[str] = []
    yield "", list(_rows(schema, "", schema, forms))
    for form in forms:
        yield form, list(_rows(schema["$defs"][form], "", schema, []))


def _cells(rows: Sequence[_Row]) -> list[tuple[str, ...]]:
    return [
        (f"`{path}`", kind, f"{_sentence(meaning)}{' May be absent.' if optional else ''}".strip())
        for path, kind, meaning, optional in rows
    ]


def _rows(rule: dict[str, Any], path: str, schema: dict[str, Any], forms: list[str]) -> Iterator[_Row]:
    """Yield each field at and below a schema node.

    Args:
        rule: The schema node.
        path: Its path.
        schema: The whole schema.
        forms: Receives the names of parts with several variants.
    """
    rule = _resolved(rule, schema)
    for key, inner in rule.get("properties", {}).items():
        inner = _resolved(inner, schema)
        below = f"{path}.{key}".lstrip(".")
        names = [part["$ref"].rpartition("/")[2] for part in inner.get("anyOf", ()) if "$ref" in part]
        forms += [name for name in names if name not in forms]
        yield below, _type(inner, schema), inner.get("description", ""), key not in rule.get("required", ())
        yield from _rows(inner, below, schema, forms)
    if isinstance(rule.get("additionalProperties"), dict):
        yield from _rows(rule["additionalProperties"], f"{path}.<key>".lstrip("."), schema, forms)
    if isinstance(rule.get("items"), dict):
        yield from _rows(rule["items"], f"{path}[]", schema, forms)


def _type(rule: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return a description of a field's type."""
    rule = _resolved(rule, schema)
    several = rule.get("anyOf") or rule.get("oneOf")
    if several:
        several = sorted(several, key=lambda part: part.get("type") == "null")
        return _either(
            f"`{part['$ref'].rpartition('/')[2]}`" if "anyOf" in rule and "$ref" in part else _type(part, schema)
            for part in several
        )
    if "const" in rule:
        return f"`{json.dumps(rule['const'])}`"
    if "enum" in rule:
        return _either(f"`{json.dumps(value)}`" for value in rule["enum"])
    kinds = rule.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else sorted(kinds, key=lambda kind: kind == "null")
    if "array" in kinds and isinstance(rule.get("items"), dict):
        inner = _type(rule["items"], schema)
        kinds = [f"list of {inner}" if kind == "array" else kind for kind in kinds]
    others = rule.get("additionalProperties")
    if "object" in kinds and isinstance(others, dict) and not rule.get("properties"):
        inner = _type(others, schema)
        kinds = [f"object of {inner}" if kind == "object" else kind for kind in kinds]
    return _either(kinds)


def _resolved(rule: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema node with its reference resolved. Its own keywords take precedence."""
    if "$ref" not in rule:
        return rule
    found: dict[str, Any] = schema["$defs"][rule["$ref"].rpartition("/")[2]]
    return {**found, **{key: value for key, value in rule.items() if key != "$ref"}}


# --- command line ----------------------------------------------------------------------------------------------------


def script_options() -> str:
    """Return the common options of both scripts, then the options of each."""
    both = argparse.ArgumentParser(add_help=False)
    data_collection_pipeline.add_common_arguments(both)
    common = {option for option, _ in options_of(both)} | {"`-h`, `--help`"}
    lines = ["### Both scripts { #both }", "", *_table(("option", "effect"), options_of(both))]
    for script in (data_collection_pipeline, run_pipeline):
        own = [row for row in options_of(script.argument_parser()) if row[0] not in common]
        name = f"{script.__name__}.py"
        lines += ["", f"### Only `{name}` {{ #{script.__name__} }}", "", *_table(("option", "effect"), own)]
    return "\n".join([*lines, ""])


def options_of(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """Return each argument of a parser and its help."""
    rows = []
    for action in parser._actions:
        names = action.option_strings or [str(action.metavar)]
        shown = ", ".join(f"`{name}`" for name in names)
        if action.option_strings and action.metavar:
            value = f"[{action.metavar}]" if action.nargs == "?" else str(action.metavar)
            shown = ", ".join(f"`{name} {value}`" for name in names)
        rows.append((shown, _sentence(action.help or "")))
    return rows


def variables() -> str:
    """Return the doit variables that are not configuration keys."""
    parsers = (data_collection_pipeline.argument_parser(), run_pipeline.argument_parser())
    options = {name for parser in parsers for action in parser._actions for name in action.option_strings}
    rows = []
    descriptions = attributes_of(Request)
    for name, kind in FLAGS.items():
        option = "--" + name.replace("_", "-")
        value = "1" if kind == "bool" else "…"
        rows.append((f"`{name}={value}`", descriptions[name], f"`{option}`" if option in options else ""))
    return "\n".join([*_table(("variable", "effect", "option of the scripts"), rows), ""])


def attributes_of(kind: type) -> dict[str, str]:
    """Return the description of each attribute in the docstring of a class."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", text, re.MULTILINE | re.DOTALL)
    return {name: re.sub(r"``([^`]*)``", r"`\1`", " ".join(text.split())) for name, text in found}


def doit_commands() -> str:
    """Return the commands of this project, with their options, and doit's own."""
    from doit.doit_cmd import DoitMain

    commands = DoitMain().get_cmds().to_dict()
    own = [name for name, command in commands.items() if command.__module__.startswith(("checkpoint.", "console."))]
    lines: list[str] = []
    for name in sorted(own):
        command = commands[name]
        usage = " ".join(filter(None, ["doit", name, command.doc_usage]))
        lines += [f"### `{usage}` {{ #doit-{name} }}", "", _sentence(command.doc_purpose)]
        if command.doc_description:
            lines += ["", command.doc_description]
        rows = [(_doit_option(option), _sentence(option["help"])) for option in command.cmd_options]
        lines += ["", *_table(("option", "effect"), rows), ""]
    rows = [
        (f"`{' '.join(filter(None, ['doit', name, command.doc_usage]))}`", _sentence(command.doc_purpose))
        for name, command in sorted(commands.items())
        if name not in own
    ]
    lines += ["### Commands of doit itself { #doit-itself }", "", *_table(("command", "effect"), rows), ""]
    return "\n".join(lines)


def _doit_option(option: dict[str, Any]) -> str:
    value = "" if option["type"] is bool else "|".join(name for name, _ in option.get("choices", ())) or "…"
    names = [f"-{option['short']}"] if option.get("short") else []
    names += [f"--{option['long']}"] if option.get("long") else []
    return ", ".join(f"`{name} {value}`" if value else f"`{name}`" for name in names)


# --- Markdown --------------------------------------------------------------------------------------------------------


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    if not text.partition(" ")[0].endswith(":"):  # a value and its meaning stay in lower case
        text = text[:1].upper() + text[1:]
    return text + ("" if not text or text.endswith(".") else ".")


def _either(words: Any) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else str(last)


PARTS: dict[str, Callable[[], str]] = {
    "config_keys": config_keys,
    "checkpoint_keys": checkpoint_keys,
    "output_files": output_files,
    "script_options": script_options,
    "variables": variables,
    "doit_commands": doit_commands,
}
