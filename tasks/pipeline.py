"""From the words of a command line to doit: which stages run, with which configuration, from which tasks.

`Pipeline` is what ``dodo.py`` builds its tasks with. It reads the variables of the command line
(``doit KEY=VALUE``; the scripts pass their flags on in the same form), loads the configuration, and on resume restores
what the checkpoint keeps of the run that failed.
"""

from __future__ import annotations

import gc
import hashlib
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from doit import doit_cmd, get_initial_workdir

from checkpoint import file as checkpoint_file
from checkpoint.file import Checkpoint, CheckpointCorrupt, CheckpointNewer
from config import Config, ConfigError, load
from console.outputs.run_outputs import Wanted, deliver_not_started
from stages.failures import StageError
from tasks.actions import CleanAction, StageAction
from tasks.file_state import FileStateChecker, Signature, signature
from tasks.stage_names import EXIT_NOT_STARTED, STAGES, UnknownStage, position
from tasks.uptodate import Freshness, PinnedFreshness
from tasks.workers.local import LocalWorkers, OneAtATime, Workers

if TYPE_CHECKING:
    from stages.pull_repo_exts import State
    from tasks.workers.dask import DaskWorkers

DATABASE_NAME = ".doit.db"
_QUICK_SKIPS = ("embeddings", "faiss")
# The stages whose work grows with an extension's Python files (bytes), and what each task is worth beside that.
_BY_PYTHON = ("extension_data", "code_examples")
_SIZE_OF_ANY = 20_000
# The stages that a Dask cluster does: what is left reads and writes beside the work directory, or is over in no time.
_DISTRIBUTED = ("extension_data", "code_examples", "settings", "embeddings")
# Tasks that are given to a Dask cluster at a time, where the configuration does not say.
_IN_FLIGHT = 128


@dataclass(frozen=True)
class Flags:
    """What a command line says beside configuration values; each is a doit variable of the same name.

    Attributes:
        config: The configuration file; relative to where the command was started.
        resume: Continue after the last complete stage.
        force: Clean and forget the selected stages first.
        start: The first stage to run.
        end: The last stage to run.
        update: Let git sources look for a newer commit.
        no_cache: Embed again what the embedding cache holds.
        quick: Leave out embeddings and FAISS.
        kit_cache: A Kit cache that takes the place of the configured sources.
        quiet: Print only what is wrong.
        verbose: Print each task that runs.
        json: Print a JSON summary on standard output, and all else on standard error.
        junit: A JUnit file to write; relative to where the command was started.
        annotations: ``1``: print warnings and failures in the form that GitHub shows them at their lines; ``0``: do
            not; empty: where GitHub's runner reads the output.
    """

    config: str = ""
    resume: bool = False
    force: bool = False
    start: str = ""
    end: str = ""
    update: bool = False
    no_cache: bool = False
    quick: bool = False
    kit_cache: str = ""
    quiet: bool = False
    verbose: bool = False
    json: bool = False
    junit: str = ""
    annotations: str = ""


