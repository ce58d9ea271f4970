"""A configured pipeline: what ``dodo.py`` makes its tasks with."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit import get_initial_workdir

from config import Config
from config.request import Request
from stages.failures import StageError
from tasks.file_state import Signature, signature
from tasks.graph import Graph, short_path
from tasks.stage_names import STAGES
from tasks.stage_task import StageTask
from tasks.workers.placement import Placement

if TYPE_CHECKING:
    from stages.retrieval.cost import Estimate
    from stages.sources.fingerprint import State

_QUICK_SKIPS = ("embeddings", "faiss")


class Pipeline:
    """The parts that tasks are made of: configuration, graph, workers.

    Attributes:
        config: The configuration that is in force.
        request: The flags that are in force.
        graph: The extensions and apps.
        placement: Where the functions of each stage run.
        fallback_kit_version: The Kit version of the run that is resumed, for sources that do not tell theirs.
        pinned: Stages whose outputs the run takes as they are, and why.
        tell: Says something to whoever watches the run.
    """

    def __init__(
        self,
        config: Config,
        request: Request,
        *,
        fallback_kit_version: str | None = None,
        pinned: Mapping[str, str] | None = None,
    ) -> None:
        self.config = config
        self.request = request
        self.graph = Graph(config.work_dir)
        self.placement = Placement(config)
        self.fallback_kit_version = fallback_kit_version
        self.pinned = dict(pinned or {})
        self.tell: Callable[[str], None] = lambda message: None
        self._paying = threading.Lock()
        self._agreed: Estimate | StageError | None = None
        self._target_dir = short_path(config.target_dir)
        self._state_at_pull: tuple[Signature | None, State] | None = None

    @property
    def stages(self) -> list[str]:
        """The stages of a whole run."""
        return [stage for stage in STAGES if not (self.request.quick and stage in _QUICK_SKIPS)]

    def path(self, name: str) -> str:
        """Return a path below the work directory, see `Graph.path`."""
        return self.graph.path(name)

    def target_path(self, name: str) -> str:
        """Return a path below the target directory, in the form of `path`."""
        if not name or name[0] == "." or os.path.isabs(name):
            return short_path(self.config.target_dir / name)
        return os.path.join(self._target_dir, name)

    def stage(self, name: str, *, after: Collection[str] = ()) -> StageTask:
        """Return the factory of a stage's tasks.

        Args:
            name: Name of the stage, and of the task creator.
            after: Stages that must be complete before.
        """
        return StageTask(
            name,
            [stage for stage in after if stage in self.stages],
            self.pinned.get(name, ""),
            self.placement.workers_of(name),
            (str(self.config.work_dir), str(self.config.target_dir)),
        )

    def pull_arguments(self) -> dict[str, Any]:
        """Return the arguments of `stages.pull_repo_exts.pull` beside the work directory."""
        options = self.config.options("input")
        return {
            "sources": self._sources(),
            "kit_version": options["kit_version"],
            "fallback_kit_version": self.fallback_kit_version,
            "limits": {key: value for key, value in options.items() if key.startswith("max_")},
            "update": self.request.update,
            **self._whereabouts(),
        }

    def pull_fingerprint(self, state_of: Callable[..., State]) -> dict[str, Any]:
        """Return what the output of ``pull_repo_exts`` depends on; no secret and no credentials.

        Args:
            state_of: Tells the state of the sources without the network, see `stages.sources.fingerprint.state_of`.
        """
        options = self.config.section("input")
        del options["excluded_extensions"]
        for source in options["sources"]:
            if source["kind"] == "path":
                del source["path"]  # what it stands for is in the signature
        if self.request.kit_cache:
            options["sources"] = [{"kind": "path"}]
        state = state_of(self._sources(), self.config.work_dir, **self._whereabouts())
        self._state_at_pull = (self._sources_file(), state)
        return {**options, "signature": state.signature}

    def pulled_fingerprint(self, pulled_signature: Callable[[list[dict[str, Any]], Path], str]) -> dict[str, Any]:
        """Return what to record in place of `pull_fingerprint` when ``pull_repo_exts`` has succeeded: what it has seen.

        Args:
            pulled_signature: See `stages.sources.fingerprint.pulled_signature`.
        """
        return {"signature": pulled_signature(self._sources(), self.config.work_dir)}

    def sources_state(self, state_of: Callable[..., State]) -> dict[str, Any]:
        """Return the state of the sources, as a dictionary, for the stage that lists their files.

        That of ``pull_repo_exts`` does not do: files may have come and gone between the two.
        """
        known, self._state_at_pull = self._state_at_pull, None
        if known is not None and known[0] is not None and known[0] == self._sources_file():
            state = known[1]  # nothing has been pulled since it was found out
        else:
            state = state_of(self._sources(), self.config.work_dir, **self._whereabouts())
        return {**state._asdict(), "extensions.json": self.graph.refusal()}

    def believed(self) -> dict[str, Any]:
        """Return what to record of ``extensions.json`` when it has just been written."""
        return {"extensions.json": ""}

    def _whereabouts(self) -> dict[str, Any]:
        return {
            "project": self.config.path.parent,
            "search_from": [Path(get_initial_workdir() or ".")],
            "outputs": [self.config.target_dir],
        }

    def _sources_file(self) -> Signature | None:
        try:
            return signature(os.stat(self.path("sources.json")))
        except OSError:
            return None

    def _sources(self) -> list[dict[str, Any]]:
        """Return the configured sources, or the one Kit cache that the command line names instead."""
        return [{"kind": "path", "path": self.request.kit_cache}] if self.request.kit_cache else self.config.sources()

    def embedding_options(self) -> dict[str, Any]:
        """Return the section ``embeddings`` without the key."""
        return self.config.options("embeddings")

    def api_key(self) -> str | None:
        """Return the key of the embedding service, read from the environment now.

        Raises:
            ConfigError: The service is used and its variable is not set.
        """
        return self.config.secret("embeddings.api_key")

    def paid_key(self) -> str | None:
        """Return `api_key` when a task of stage 6 runs; the first one says what the service is about to cost.

        Raises:
            ConfigError: The service is used and its variable is not set.
            StageError: It would cost more than ``embeddings.max_cost``, and the command line does not say ``--yes``.
        """
        key = self.api_key()
        if not self.config.uses_service:
            return key
        with self._paying:  # the tasks of the stage run at once
            if self._agreed is None:
                self._agreed = self._agree()
        if isinstance(self._agreed, StageError):
            raise StageError(str(self._agreed))
        return key

    def embedding_cost(self) -> Estimate | None:
        """Return what the service is about to be asked for; None if none is used.

        Raises:
            StageError: The outputs of the earlier stages are not there.
        """
        from stages.retrieval.cost import estimate

        if not self.config.uses_service:
            return None
        return estimate(self.config.work_dir, self.embedding_options(), use_cache=not self.request.no_cache)

    def _agree(self) -> Estimate | StageError | None:
        """Tell the cost; return it, or the error that it is too high."""
        try:
            found = self.embedding_cost()
            if found is not None:
                self.tell(f"embeddings: {found}")
                found.refuse_above(None if self.request.yes else self.config.in_force["embeddings"]["max_cost"])
        except StageError as error:
            return error
        return found
