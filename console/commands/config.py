"""``doit config show|check|migrate``: show the effective values, validate them, or convert a former configuration."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any, ClassVar

from doit.cmd_base import Command
from doit.exceptions import InvalidCommand

from checkpoint.invocation import NOT_STARTED, Invocation
from config import Config, ConfigError
from config.request import Request
from config.schema import config_schema
from config.secrets import VARIABLE
from console.commands.options import OPT_JSON
from tasks import doit_internals
from tasks.doit_internals import started_in
from tasks.interspersed import InterspersedOptions
from tasks.stage_names import EXIT_NOT_STARTED

_WIDTH = 60


class ConfigCommand(InterspersedOptions, Command):  # type: ignore[misc]
    """The doit command ``config`` (plugin category COMMAND). It needs no tasks, so ``dodo.py`` is not loaded."""

    name = "config"
    doc_purpose = "show the effective configuration and its origin, check it, or migrate a file of the former pipeline"
    doc_usage = "show|check [KEY=VALUE …] | migrate FILE"
    doc_description = (
        "show: print each value with its origin (default, file, environment, command line, checkpoint), no secrets. "
        "check: validate everything that a run reads before it starts. "
        "migrate FILE: convert FILE from the former pipeline and print the result. Changed keys, and keys that could "
        "not be converted, are listed on standard error. "
        "The values of a command line may follow as for run: config=FILE, max_extensions=25, resume=1."
    )
    cmd_options = (OPT_JSON | {"help": "print JSON (show)"},)
    execute_tasks: ClassVar[bool] = False

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """Run the subcommand and return the exit code."""
        word, *files = pos_args or [""]
        if word == "migrate" and len(files) == 1:
            return _migrate(started_in() / files[0])
        if word not in ("show", "check") or len(files) > 1:
            raise InvalidCommand(f"config: expected {self.doc_usage}, found {shlex.join(pos_args) or 'nothing'}.")
        variables = doit_internals.command_line_variables() | ({"config": files[0]} if files else {})
        try:
            invocation = Invocation.from_variables(variables, started_in())
            invocation.config.secret("embeddings.api_key")
            given = Request.from_variables(variables, started_in())
        except NOT_STARTED as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_NOT_STARTED
        if word == "check":
            sys.stdout.write(f"{invocation.config.path}: valid.\n")
        elif opt_values["as_json"]:
            sys.stdout.write(json.dumps(_effective(invocation, given), indent=2, ensure_ascii=False) + "\n")
        else:
            sys.stdout.write(_text(invocation, _effective(invocation, given)))
        return 0


def _migrate(path: Path) -> int:
    from config.migrate import migrate

    try:
        migration = migrate(Path(os.path.abspath(path)))
    except ConfigError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return EXIT_NOT_STARTED
    sys.stdout.write(migration.text)
    lines = [f"changed: {line}" for line in migration.changed] + [
        f"LEFT OUT: {line}" for line in migration.not_converted
    ]
    if not lines:
        lines = [f"{path}: it has no keys of the former pipeline; it is printed unchanged."]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return 0


def _effective(invocation: Invocation, given: Request) -> dict[str, dict[str, Any]]:
    """Return each value and its origin by full key, without secrets and values of environment variables."""
    config = invocation.config
    found: dict[str, dict[str, Any]] = {}
    for section, table in config.public().items():
        for key, value in table.items():
            dotted = f"{section}.{key}"
            if dotted in config.overrides:
                origin = "command line" if dotted in given.overrides else "checkpoint"
            else:
                origin = "file" if (section, key) in config.given else "default"
            found[dotted] = {"value": value, "origin": origin, "environment": _variables(config, section, key, value)}
    if invocation.request.kit_cache:
        origin = "command line" if given.kit_cache else "checkpoint"
        sources = [{"kind": "path", "path": invocation.request.kit_cache}]
        found["input.sources"] = {"value": sources, "origin": origin, "environment": []}
    return found


def _variables(config: Config, section: str, key: str, value: Any) -> list[str]:
    """Return the names of the environment variables in a value."""
    if (section, key) in (("embeddings", "api_key"), ("embeddings", "endpoint_url")) and not config.uses_service:
        return []
    return sorted(set(VARIABLE.findall(json.dumps(value))))


def _text(invocation: Invocation, found: dict[str, dict[str, Any]]) -> str:
    """Return the effective configuration as TOML, with the origin of each value as a comment."""
    config = invocation.config
    lines = [f"# {config.path}", f"# work_dir: {config.work_dir}", f"# target_dir: {config.target_dir}"]
    lines += [f"# {message}" for _, message in invocation.notices]
    for section in config_schema()["properties"]:
        rows = [(key.partition(".")[2], row) for key, row in found.items() if key.startswith(f"{section}.")]
        lines += ["", f"[{section}]"]
        lines += _aligned([(_assignment(key, row["value"]), _origin(row)) for key, row in rows if key != "sources"])
        for number, source in enumerate(dict(rows).get("sources", {}).get("value", [])):
            row = dict(rows)["sources"]
            lines += ["", f"[[{section}.sources]]  # {_origin(row) if number == 0 else row['origin']}"]
            lines += [_assignment(key, value) for key, value in source.items() if value not in (None, [])]
    return "\n".join(lines) + "\n"


def _assignment(key: str, value: Any) -> str:
    import tomlkit

    if value is None:
        return f"# {key} is not set"
    return f"{key} = {tomlkit.item(value).as_string()}"


def _origin(row: dict[str, Any]) -> str:
    return str(row["origin"]) + (
        f", {', '.join(row['environment'])} from the environment" if row["environment"] else ""
    )


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(left) for left, _ in rows if len(left) <= _WIDTH), default=0)
    return [f"{left:<{width}}  # {right}" for left, right in rows]
