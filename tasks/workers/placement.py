"""The choice of workers for each stage: local processes or a Dask cluster."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from config import Config
from tasks.workers.local import LocalWorkers, OneAtATime, Workers

if TYPE_CHECKING:
    from tasks.workers.dask import DaskWorkers

# The stages that run on a Dask cluster. The others access files outside the work directory, or take no time.
_DISTRIBUTED = ("extension_data", "code_examples", "settings", "embeddings")
# Default number of tasks submitted to a Dask cluster at a time.
_IN_FLIGHT = 128


class Placement:
    """The workers of a run. The first task that needs them starts them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._scheduler: str = config.effective["processing"]["scheduler"]

    @property
    def in_flight(self) -> int:
        """Number of concurrent tasks. A thread of this process waits for each."""
        remote = self._scheduler not in ("local", "dask")
        if remote and self._config.values["processing"]["parallel_workers"] is None:
            return _IN_FLIGHT
        return self._config.workers

    def share(self, processes: int) -> int:
        """Set the number of worker processes, and return the number of tasks to run at a time.

        It is one more if there are several local workers. While a result is recorded, its worker then has the next
        task. A single worker runs the tasks in order, and none after a failure.
        """
        if self._scheduler != "local" or not processes:
            return processes
        self._local.processes = processes
        return processes + (processes > 1)

    def workers_of(self, stage: str) -> Workers:
        """Return the workers for a stage.

        Embedding with a service runs on this machine: it only waits for the service, and the key stays here. The
        embedding cache is an SQLite file, which several machines must not use at once, so its tasks take turns.
        """
        if self._scheduler == "local" or stage not in _DISTRIBUTED:
            return self._local
        if stage != "embeddings":
            return self._cluster
        return self._local if self._config.uses_service else self._cluster_in_turn

    def stop(self, *, at_once: bool) -> None:
        """Stop the workers and disconnect from the cluster, immediately or after the current tasks."""
        for name in ("_cluster", "_local"):
            if name in self.__dict__:
                self.__dict__[name].stop(at_once=at_once)

    @cached_property
    def _local(self) -> LocalWorkers:
        return LocalWorkers()

    @cached_property
    def _cluster(self) -> DaskWorkers:
        from tasks.workers.dask import DaskWorkers

        return DaskWorkers(self._scheduler, self.in_flight, self._config.work_dir)

    @cached_property
    def _cluster_in_turn(self) -> OneAtATime:
        return OneAtATime(self._cluster)
