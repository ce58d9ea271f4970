"""A configured pipeline, from which ``dodo.py`` creates its tasks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config import Config
from config.request import Request
from stages.failures import StageError
from stages.sources.configured import ConfiguredSource, PathSource, configured_sources
from tasks.doit_internals import started_in
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
    """The configuration, graph and workers of the tasks.

    Attributes:
        config: The effective configuration.
        request: The effective flags.
        graph: The extensions and apps.
        placement: The workers of each stage.
        fallback_kit_version: The Kit version of the resumed run, for sources of unknown version.
        pinned: Stages whose outputs the run does not check, each with the reason.
        notify: Shows a message to the user.
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
        self.notify: Callable[[str], None] = lambda message: None
        self._paying = threading.Lock()
        self._agreed: Estimate | StageError | None = None
        self._target_prefix = os.path.join(short_path(config.target_dir), "")
        self._state_at_pull: tuple[Signature | None, State] | None = None

    @property
    def stages(self) -> list[str]:
        """The stages of a full run."""
        return [stage for stage in STAGES if not (self.request.quick and stage in _QUICK_SKIPS)]

    def path(self, name: str) -> str:
        """Return a path below the work directory, see `Graph.path`."""
        return self.graph.path(name)

    def target_path(self, name: str) -> str:
        """Return a path below the target directory, in the form of `path`."""
        if not name or name[0] in "./":
            return short_path(self.config.target_dir / name)
        return self._target_prefix + name

    def stage(self, name: str, *, after: Collection[str] = ()) -> StageTask:
        """Return the factory of a stage's tasks.

        Args:
            name: Name of the stage, and of the task creator.
            after: Stages that must be complete first.
        """
        return StageTask(
            name,
            [stage for stage in after if stage in self.stages],
            self.pinned.get(name, ""),
            self.placement.workers_of(name),
            (str(self.config.work_dir), str(self.config.target_dir)),
        )

    def pull_arguments(self) -> dict[str, Any]:
        """Return the arguments of `stages.pull_repo_exts.pull`, without the work directory."""
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
        """Return the inputs of ``pull_repo_exts``, without secrets and credentials.

        Args:
            state_of: Returns the sources' state without network access, see `stages.sources.fingerprint.state_of`.
        """
        options = self.config.section("input")
        del options["excluded_extensions"]
        for source in options["sources"]:
            if source["kind"] == "path":
                del source["path"]  # the signature covers it
        if self.request.kit_cache:
            options["sources"] = [{"kind": "path"}]
        state = state_of(self._sources(), self.config.work_dir, **self._whereabouts())
        self._state_at_pull = (self._sources_file(), state)
        return {**options, "signature": state.signature}

    def pulled_fingerprint(self, pulled_signature: Callable[[Sequence[ConfiguredSource], Path], str]) -> dict[str, Any]:
        """Return the inputs that ``pull_repo_exts`` actually read, to record instead of `pull_fingerprint`.

        Args:
            pulled_signature: See `stages.sources.fingerprint.pulled_signature`.
        """
        return {"signature": pulled_signature(self._sources(), self.config.work_dir)}

    def sources_state(self, state_of: Callable[..., State]) -> dict[str, Any]:
        """Return the state of the sources for the stage that lists their files.

        The state recorded by ``pull_repo_exts`` is not enough: files may have changed since.
        """
        known, self._state_at_pull = self._state_at_pull, None
        if known is not None and known[0] is not None and known[0] == self._sources_file():
            state = known[1]  # no pull has happened since it was computed
        else:
            state = state_of(self._sources(), self.config.work_dir, **self._whereabouts())
        return {**state._asdict(), "extensions.json": self.graph.refusal()}

    def accepted(self) -> dict[str, Any]:
        """Return the values to record after ``preparation`` wrote a valid ``extensions.json``."""
        return {"extensions.json": ""}

    def _whereabouts(self) -> dict[str, Any]:
        return {
            "project": self.config.path.parent,
            "search_from": [started_in()],
            "outputs": [self.config.target_dir],
        }

    def _sources_file(self) -> Signature | None:
        try:
            return signature(os.stat(self.path("sources.json")))
        except OSError:
            return None

    def _sources(self) -> list[ConfiguredSource]:
        """Return the configured sources, or the Kit cache that the command line names."""
        if self.request.kit_cache:
            return [PathSource(path=self.request.kit_cache)]
        return configured_sources(self.config.sources())

    def embedding_options(self) -> dict[str, Any]:
        """Return the section ``embeddings`` without the key."""
        return self.config.options("embeddings")

    def api_key(self) -> str | None:
        """Return the key of the embedding service from the environment.

        Raises:
            ConfigError: The service is used, but its variable is not set.
        """
        return self.config.secret("embeddings.api_key")

    def paid_key(self) -> str | None:
        """Return `api_key` for a running task of stage 6. The first call reports the estimated cost of the service.

        Raises:
            ConfigError: The service is used, but its variable is not set.
            StageError: The cost would exceed ``embeddings.max_cost``, and the command line does not set ``--yes``.
        """
        key = self.api_key()
        if not self.config.uses_service:
            return key
        with self._paying:  # the tasks of the stage run concurrently
            if self._agreed is None:
                self._agreed = self._agree()
        if isinstance(self._agreed, StageError):
            raise StageError(str(self._agreed))
        return key

    def embedding_cost(self) -> Estimate | None:
        """Return the estimated requests to the service; None if no service is used.

        Raises:
            StageError: The outputs of the earlier stages are missing.
        """
        from stages.retrieval.cost import estimate

        if not self.config.uses_service:
            return None
        return estimate(self.config.work_dir, self.embedding_options(), use_cache=not self.request.no_cache)

    def _agree(self) -> Estimate | StageError | None:
        """Report the cost. Return it, or the error if it is too high."""
        try:
            found = self.embedding_cost()
            if found is not None:
                self.notify(f"embeddings: {found}")
                found.check_limit(None if self.request.yes else self.config.effective["embeddings"]["max_cost"])
        except StageError as error:
            return error
        return found
