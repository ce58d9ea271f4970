"""``doit diff``: compare two data sets, and find changes that break callers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from doit.cmd_base import Command
from doit.exceptions import InvalidCommand

from config import Config, ConfigError
from console.commands.command_line import configuration
from console.commands.options import OPT_JSON
from stages.artifacts.final_assembly import PREVIOUS
from stages.failures import StageError
from tasks.command_option import option
from tasks.doit_internals import started_in
from tasks.interspersed import InterspersedOptions
from tasks.stage_names import EXIT_FAILED, EXIT_NOT_STARTED

if TYPE_CHECKING:
    from comparison.changes import Comparison

EXIT_BREAKING = 3

_OPT_SINCE = option("since_last", "compare the data set with the one that the last run replaced", bool)
_OPT_EXTENSION = option(
    "extensions",
    "show only this extension, in detail: an id or a pattern (omni.ui*); may be repeated",
    list,
    "e",
    long="extension",
)
_OPT_ONLY = option(
    "only", "show only changes that break callers, in detail", choices=(("breaking", "changes that break callers"),)
)
_OPT_VERBOSE = option("verbose", "show every change, not only the numbers", bool, "v")
_OPT_MARKDOWN = option(
    "as_markdown", "print Markdown, short enough for a comment on a pull request", bool, long="markdown"
)
_OPT_HTML = option("html", "also write an HTML page to this file")
_OPT_FAIL = option(
    "fail_on",
    f"exit with code {EXIT_BREAKING} if a shown change breaks callers",
    choices=(("breaking", "changes that break callers"),),
)


class Diff(InterspersedOptions, Command):  # type: ignore[misc]
    """The doit command ``diff`` (plugin category COMMAND). It needs no tasks, so ``dodo.py`` is not loaded."""

    name = "diff"
    doc_purpose = "compare two data sets: API, settings, nodes, examples, and changes that break callers"
    doc_usage = "OLD NEW | --since-last [NEW]"
    doc_description = (
        "OLD, NEW: a Kit version in target_dir (107.3), a data set's folder, or a folder that holds one. "
        "Example: doit diff 106.5 107.3 --only breaking"
    )
    cmd_options = (
        _OPT_SINCE,
        _OPT_EXTENSION,
        _OPT_ONLY,
        _OPT_VERBOSE,
        OPT_JSON,
        _OPT_MARKDOWN,
        _OPT_HTML,
        _OPT_FAIL,
    )
    execute_tasks: ClassVar[bool] = False

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """Compare, print the result, and return the exit code."""
        if opt_values["since_last"] and len(pos_args) > 1:
            raise InvalidCommand(f"diff: expected one data set with --since-last, found {' '.join(pos_args)}.")
        if not opt_values["since_last"] and len(pos_args) != 2:
            raise InvalidCommand(
                f"diff: expected two data sets, found {' '.join(pos_args) or 'none'}. "
                "Examples: doit diff 106.5 107.3; doit diff --since-last"
            )
        if opt_values["as_json"] and opt_values["as_markdown"]:
            raise InvalidCommand("diff: expected --json or --markdown, found both.")
        try:
            config = configuration()
            comparison = compared(config, started_in(), pos_args, since_last=opt_values["since_last"])
            if comparison is None:
                return _nothing_to_compare(as_json=opt_values["as_json"])
            comparison = _narrowed(comparison, opt_values["extensions"], only_breaking=opt_values["only"] == "breaking")
            if opt_values["html"]:
                from console.diff import page

                page.write(started_in() / opt_values["html"], comparison)
        except ConfigError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_NOT_STARTED
        except StageError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_FAILED
        _print(comparison, opt_values)
        return EXIT_BREAKING if opt_values["fail_on"] == "breaking" and comparison.breaking else 0


def compared(config: Config, started_in: Path, named: list[str], *, since_last: bool) -> Comparison | None:
    """Return the comparison of two data sets. None with ``since_last`` if no run has replaced a data set yet.

    Args:
        config: The configuration, with the folders of the data sets.
        started_in: Base folder of relative paths.
        named: The two data sets; with ``since_last``, the new one or nothing.
        since_last: True to compare with the data set that the last run replaced.

    Raises:
        StageError: A data set is missing or incomplete.
    """
    from comparison.compare import compare
    from comparison.data_set import DataSet, find_data_set

    if not since_last:
        old, new = (find_data_set(name, config.target_dir, started_in) for name in named)
        return compare(DataSet(old), DataSet(new))
    new = find_data_set(named[0] if named else str(config.target_dir), config.target_dir, started_in)
    previous = config.work_dir / PREVIOUS / new.name
    if not previous.is_dir():
        return None
    return compare(DataSet(previous), DataSet(new))


def _nothing_to_compare(*, as_json: bool) -> int:
    """Report that no run has replaced a data set yet. This is normal after a first run, not a failure."""
    sys.stderr.write("No earlier data set is kept: no run has replaced a published data set yet.\n")
    if as_json:
        sys.stdout.write("null\n")
    return 0


def _narrowed(comparison: Comparison, extensions: list[str], *, only_breaking: bool) -> Comparison:
    """Return the selected part of a comparison. Warns about a pattern without changes."""
    for pattern in extensions:
        if not comparison.narrowed(extensions=[pattern]).extensions:
            sys.stderr.write(f'WARNING: no extension that matches "{pattern}" has changed.\n')
    return comparison.narrowed(extensions=extensions, only_breaking=only_breaking)


def _print(comparison: Comparison, options: dict[str, Any]) -> None:
    if options["as_json"]:
        shown = json.dumps(comparison.as_dict(), indent=2, sort_keys=True, ensure_ascii=False)
        sys.stdout.write(shown.encode("utf-8", "replace").decode() + "\n")
    elif options["as_markdown"]:
        from comparison.markdown import markdown

        sys.stdout.write(markdown(comparison))
    else:
        from console.diff.table import show

        show(comparison, in_detail=bool(options["verbose"] or options["extensions"] or options["only"]))
