"""``doit search``: find extensions, code examples and settings in the finished data set."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

from doit.cmd_base import Command
from doit.exceptions import InvalidCommand

from config import ConfigError
from console.commands.command_line import configuration
from console.commands.options import OPT_JSON, OPT_MODE
from stages.retrieval.search import Hit, SearchError, find_index, search
from tasks.command_option import option
from tasks.doit_internals import started_in
from tasks.interspersed import InterspersedOptions
from tasks.stage_names import EXIT_FAILED, EXIT_NOT_STARTED

_KINDS = {"extensions": "extensions", "code": "code_examples", "settings": "settings", "nodes": "nodes"}
_OPT_IN = option(
    "kind",
    "the kind of document to search (default: all)",
    long="in",
    choices=(("extensions", ""), ("code", "code examples"), ("settings", ""), ("nodes", "OmniGraph node types")),
)
_OPT_COUNT = option("k", "number of hits to show", int, "k", long="", default=10)
_OPT_DATA = option("data", "the folder of a data set (default: target_dir of the configuration)")
_OPT_EXTENSION = option(
    "extensions",
    "search only this extension: an id or a pattern (omni.ui*); may be repeated",
    list,
    "e",
    long="extension",
)
_OPT_PREFIX = option("prefix", "prefix of the name: an extension's id, an example's full name or a setting's path")
_OPT_VERBOSE = option("verbose", "print the code of examples, and descriptions in full", bool, "v")


class Search(InterspersedOptions, Command):  # type: ignore[misc]
    """The doit command ``search`` (plugin category COMMAND). It needs no tasks, so ``dodo.py`` is not loaded."""

    name = "search"
    doc_purpose = "search extensions, code examples and settings"
    doc_usage = "QUERY"
    doc_description = 'Example: doit search "open a usd stage" --in code --extension omni.usd -k 5 -v'
    cmd_options = (_OPT_IN, _OPT_EXTENSION, _OPT_PREFIX, OPT_MODE, _OPT_COUNT, _OPT_DATA, _OPT_VERBOSE, OPT_JSON)
    execute_tasks: ClassVar[bool] = False

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """Print the hits and return the exit code."""
        query = " ".join(pos_args)
        try:
            config = configuration()
            if not query.strip():
                raise InvalidCommand('search: expected a query. Example: doit search "open a usd stage"')
            hits = search(
                query,
                data_dir=started_in() / opt_values["data"] if opt_values["data"] else _data_dir(config),
                kind=_KINDS.get(opt_values["kind"]),
                k=opt_values["k"],
                mode=opt_values["mode"],
                extensions=opt_values["extensions"],
                prefix=opt_values["prefix"],
                options=config.options("embeddings"),
                api_key=config.secret("embeddings.api_key"),
            )
        except ConfigError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_NOT_STARTED
        except SearchError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_FAILED
        if opt_values["as_json"]:
            shown = {"query": query, "hits": [hit.as_dict() for hit in hits]}
            sys.stdout.write(json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        else:
            sys.stdout.write(text(hits, in_full=opt_values["verbose"]))
        return 0


def _data_dir(config: Any) -> Path:
    """Return the target folder, or the work folder of a run that has built indexes but not assembled them yet."""
    for folder in (config.target_dir, config.work_dir):
        try:
            find_index(folder, "extensions")
        except SearchError:
            continue
        return Path(folder)
    return Path(config.target_dir)


def text(hits: list[Hit], *, in_full: bool = False) -> str:
    """Return the hits as readable text, two lines each.

    Args:
        hits: The hits.
        in_full: True to add the code of examples and to cut no line.
    """
    if not hits:
        return "Nothing was found.\n"
    lines = []
    for number, hit in enumerate(hits, start=1):
        lines.append(f"{number:2}. {_NOUNS[hit.kind]} {hit.id}")
        summary = " ".join(_summary(hit).split())
        if summary:
            lines.append(f"      {summary}" if in_full or len(summary) <= _WIDTH else f"      {summary[: _WIDTH - 1]}…")
        if in_full and hit.kind == "code_examples":
            lines += ["", *(f"      {_shown(line)}".rstrip() for line in hit.metadata["source_code"].split("\n")), ""]
    return "\n".join(lines).rstrip() + "\n"


_NOUNS = {"extensions": "extension", "code_examples": "example", "settings": "setting", "nodes": "node"}
_WIDTH = 110


def _summary(hit: Hit) -> str:
    data = hit.metadata
    if hit.kind == "extensions":
        return " — ".join(part for part in (data["title"], data["description"]) if part)
    if hit.kind == "nodes":
        ports = f"({data['inputs']}) -> ({data['outputs']})"
        return " — ".join(part for part in (data["ui_name"], data["description"], ports) if part)
    if hit.kind == "settings":
        default = json.dumps(data["default_value"], ensure_ascii=False)
        return f"{data['type']}, default {default}" + (f" — {data['documentation']}" if data["documentation"] else "")
    return f"{data['extension']}/{data['file_path']}:{data['start_line']}, {data['line_count']} lines"


def _shown(line: str) -> str:
    """Return a line of code without terminal control characters."""
    return "".join(char if char.isprintable() or char == "\t" else repr(char)[1:-1] for char in line)
