"""One command line with its configuration, the checkpoint that it resumes, and the stages that it selects."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

from checkpoint import file as checkpoint_file
from checkpoint.file import Checkpoint, CheckpointCorrupt, CheckpointNewer
from checkpoint.origin import Origin
from checkpoint.origin import current as current_origin
from checkpoint.origin import notices as origin_notices
from checkpoint.progress import Console
from checkpoint.resume import Notice, ResumeRefused, changes_since, restore
from config import Config, ConfigError, load
from config.request import Request
from stages.failures import StageError
from tasks import doit_internals, lock
from tasks.doit_internals import started_in
from tasks.file_state import FileStateChecker
from tasks.pipeline import Pipeline
from tasks.stage_names import EXIT_NOT_STARTED, STAGES, UnknownStage, position
from tasks.workers.local import start_fork_server

DATABASE_NAME = ".doit.db"
# True if the command changes the work directory. It then takes the lock before it reads anything.
_exclusive: ContextVar[bool] = ContextVar("exclusive", default=False)

NOT_STARTED = (ConfigError, CheckpointNewer, ResumeRefused, UnknownStage, StageError, lock.WorkDirBusy, OSError)


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Make invocations created in this context take the lock of their work directory."""
    token = _exclusive.set(True)
    try:
        yield
    finally:
        _exclusive.reset(token)


@dataclasses.dataclass
class Invocation:
    """A configured command line.

    Attributes:
        request: The effective flags and overrides: from the command line, or restored from the checkpoint.
        config: The effective configuration.
        found: The usable checkpoint of the work directory, or None.
        unusable: Why the checkpoint cannot be used; empty if it can, or if there is none.
        notices: Messages to show when the run begins, each with its level.
        origin: The folders and the configuration of the work directory.
        pipeline: The pipeline that creates the tasks.
        make_console: Creates the console of a run.
    """

    request: Request
    config: Config
    found: Checkpoint | None
    unusable: str
    notices: list[Notice]
    origin: Origin
    pipeline: Pipeline
    make_console: Callable[[Invocation, TextIO], Console] | None = None

    @classmethod
    def from_command_line(
        cls,
        make_console: Callable[[Invocation, TextIO], Console],
        not_started: Callable[[str, Mapping[str, str]], None],
    ) -> Invocation:
        """Return the invocation of doit's command line.

        Args:
            make_console: Creates the console of a run for a stream.
            not_started: Called with the error message and the command line's variables if the run cannot start.

        Raises:
            SystemExit: The command line or the configuration is wrong. The exit code is 2; stderr has one line.
        """
        # The tasks and their records are hundreds of thousands of objects that live until the end of the run. Garbage
        # collection would take a sixth of the time of a run that has nothing to do.
        gc.set_threshold(100_000, 50, 50)
        variables = doit_internals.command_line_variables()
        try:
            invocation = cls.from_variables(variables, started_in())
        except NOT_STARTED as error:
            sys.stderr.write(f"ERROR: {error}\n")
            not_started(str(error), variables)
            raise SystemExit(EXIT_NOT_STARTED) from None
        invocation.make_console = make_console
        return invocation

    @classmethod
    def from_variables(cls, variables: Mapping[str, str], started_in: Path) -> Invocation:
        """Return the invocation for some command-line variables, see `Request`.

        Raises:
            ConfigError: A value or the configuration file is wrong.
            CheckpointNewer: The checkpoint to resume was written by a newer version.
            ResumeRefused: The command line does not name the Kit cache of the checkpoint's run.
            UnknownStage: ``start`` or ``end`` is not a stage.
            WorkDirBusy: The command is exclusive, and another run holds the work directory's lock.
        """
        request = Request.from_variables(variables, started_in)
        for stage in filter(None, (request.start, request.end)):
            position(stage)
        path = started_in / request.config if request.config else None
        config = load(path, request.overrides)
        if _exclusive.get():
            lock.acquire(config.work_dir)
            if not (config.work_dir / DATABASE_NAME).exists() and config.values["processing"]["scheduler"] == "local":
                start_fork_server()  # everything will run, and the workers need as long to start as dodo.py to load
        notices: list[Notice] = []
        if request.force and request.resume:
            notices.append(("warning", "--force overrides --resume: the run starts afresh."))
        wanted = not request.force and (request.resume or bool(config.values["advanced"]["resume_on_failure"]))
        found, unusable = _load(config.work_dir, wanted=wanted)
        resuming = wanted and (found is not None or request.resume)
        if resuming and found is None and not unusable:
            notices.append(("info", "No checkpoint found: starting from the beginning."))
        if resuming and request.start:
            notices.append(("warning", f"--resume overrides --start {request.start}."))
            request = dataclasses.replace(request, start="")
        fallback = None
        if resuming and found is not None:
            request, restored = restore(found, request, _path_sources(config))
            notices += restored
            if restored:
                config = load(path, request.overrides)
            changes = changes_since(found, config)
            notices += [("warning", f"The configuration has changed: {change}") for change in changes]
            fallback = found.kit_version
        request = dataclasses.replace(request, resume=resuming)
        if request.start and request.end and position(request.start) > position(request.end):
            raise ConfigError(f"command line: start={request.start} comes after end={request.end}.")
        pinned, more = _pinned(request, config, found)
        origin = Origin.of(config, request.kit_cache)
        current_origin.set(origin)
        pipeline = Pipeline(config, request, fallback_kit_version=fallback, pinned=pinned)
        refusal = pipeline.graph.refusal()
        if refusal:
            more.append(("warning", f"{refusal} The preparation stage rebuilds it."))
        return cls(request, config, found, unusable, [*notices, *more], origin, pipeline)

    @property
    def resuming(self) -> bool:
        """True if this run continues an earlier one."""
        return self.request.resume

    def made_elsewhere(self, former: Origin | None) -> list[Notice]:
        """Return notices about a work directory that was created elsewhere or with another configuration.

        Args:
            former: The origin of its records, see `WriteThroughDatabase.former`.
        """
        if former is not None:
            return origin_notices(former, self.origin, resuming=self.resuming)
        if self.found is None or not self.resuming or self.found.is_of(self.config.work_dir):
            return []
        return [
            ("notice", f"The checkpoint is for another work directory, {self.found.work_dir}. Each stage is checked.")
        ]

    @property
    def selected(self) -> list[str]:
        """The stages selected by ``start``, ``end`` and ``quick``."""
        first = position(self.request.start) if self.request.start else 0
        last = position(self.request.end) if self.request.end else len(STAGES) - 1
        return [stage for stage in self.pipeline.stages if first <= STAGES.index(stage) <= last]

    def why_left_out(self, stage: str) -> str:
        """Return why this run skips a stage; empty if it does not."""
        if stage in self.selected or stage in self.pipeline.pinned:
            return ""
        return "quick" if stage not in self.pipeline.stages else f"after {self.request.end}"

    @property
    def kept_overrides(self) -> dict[str, Any]:
        """The overrides to save in the checkpoint, without secrets."""
        return {**self.request.kept, **{key: self.config.overrides[key] for key in self.request.overrides}}

    def doit_config(self, reporter: type) -> dict[str, Any]:
        """Return DOIT_CONFIG: the project's database and file checker, a reporter, all cores."""
        return {
            "backend": "kit",
            "dep_file": self.pipeline.path(DATABASE_NAME),
            "check_file_uptodate": FileStateChecker,
            "reporter": reporter,
            "par_type": "thread",
            "num_process": self.pipeline.placement.in_flight,
            "verbosity": 2,
            "default_tasks": self.selected,
        }