@dataclass
class Pipeline:
    """A configured run: the parts that tasks are made of, and what the reporter has to know.

    Attributes:
        config: The configuration that is in force.
        flags: What the command line says.
        namespace: The names of ``dodo.py``, to load its tasks from.
        notices: What there is to say about resuming; told when a run begins.
        checkpoint: The checkpoint that is resumed, if one is.
        distrust: Why nothing that is recorded may be used; empty if it may.
        restored_kit_version: Kit version of the run that is resumed, for sources that don't tell.
        wanted: What is to be told to machines when the run ends.
    """

    config: Config
    flags: Flags
    namespace: dict[str, Any]
    notices: list[tuple[str, str]] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    distrust: str = ""
    restored_kit_version: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    wanted: Wanted = field(default_factory=Wanted)
    _short_folders: dict[Path, str] = field(default_factory=dict)
    _extensions_file: Signature | None = None
    _state_at_pull: tuple[Signature | None, State] | None = None
    _extensions: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_command_line(cls, namespace: dict[str, Any]) -> Pipeline:
        """Return the pipeline that the variables of doit's command line ask for.

        Args:
            namespace: ``globals()`` of ``dodo.py``.

        Raises:
            SystemExit: The command line or the configuration is wrong (code 2); one line on standard error says what.
        """
        variables = dict(doit_cmd._CMDLINE_VARS or {})
        # The tasks and their records are hundreds of thousands of objects that all live to the end of the run; to look
        # through them for garbage again and again takes a sixth of the time of a run that has nothing to do.
        gc.set_threshold(100_000, 50, 50)
        try:
            return cls.from_variables(variables, namespace)
        except (ConfigError, CheckpointNewer, UnknownStage, StageError) as error:
            sys.stderr.write(f"ERROR: {error}\n")
            deliver_not_started(str(error), _wanted(variables))
            raise SystemExit(EXIT_NOT_STARTED) from None

    @classmethod
    def from_variables(cls, variables: dict[str, str], namespace: dict[str, Any]) -> Pipeline:
        """Return the pipeline that some variables ask for, see `Flags`; all others override the configuration.

        Raises:
            ConfigError: A value or the configuration file is wrong.
            CheckpointNewer: The checkpoint to resume was written by a newer version.
            UnknownStage: ``start`` or ``end`` is no stage.
        """
        flags, overrides = _split(variables)
        started_in = Path(get_initial_workdir() or ".")
        path = started_in / flags.config if flags.config else None
        for stage in filter(None, (flags.start, flags.end)):
            position(stage)
        if flags.annotations:
            _as_bool("annotations", flags.annotations)
        pipeline = cls(load(path, overrides), flags, namespace, overrides=dict(overrides), wanted=_wanted(variables))
        if flags.kit_cache:
            pipeline.overrides["kit_cache"] = str((started_in / flags.kit_cache).resolve())
        if flags.quick:
            pipeline.overrides["quick"] = True
        pipeline._prepare_resume(path, overrides)
        if flags.start and flags.end and not pipeline.resuming and position(flags.start) > position(flags.end):
            raise ConfigError(f"command line: start={flags.start} comes after end={flags.end}.")
        return pipeline

    @property
    def resuming(self) -> bool:
        """Whether this run continues an earlier one."""
        wanted = self.flags.resume or self.config.values["advanced"]["resume_on_failure"]
        return bool(wanted) and not self.flags.force

    def _prepare_resume(self, path: Path | None, overrides: dict[str, str]) -> None:
        if self.flags.force:
            return
        try:
            found = checkpoint_file.load(self.config.work_dir)
        except CheckpointCorrupt as error:
            self.distrust = str(error)
            return
        except CheckpointNewer:
            if self.resuming:
                raise
            self.distrust = "it was written by a newer version of the pipeline"
            return
        self.checkpoint = found
        if not self.resuming:
            return
        if found is None:
            if self.flags.resume:
                self.notices.append(("info", "No checkpoint found: starting from the beginning."))
            return
        if self.flags.start:
            self.notices.append(
                ("warning", f"--resume overrides --start: {self.flags.start} is not where this run starts.")
            )
        self._restore(found, path, overrides)

    def _restore(self, found: Checkpoint, path: Path | None, overrides: dict[str, str]) -> None:
        """Take over what the command line of the resumed run had set and this one does not, and tell what differs."""
        restored = {key: value for key, value in found.overrides.items() if key not in self.overrides}
        for key, value in restored.items():
            self.notices.append(("info", f"Restored from the checkpoint: {key} = {value}"))
        self.overrides |= restored
        configured = {key: value for key, value in self.overrides.items() if key not in ("kit_cache", "quick")}
        if restored:
            self.config = load(path, {**configured, **overrides})
        if not self.config.values["input"]["sources"] and found.kit_cache_path and "kit_cache" not in self.overrides:
            self.overrides["kit_cache"] = found.kit_cache_path
            self.notices.append(("info", f"Restored from the checkpoint: kit_cache_path = {found.kit_cache_path}"))
        changes = self._changes_since(found)
        self.notices += [("warning", f"The configuration has changed: {change}") for change in changes]
        if not any(change.startswith("input.") for change in changes):
            self.restored_kit_version = found.kit_version

    def _changes_since(self, found: Checkpoint) -> list[str]:
        changes = []
        wanted = self.config.values["input"]["kit_version"]
        if wanted and found.kit_version and wanted != found.kit_version:
            changes.append(f"kit_version: checkpoint {found.kit_version}, config {wanted}")
        if found.configuration:
            now = self.config.public()
            for section in sorted(found.configuration.keys() | now.keys()):
                before, after = found.configuration.get(section, {}), now.get(section, {})
                for key in sorted(before.keys() | after.keys()):
                    if before.get(key) != after.get(key) and key != "kit_version":
                        changes.append(f"{section}.{key}: checkpoint {before.get(key)}, config {after.get(key)}")
        return changes

    # --- what dodo.py asks for ---------------------------------------------------------------------------------------

    def doit_config(self) -> dict[str, Any]:
        """Return DOIT_CONFIG: our database, our check of files, our reporter, all cores."""
        from checkpoint.reporter import PipelineReporter

        return {
            "backend": "kit",
            "dep_file": self.path(DATABASE_NAME),
            "check_file_uptodate": FileStateChecker,
            "reporter": type("BoundReporter", (PipelineReporter,), {"pipeline": self}),
            "par_type": "thread",
            "num_process": self.in_flight,
            "verbosity": 2,
            "default_tasks": self.selected,
        }

    @property
    def quick(self) -> bool:
        """Whether embeddings and FAISS are left out."""
        return bool(self.overrides.get("quick"))

    @property
    def stages(self) -> list[str]:
        """The stages of a whole run."""
        return [stage for stage in STAGES if not (self.quick and stage in _QUICK_SKIPS)]

    @property
    def selected(self) -> list[str]:
        """The stages that this run is asked for; resuming begins with the first."""
        first = position(self.flags.start) if self.flags.start and not self.resuming else 0
        last = position(self.flags.end) if self.flags.end else len(STAGES) - 1
        return [stage for stage in self.stages if first <= STAGES.index(stage) <= last]

    def why_left_out(self, stage: str) -> str:
        """Return why a stage is no part of this run; empty if it is."""
        if stage in self.selected:
            return ""
        if stage not in self.stages:
            return "quick"
        started_later = self.flags.start and STAGES.index(stage) < position(self.flags.start)
        return f"before {self.flags.start}" if started_later else f"after {self.flags.end}"

    @property
    def to_the_end(self) -> bool:
        """Whether the last stage is among the selected: then the run is over when they are complete."""
        return self.selected[-1:] == [STAGES[-1]]

    @property
    def roots(self) -> tuple[str, str]:
        """The work directory and the target directory, absolute: nothing outside them is ever removed."""
        return str(self.config.work_dir), str(self.config.target_dir)

    def path(self, name: str) -> str:
        """Return a path below the work directory: relative to the project if it is inside, so that it may move.

        Args:
            name: Relative to the work directory, or absolute.
        """
        return self._below(self.config.work_dir, name)

    def target_path(self, name: str) -> str:
        """Return a path below the target directory, in the form of `path`."""
        return self._below(self.config.target_dir, name)

    def _below(self, folder: Path, name: str) -> str:
        # Asked for each file of each task: only the folder is worth a look at how it lies to the project.
        if not name or name[0] == "." or os.path.isabs(name):
            return _short(folder / name)
        short = self._short_folders.get(folder)
        if short is None:
            short = self._short_folders[folder] = _short(folder)
        return os.path.join(short, name)

    def pull_arguments(self) -> dict[str, Any]:
        """Return the arguments of `stages.pull_repo_exts.pull` beside the work directory."""
        options = self.config.options("input")
        return {
            "sources": self._sources(),
            "kit_version": options["kit_version"] or self.restored_kit_version,
            "limits": {key: value for key, value in options.items() if key.startswith("max_")},
            "update": self.flags.update,
            "search_from": [Path(get_initial_workdir() or ".")],
        }

    def pull_fingerprint(self, state_of: Callable[[list[dict[str, Any]], Path], State]) -> dict[str, Any]:
        """Return what the output of ``pull_repo_exts`` depends on; no secret and no credentials.

        Args:
            state_of: Tells the state of the sources without the network.
        """
        options = self.config.section("input")
        del options["excluded_extensions"]
        if self._kit_cache:
            options["sources"] = [{"kind": "path", "path": self._kit_cache}]
        state = state_of(self._sources(), self.config.work_dir)
        self._state_at_pull = (self._sources_file(), state)
        return {**options, "signature": state.signature}

    def sources_state(self, state_of: Callable[[list[dict[str, Any]], Path], State]) -> dict[str, Any]:
        """Return the state of the sources, as a dictionary, for the stage that lists their files.

        That of ``pull_repo_exts`` does not do: files may have come and gone between the two.
        """
        known, self._state_at_pull = self._state_at_pull, None
        if known is not None and known[0] is not None and known[0] == self._sources_file():
            return known[1]._asdict()  # nothing has been pulled since it was found out
        return state_of(self._sources(), self.config.work_dir)._asdict()

    def _sources_file(self) -> Signature | None:
        try:
            return signature(os.stat(self.path("sources.json")))
        except OSError:
            return None

    @property
    def _kit_cache(self) -> str:
        return str(self.overrides.get("kit_cache", ""))

    def _sources(self) -> list[dict[str, Any]]:
        """Return the configured sources, or the one Kit cache that the command line names instead."""
        return [{"kind": "path", "path": self._kit_cache}] if self._kit_cache else self.config.sources()

    def embedding_options(self) -> dict[str, Any]:
        """Return the section ``embeddings`` without the key."""
        return self.config.options("embeddings")

    def api_key(self) -> str | None:
        """Return the key of the embedding service, read from the environment now.

        Raises:
            ConfigError: The service is used and its variable is not set.
        """
        return self.config.secret("embeddings.api_key")

    def found(self) -> tuple[str | None, str | None]:
        """Return the Kit cache's absolute path and the Kit version that ``pull_repo_exts`` found, None if unknown."""
        try:
            sources = orjson.loads(Path(self.path("sources.json")).read_bytes())
            path = sources["kit_cache_path"]
            return os.path.abspath(self.config.work_dir / path) if path else None, sources["kit_version"]
        except (OSError, ValueError, KeyError, TypeError):
            return None, None

    def times(self, records: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
        """Return for each stage when its tasks last ran and what each took: start (ISO), seconds, and per subtask.

        Args:
            records: What doit's database has of each task.
        """
        found: dict[str, dict[str, Any]] = {}
        for task, record in records:
            values = record.get("_values_:", {})
            if "seconds" not in values:
                continue
            stage, _, subtask = task.partition(":")
            told = found.setdefault(stage, {"started": values["started"], "seconds": 0.0, "subtasks": {}})
            told["started"] = min(told["started"], values["started"])
            told["seconds"] = round(told["seconds"] + values["seconds"], 3)
            if subtask:
                told["subtasks"][subtask] = values["seconds"]
        return found

    def places(self) -> dict[str, str | None]:
        """Return, for the summary of a run, where things are and which Kit version was found."""
        from stages import final_assembly

        version, config = self.found()[1], self.config
        checkpoint = checkpoint_file.path_in(config.work_dir)
        data_set = config.target_dir / ".".join((version or "").split(".")[:2])
        report = config.target_dir / final_assembly.REPORT_NAME
        return {
            "kit_version": version,
            "work_dir": str(config.work_dir),
            "data_set": str(data_set) if version and data_set.is_dir() else None,
            "completion_report": str(report) if report.is_file() else None,
            "checkpoint": str(checkpoint) if checkpoint.is_file() else None,
            "log_file": str(config.log_file),
        }

    def sizes_of(self, stage: str, tasks: Sequence[str]) -> dict[str, int]:
        """Return about how much work each task of a stage is, in any unit: for the time that is left."""
        python = {entry["id"]: entry["size"] for entry in self.extensions} if stage in _BY_PYTHON else {}
        return {task: _SIZE_OF_ANY + python.get(task.partition(":")[2], 0) for task in tasks}

    def files_of(self, owner: dict[str, Any], files: Iterable[str]) -> list[str]:
        """Return the paths of an owner's files, which are given relative to its folder."""
        folder = self.path(owner["folder"]) if "folder" in owner else self.path(os.path.dirname(owner["path"]))
        return [f"{folder}/{file}" for file in files]

    @property
    def extensions(self) -> list[dict[str, Any]]:
        """The extensions that ``preparation`` chose, largest first, so that no worker ends with the longest task."""
        extensions: list[dict[str, Any]] = self._prepared()["extensions"]
        return extensions

    @property
    def kit_version(self) -> str:
        """The Kit version that ``preparation`` passes on; empty if it is not known."""
        return self._prepared().get("kit_version") or ""

    @property
    def apps(self) -> list[dict[str, Any]]:
        """The apps that ``preparation`` found: owners of settings that are no extensions."""
        apps: list[dict[str, Any]] = self._prepared()["apps"]
        return apps

    def _prepared(self) -> dict[str, Any]:
        """Return what ``extensions.json`` holds now; doit asks before ``preparation`` has run, and again after."""
        path = self.path("extensions.json")
        try:
            seen = signature(os.stat(path))
            if self._extensions_file != seen:
                found = orjson.loads(Path(path).read_bytes())
                found["extensions"].sort(key=lambda entry: (-entry["size"], entry["id"]))
                self._extensions_file, self._extensions = seen, found
        except (OSError, ValueError, KeyError, TypeError):
            return {"extensions": [], "apps": []}
        return self._extensions

    def stage(self, name: str, version: str, *, after: Sequence[str] = ()) -> Stage:
        """Return the stage that a task creator makes the tasks of.

        Args:
            name: Name of the stage, and of the task creator.
            version: Version of the stage's code, part of the up-to-date check of each of its tasks.
            after: Stages that must be complete before.
        """
        pinned = bool(self.flags.start) and not self.resuming and position(name) < position(self.flags.start)
        return Stage(self, name, version, [stage for stage in after if stage in self.stages], pinned)

    @property
    def in_flight(self) -> int:
        """How many tasks are under way at a time: a thread of this process waits for each."""
        processing = self.config.values["processing"]
        remote = processing["scheduler"] not in ("local", "dask")
        return _IN_FLIGHT if remote and processing["parallel_workers"] is None else self.config.workers

    @cached_property
    def _local_workers(self) -> LocalWorkers:
        return LocalWorkers()

    @cached_property
    def _cluster(self) -> DaskWorkers:
        from tasks.workers.dask import DaskWorkers

        return DaskWorkers(self.config.values["processing"]["scheduler"], self.in_flight, self.config.work_dir)

    @cached_property
    def _cluster_in_turn(self) -> OneAtATime:
        return OneAtATime(self._cluster)

    def workers_of(self, stage: str) -> Workers:
        """Return where the functions of a stage run: in this machine's worker processes, or on a Dask cluster.

        Embedding by a service stays here: it only waits for the service, and the key never leaves this machine. The
        embedding cache is SQLite, which several machines must not use at once: its tasks take turns.
        """
        if self.config.values["processing"]["scheduler"] == "local" or stage not in _DISTRIBUTED:
            return self._local_workers
        if stage != "embeddings":
            return self._cluster
        return self._local_workers if self.config.values["embeddings"]["backend"] == "openai" else self._cluster_in_turn

    def stop_workers(self, *, at_once: bool) -> None:
        """End the worker processes and leave the cluster, at once or when they have finished what they do."""
        for name in ("_cluster", "_local_workers"):
            if name in self.__dict__:
                self.__dict__[name].stop(at_once=at_once)


@dataclass(frozen=True)
class Stage:
    """Makes the tasks of one stage.

    Attributes:
        pipeline: The run they belong to.
        name: Name of the stage.
        version: Version of the stage's code.
        after: Stages that must be complete before.
        pinned: The run starts after this stage: its tasks are taken as they are.
    """

    pipeline: Pipeline
    name: str
    version: str
    after: list[str]
    pinned: bool

    def task(
        self,
        function: Callable[..., None],
        *args: Any,
        name: str | None = None,
        options: dict[str, Any] | None = None,
        unchecked: dict[str, Any] | None = None,
        checked: dict[str, Any] | Callable[[], dict[str, Any]] | None = None,
        file_dep: Iterable[str] = (),
        targets: Iterable[str] = (),
        steady: Collection[str] = (),
        always: str = "",
        alone: bool = False,
        others: Iterable[str] = (),
        folders: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Return a doit task that calls a function of the stage.

        Args:
            function: Called with ``args``, and with ``options`` and ``unchecked`` as keywords.
            args: Positional arguments; a dictionary among them (an extension's entry) is part of the up-to-date check.
            name: Name of the subtask; None for a stage of one task.
            options: Keywords that the output depends on.
            unchecked: Keywords that it does not depend on (folders, a secret); not recorded. One that is callable is
                called when the task runs.
            checked: More that the output depends on; a callable is called at each check.
            file_dep: Files that it reads.
            targets: Files that it writes.
            steady: Names of what ``checked`` returns that only must not change while the task runs; if it does, the
                task runs again the next time.
            always: Why it runs even if nothing has changed; empty if it does not.
            alone: Run it in this process rather than in a worker process.
            others: Files that it makes beside its targets, for ``doit clean``.
            folders: Folders below the work directory that it makes and that ``doit clean`` removes with all they hold.
        """
        options = options or {}
        made_with = {**options, "version": self.version}
        if isinstance(checked, dict):
            made_with |= checked
        for arg in args:
            if isinstance(arg, dict):
                made_with["extension"] = _digest(arg)
        live = checked if callable(checked) else None
        freshness = PinnedFreshness() if self.pinned else Freshness(made_with, live, always, steady=steady)
        targets = list(targets)
        workers = None if alone else self.pipeline.workers_of(self.name)
        task: dict[str, Any] = {
            "actions": [StageAction(function, args, {**options, **(unchecked or {})}, workers)],
            "file_dep": [] if self.pinned else list(file_dep),
            "targets": targets,
            "uptodate": [freshness],
            "task_dep": self.after,
            "clean": [CleanAction(self.pipeline.roots, [*targets, *others], list(folders))],
        }
        if name is not None:
            task["name"] = name
        return task


def _digest(value: dict[str, Any]) -> str:
    return hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _wanted(variables: dict[str, str]) -> Wanted:
    return Wanted.of(variables, Path(get_initial_workdir() or "."), os.environ)


def _split(variables: dict[str, str]) -> tuple[Flags, dict[str, str]]:
    values: dict[str, Any] = {}
    overrides = dict(variables)
    for flag in fields(Flags):
        if flag.name in overrides:
            text = overrides.pop(flag.name)
            values[flag.name] = _as_bool(flag.name, text) if flag.type == "bool" else text
    return Flags(**values), overrides


def _as_bool(name: str, text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
    if text.lower() not in known:
        raise ConfigError(f"command line: {name}: expected 1 or 0, found {text!r}.")
    return known[text.lower()]


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
