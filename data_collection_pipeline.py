#!/usr/bin/env python3
"""The data-collection pipeline from the command line, with checkpoint and resume.

python data_collection_pipeline.py                          run the tasks that are not up to date
python data_collection_pipeline.py --resume                 continue after a failure
python data_collection_pipeline.py --force                  start afresh
python data_collection_pipeline.py --resume --end settings  continue, up to a stage
"""

from __future__ import annotations

import bootstrap  # isort: skip  # noqa: F401 - it prepares the process for all other imports

import argparse
import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from checkpoint import file as checkpoint_file
from checkpoint.file import Checkpoint, CheckpointCorrupt, CheckpointNewer
from checkpoint.resume import restore
from config import ConfigError, load
from config.request import Request
from tasks.stage_names import EXIT_FAILED, EXIT_NOT_STARTED, PRE_STAGES, STAGES, UnknownStage, position

PROJECT = Path(__file__).resolve().parent
EXIT_CODES = """exit codes: 0 success; 1 a stage failed (--resume continues there); 2 the run could not start: wrong
arguments or configuration, or another run uses the work directory; 130 and 143 interrupted by Ctrl-C or SIGTERM"""
# doit's exit code → the scripts' exit code. doit: 1 a task failed, 2 a task could not be checked, 3 doit cannot start.
_EXIT_CODES = {0: 0, 1: EXIT_FAILED, 2: EXIT_NOT_STARTED, 3: EXIT_NOT_STARTED}