def _load(work_dir: Path, *, wanted: bool) -> tuple[Checkpoint | None, str]:
    """Return the checkpoint, and the reason if it cannot be used."""
    try:
        return checkpoint_file.load(work_dir), ""
    except CheckpointCorrupt as error:
        return None, str(error)
    except CheckpointNewer:
        if wanted:
            raise
        return None, "it was written by a newer version of the pipeline"


def _path_sources(config: Config) -> list[str]:
    return [source["path"] for source in config.sources() if source["kind"] == "path"]


def _pinned(request: Request, config: Config, found: Checkpoint | None) -> tuple[dict[str, str], list[Notice]]:
    """Return the stages that the run does not check, each with the reason, and notices about them.

    These are the stages before ``--start``. On a resume with an unreachable source, they are the completed stages:
    the remaining stages may not need the source.
    """
    if request.start:
        return dict.fromkeys(STAGES[: STAGES.index(request.start)], f"before {request.start}"), []
    if not request.resume or found is None:
        return {}, []
    folders = [request.kit_cache] if request.kit_cache else _path_sources(config)
    lost = [folder for folder in folders if not os.path.isdir(folder)]
    complete = []
    for stage in STAGES:
        if stage not in found.completed_stages:
            break
        complete.append(stage)
    if not lost or len(complete) < 2:
        return {}, []
    warning = f"{lost[0]}: the source cannot be reached. The completed stages are not checked."
    return dict.fromkeys(complete, "the source cannot be reached"), [("warning", warning)]
