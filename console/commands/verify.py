"""``doit verify``: check a published data set, or a copy of one, against its manifest and schemas."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from doit.cmd_base import Command
from doit.exceptions import InvalidCommand

from config import ConfigError
from console.commands.command_line import configuration
from console.commands.options import OPT_JSON
from stages.failures import StageError
from tasks.doit_internals import started_in
from tasks.interspersed import InterspersedOptions
from tasks.stage_names import EXIT_FAILED, EXIT_NOT_STARTED

if TYPE_CHECKING:
    from stages.publishing.verify import Verification

_SHOWN = 5


class Verify(InterspersedOptions, Command):  # type: ignore[misc]
    """The doit command ``verify`` (plugin category COMMAND). It needs no tasks, so ``dodo.py`` is not loaded."""

    name = "verify"
    doc_purpose = "check a data set against its manifest and schemas"
    doc_usage = "[FOLDER]"
    doc_description = (
        "FOLDER: a data set (target_dir/107.3), a folder of data sets, or a copy of either; target_dir if not given. "
        "Exit code 0: every data set is whole. 1: at least one fault; each has a line."
    )
    cmd_options = (OPT_JSON,)
    execute_tasks: ClassVar[bool] = False

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """Check the data sets, print the errors, and return the exit code."""
        from stages.publishing.verify import data_sets_in, verify

        if len(pos_args) > 1:
            raise InvalidCommand(f"verify: expected one folder, found {' '.join(pos_args)}.")
        try:
            results = [verify(folder) for folder in data_sets_in(_folder(pos_args))]
        except ConfigError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_NOT_STARTED
        except StageError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_FAILED
        sys.stdout.write(_as_json(results) if opt_values["as_json"] else "".join(map(_text, results)))
        return EXIT_FAILED if any(result.faults for result in results) else 0


def _folder(words: list[str]) -> Path:
    return started_in() / words[0] if words else configuration().target_dir


def _text(result: Verification) -> str:
    lines = [f"{result.folder / fault.file}: {_one_line(fault.message)}" for fault in result.faults]
    if not result.faults:
        lines.append(f"{result.folder}: Kit {result.kit_version}, {result.files} files, {result.size:,} bytes: whole.")
    if result.foreign:
        shown = ", ".join(map(_one_line, result.foreign[:_SHOWN])) + (", …" if len(result.foreign) > _SHOWN else "")
        lines.append(f"{result.folder}: {len(result.foreign)} files are not listed in the manifest: {shown}")
    return "".join(f"{line}\n" for line in lines)


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _as_json(results: list[Verification]) -> str:
    data_sets = [
        {
            "folder": str(result.folder),
            "kit_version": result.kit_version,
            "files": result.files,
            "bytes": result.size,
            "faults": [{"file": fault.file, "message": fault.message} for fault in result.faults],
            "not_listed": result.foreign,
        }
        for result in results
    ]
    whole = not any(result.faults for result in results)
    return json.dumps({"whole": whole, "data_sets": data_sets}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