class DataCollectionPipeline:
    """The pipeline for use from Python. Each run is a doit run of ``dodo.py``.

    Attributes:
        config_path: The configuration file.
        overrides: Configuration values and flags, as for ``doit KEY=VALUE``.
        work_dir: The work directory.
        checkpoint_file: Path of the checkpoint.
    """

    def __init__(self, config_path: str | Path | None = None, overrides: Mapping[str, str] | None = None) -> None:
        """Read the configuration.

        Args:
            config_path: The configuration file; by default ``pipeline_config.toml`` of the project.
            overrides: Configuration values that replace those of the file, such as ``{"max_extensions": "25"}``.

        Raises:
            config.ConfigError: The configuration cannot be used.
        """
        self.config_path = Path(os.path.abspath(config_path or PROJECT / "pipeline_config.toml"))
        self.overrides: dict[str, str] = dict(overrides or {})
        request = Request.from_variables(self.overrides, Path.cwd())
        self.config = load(self.config_path, request.overrides)
        self.work_dir = self.config.work_dir
        self.checkpoint_file = checkpoint_file.path_in(self.work_dir)
        self.kit_cache_path: str | None = None
        self.kit_version: str | None = None

    def run(
        self,
        start_stage: str | None = None,
        end_stage: str | None = None,
        resume: bool = False,
        force: bool = False,
    ) -> bool:
        """Run the pipeline and return True on success. Reports an unknown stage on standard error.

        Args:
            start_stage: The first stage to run. ``resume`` overrides it.
            end_stage: The last stage to run.
            resume: Continue after the last complete stage.
            force: Ignore the checkpoint and start afresh. Overrides ``resume``.
        """
        return self.run_for_code(start_stage, end_stage, resume=resume, force=force) == 0

    def run_for_code(
        self, start_stage: str | None = None, end_stage: str | None = None, *, resume: bool = False, force: bool = False
    ) -> int:
        """Run the pipeline like `run`, and return the exit code: 0 success, 1 a stage failed, 2 not started.

        Raises:
            SystemExit: The run was interrupted (code 130 or 143).
        """
        variables = {"start": start_stage or "", "end": end_stage or "", "resume": resume, "force": force}
        return self._doit("run", [f"{key}={_text(value)}" for key, value in variables.items() if value])

    def dry_run(self, arguments: Sequence[str] = (), *, as_json: bool = False) -> int:
        """Print the plan of a run with reasons. Changes nothing. ``arguments`` are those of `run` as KEY=VALUE."""
        return self._doit("dry-run", [*(["--json"] if as_json else []), *arguments])

    def report(self, file: str = "", *, resume: bool = False) -> int:
        """Write the HTML report, to ``report.html`` in the work directory or to ``file``.

        Args:
            file: The HTML file, relative to the current folder.
            resume: True if the run was resumed. The report then uses the values that the checkpoint restores.
        """
        arguments = [*(["-o", os.path.abspath(file)] if file else []), *(["resume=1"] if resume else [])]
        return self._doit("report", arguments)

    def show_checkpoint(self, *, as_json: bool = False) -> int:
        """Print the checkpoint: the completed stages, the failure, and the tasks that a resume would run."""
        return self._doit("checkpoint", [*(["--json"] if as_json else []), "resume=1", "show"])

    def clear_checkpoint(self) -> int:
        """Remove the checkpoint."""
        return self._doit("checkpoint", ["clear"])

    def _doit(self, command: str, arguments: Sequence[str]) -> int:
        """Run a doit command on ``dodo.py``. Ignores ``doit.cfg`` and ``pyproject.toml`` in the current folder."""
        from doit.doit_cmd import DoitMain

        sys.modules.pop("dodo", None)  # otherwise doit reuses the module of an earlier run
        overrides = [f"{key}={value}" for key, value in self.overrides.items()]
        everything = [command, "-f", str(PROJECT / "dodo.py"), f"config={self.config_path}", *overrides, *arguments]
        before = Path.cwd()
        try:
            return _EXIT_CODES[DoitMain(config_filenames=()).run(everything)]
        except SystemExit as stopped:
            if stopped.code in (EXIT_FAILED, EXIT_NOT_STARTED):
                return int(stopped.code)
            raise
        finally:
            os.chdir(before)

    def _load_checkpoint(self) -> dict[str, Any] | None:
        """Return the checkpoint with all its keys, or None if there is no usable one."""
        try:
            found = checkpoint_file.load(self.work_dir)
        except (CheckpointCorrupt, CheckpointNewer) as error:
            sys.stderr.write(f"WARNING: {self.checkpoint_file}: {error}\n")
            return None
        if found is None:
            return None
        found.work_dir = str(self.work_dir)  # the current path, even if it was written elsewhere
        return found.to_dict()

    def _save_checkpoint(self, completed_stages: Sequence[str], snapshot: Mapping[str, str] | None = None) -> None:
        """Write a checkpoint with the given complete stages. A run still checks them.

        Args:
            completed_stages: Names of the stages.
            snapshot: ``kit_cache_path`` and ``kit_version``, if known.

        Raises:
            tasks.stage_names.UnknownStage: A name is not a stage.
            stages.failures.StageError: The file cannot be written.
        """
        for stage in completed_stages:
            position(stage)
        self.work_dir.mkdir(parents=True, exist_ok=True)
        known = snapshot or {}
        checkpoint_file.save(
            Checkpoint(
                work_dir=str(self.work_dir),
                completed_stages=list(completed_stages),
                kit_cache_path=known.get("kit_cache_path", self.kit_cache_path),
                kit_version=known.get("kit_version", self.kit_version),
                status="stopped",
            )
        )

    def _restore_config_from_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Restore the documented values of a checkpoint, and the settings that control the amount of work.

        Args:
            checkpoint: A result of `_load_checkpoint`.

        Raises:
            checkpoint.resume.ResumeRefused: The run read a Kit cache that neither the configuration nor a flag names.
        """
        snapshot = checkpoint["config_snapshot"]
        self.kit_cache_path, self.kit_version = snapshot["kit_cache_path"], snapshot["kit_version"]
        self.work_dir = Path(snapshot["work_dir"])
        self.checkpoint_file = checkpoint_file.path_in(self.work_dir)
        found = Checkpoint(work_dir=str(self.work_dir), overrides=dict(checkpoint.get("overrides", {})))
        request = Request.from_variables(self.overrides, Path.cwd())
        named = [source["path"] for source in self.config.sources() if source["kind"] == "path"]
        request, _ = restore(found, request, named)
        self.overrides |= {key: _text(value) for key, value in request.kept.items()}

    def _clear_checkpoint(self) -> None:
        """Remove the checkpoint, if there is one."""
        checkpoint_file.clear(self.work_dir)


def _text(value: object) -> str:
    return {True: "1", False: "0"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of both scripts."""
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: pipeline_config.toml)")
    parser.add_argument("--resume", action="store_true", help="continue after the last complete stage")
    parser.add_argument("--force", action="store_true", help="ignore any checkpoint, clean, and start afresh")
    parser.add_argument("--update", action="store_true", help="fetch newer commits of git sources")
    parser.add_argument("--no-cache", action="store_true", help="ignore the embedding cache and embed every text again")
    parser.add_argument("--yes", action="store_true", help="spend more than embeddings.max_cost on a service")
    parser.add_argument("--dry-run", action="store_true", help="show the tasks that would run, and why; change nothing")
    parser.add_argument(
        "--show-checkpoint", action="store_true", help="show the checkpoint and the tasks that a resume would run"
    )
    parser.add_argument("--clear-checkpoint", action="store_true", help="remove the checkpoint")
    parser.add_argument(
        "--report", nargs="?", const="", metavar="FILE", help="write an HTML report after the run (see doit report)"
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="print only warnings and errors; the log file has the rest"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="print each task that runs")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print a JSON summary of the run (or of --show-checkpoint, --dry-run) and nothing else on standard output",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with code 1 if a file was left out because of an internal error"
    )
    parser.add_argument("--junit", metavar="FILE", help="write the stages as test cases of a JUnit XML file")
    parser.add_argument(
        "--annotations",
        action=argparse.BooleanOptionalAction,
        help="show warnings and failures at their lines on GitHub (default: if GITHUB_ACTIONS=true)",
    )
    parser.epilog = EXIT_CODES


