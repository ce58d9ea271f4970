"""One command line, configured: the checkpoint that it found, what it takes over, and which stages it selects."""

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

from doit import get_initial_workdir

from checkpoint import file as checkpoint_file
from checkpoint import origin
from checkpoint.file import Checkpoint, CheckpointCorrupt, CheckpointNewer
from checkpoint.progress import Console
from checkpoint.resume import Notice, ResumeRefused, changes_since, restore
from config import Config, ConfigError, load
from config.request import Request
from stages.failures import StageError
from tasks import doit_internals, lock
from tasks.file_state import FileStateChecker
from tasks.pipeline import Pipeline
from tasks.stage_names import EXIT_NOT_STARTED, STAGES, UnknownStage, position

DATABASE_NAME = ".doit.db"
# Whether the command about to be loaded changes the work directory: then its lock is taken before anything is read.
_exclusive: ContextVar[bool] = ContextVar("exclusive", default=False)

NOT_STARTED = (ConfigError, CheckpointNewer, ResumeRefused, UnknownStage, StageError, lock.WorkDirBusy, OSError)


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Let the invocations that are made within take the lock of their work directory."""
    token = _exclusive.set(True)
    try:
        yield
    finally:
        _exclusive.reset(token)


@dataclasses.dataclass
class Invocation:
    """A configured command line.

    Attributes:
        request: The flags and overrides that are in force: those of the command line, and those that were restored.
        config: The configuration that is in force.
        found: The checkpoint of the work directory, if there is a usable one.
        unusable: Why the checkpoint cannot be used; empty if it can, or if there is none.
        notices: What to say of resuming when the run begins: level and message.
        pipeline: What the tasks are made with.
        make_console: Makes the console of a run.
    """

    request: Request
    config: Config
    found: Checkpoint | None
    unusable: str
    notices: list[Notice]
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
            make_console: Makes the console of a run, for a stream.
            not_started: Called with the message and the variables of the command line if the run cannot start.

        Raises:
            SystemExit: The command line or the configuration is wrong (code 2); one line on standard error says why.
        """
        # The tasks and their records are hundreds of thousands of objects that all live to the end of the run. To
        # collect garbage among them again and again takes a sixth of the time of a run that has nothing to do.
        gc.set_threshold(100_000, 50, 50)
        variables = doit_internals.command_line_variables()
        try:
            invocation = cls.from_variables(variables, Path(get_initial_workdir() or "."))
        except NOT_STARTED as error:
            sys.stderr.write(f"ERROR: {error}\n")
            not_started(str(error), variables)
            raise SystemExit(EXIT_NOT_STARTED) from None
        invocation.make_console = make_console
        return invocation

    @classmethod
    def from_variables(cls, variables: Mapping[str, str], started_in: Path) -> Invocation:
        """Return the invocation of some variables, see `Request`.

        Raises:
            ConfigError: A value or the configuration file is wrong.
            CheckpointNewer: The checkpoint to resume was written by a newer version.
            ResumeRefused: The command line does not name what the checkpoint's run was started with.
            UnknownStage: ``start`` or ``end`` is no stage.
            WorkDirBusy: The command is exclusive and another run has the work directory.
        """
        request = Request.from_variables(variables, started_in)
        for stage in filter(None, (request.start, request.end)):
            position(stage)
        path = started_in / request.config if request.config else None
        config = load(path, request.overrides)
        if _exclusive.get():
            lock.acquire(config.work_dir)
        notices: list[Notice] = []
        if request.force and request.resume:
            notices.append(("warning", "--force overrides --resume: the run starts afresh."))
        wanted = not request.force and (request.resume or bool(config.values["advanced"]["resume_on_failure"]))
        found, unusable = _load(config.work_dir, wanted=wanted)
        resuming = wanted and (found is not None or request.resume)
        if resuming and found is None and not unusable:
            notices.append(("info", "No checkpoint found: starting from the beginning."))
        if resuming and request.start:
            notices.append(("warning", f"--resume overrides --start: {request.start} is not where this run starts."))
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
        pinned, told = _pinned(request, config, found)
        origin.current.set(origin.Origin.of(config, request.kit_cache))
        pipeline = Pipeline(config, request, fallback_kit_version=fallback, pinned=pinned)
        refusal = pipeline.graph.refusal()
        if refusal:
            told.append(("warning", f"{refusal} The stage preparation makes it again."))
        return cls(request, config, found, unusable, [*notices, *told], pipeline)

    @property
    def resuming(self) -> bool:
        """Whether this run continues an earlier one."""
        return self.request.resume

    def made_elsewhere(self, former: origin.Origin | None) -> list[Notice]:
        """Return what to say of a work directory that was made at another place or by another configuration.

        Args:
            former: Where and by what its records were made, see `WriteThroughDatabase.former`.
        """
        if former is not None:
            return origin.notices(former, origin.Origin.of(self.config, self.request.kit_cache), resuming=self.resuming)
        if self.found is None or not self.resuming or self.found.is_of(self.config.work_dir):
            return []
        return [
            ("notice", f"The checkpoint is of another work directory, {self.found.work_dir}. Each stage is checked.")
        ]

    @property
    def selected(self) -> list[str]:
        """The stages that ``start``, ``end`` and ``quick`` leave."""
        first = position(self.request.start) if self.request.start else 0
        last = position(self.request.end) if self.request.end else len(STAGES) - 1
        return [stage for stage in self.pipeline.stages if first <= STAGES.index(stage) <= last]

    def why_left_out(self, stage: str) -> str:
        """Return why a stage is no part of this run; empty if it is."""
        if stage in self.selected or stage in self.pipeline.pinned:
            return ""
        return "quick" if stage not in self.pipeline.stages else f"after {self.request.end}"

    @property
    def kept_overrides(self) -> dict[str, Any]:
        """What the checkpoint keeps of this command line; holds no secret."""
        return {**self.request.kept, **{key: self.config.overrides[key] for key in self.request.overrides}}

    def doit_config(self, reporter: type) -> dict[str, Any]:
        """Return DOIT_CONFIG: our database, our check of files, a reporter, all cores."""
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
    """Return the checkpoint, or why there is one that cannot be used."""
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
    """Return the stages that the run does not check, each with the reason, and what to say of them.

    These are the stages before ``--start``. On a resume they are the completed ones if a source cannot be reached:
    nothing that is left may need it.
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
    told = f"{lost[0]}: the source cannot be reached. The completed stages are taken as they are."
    return dict.fromkeys(complete, "the source cannot be reached"), [("warning", told)]