def run_command_line(arguments: argparse.Namespace, overrides: Mapping[str, str], selection: Mapping[str, str]) -> int:
    """Execute the parsed arguments of either script and return the exit code.

    Args:
        arguments: The arguments of `add_common_arguments`.
        overrides: Configuration values and flags, as for ``doit KEY=VALUE``.
        selection: ``start`` and ``end``, if given.
    """
    values = dict(overrides)
    flags = ("update", "no_cache", "yes", "quiet", "verbose", "json", "strict")
    values |= {key: "1" for key in flags if getattr(arguments, key)}
    if arguments.junit:
        values["junit"] = os.path.abspath(arguments.junit)
    if arguments.annotations is not None:
        values["annotations"] = _text(arguments.annotations)
    try:
        for stage in selection.values():
            position(stage)
        pipeline = DataCollectionPipeline(arguments.config, values)
    except (ConfigError, UnknownStage) as error:
        sys.stderr.write(f"ERROR: {error}\n")
        if not (arguments.show_checkpoint or arguments.clear_checkpoint or arguments.dry_run):
            from console.outputs import not_started

            not_started(str(error), values)
        return EXIT_NOT_STARTED
    if arguments.show_checkpoint:
        return pipeline.show_checkpoint(as_json=arguments.json)
    if arguments.clear_checkpoint:
        return pipeline.clear_checkpoint()
    if arguments.dry_run:
        chosen = {key: "1" for key in ("resume", "force") if getattr(arguments, key)}
        return pipeline.dry_run([f"{k}={v}" for k, v in {**selection, **chosen}.items()], as_json=arguments.json)
    code = pipeline.run_for_code(
        selection.get("start"), selection.get("end"), resume=arguments.resume, force=arguments.force
    )
    if arguments.report is not None and code != EXIT_NOT_STARTED:
        # The path of the report is not part of the run's output, which may be pure JSON.
        with contextlib.redirect_stdout(sys.stderr):
            code = pipeline.report(arguments.report, resume=arguments.resume and code != 0) or code
    return code


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of this script's command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_common_arguments(parser)
    parser.add_argument("--start", metavar="STAGE", help="first stage to run; its inputs must exist")
    parser.add_argument("--end", metavar="STAGE", help="last stage to run")
    parser.add_argument("--list-stages", action="store_true", help="list the stages in order")
    parser.add_argument("values", nargs="*", metavar="KEY=VALUE", help="configuration values, as for doit")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` and return the exit code: 0 success, 1 a stage failed, 2 not started."""
    parser = argument_parser()
    arguments = parser.parse_args(argv)
    if arguments.list_stages:
        for number, stage in enumerate(STAGES, 1):
            print(f"{number}. {stage}{' (pre)' if stage in PRE_STAGES else ''}")
        return 0
    for text in arguments.values:
        if "=" not in text:
            parser.error(f"unexpected argument {text!r}; expected KEY=VALUE")
    overrides = dict(text.split("=", 1) for text in arguments.values)
    selection = {key: getattr(arguments, key) for key in ("start", "end") if getattr(arguments, key)}
    return run_command_line(arguments, overrides, selection)


if __name__ == "__main__":
    sys.exit(main())
