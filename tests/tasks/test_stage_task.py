"""The action of a stage's task: its targets are on disk before the task succeeds."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from doit.task import Task

from stages.failures import StageError
from stages.storage.jsonfile import write_bytes
from stages.storage.streamed_file import replacing
from tasks.stage_task import StageAction, StageFailed
from tasks.workers.local import LocalWorkers


def write_unsynced(folder: Path) -> None:
    """Write two files. Fails if one of them is synced."""

    def fail(descriptor: int) -> None:
        raise StageError(f"{descriptor} was synced in the worker")

    os.fsync = fail  # type: ignore[assignment]
    write_bytes(folder / "plain", b"one")
    with replacing(folder / "streamed") as temporary:
        temporary.write_bytes(b"two")


@pytest.fixture
def workers() -> Iterator[LocalWorkers]:
    started = LocalWorkers()
    yield started
    started.stop()


def executed(workers: LocalWorkers, folder: Path, *, synced: bool = False) -> StageFailed | None:
    """Execute an action in a thread, as doit does when it runs several tasks at once."""
    action = StageAction(write_unsynced, (folder,), {}, workers, synced=synced)
    action.task = Task("task", None, targets=[str(folder / name) for name in ("plain", "streamed", "not written")])
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(action.execute).result()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that this process syncs."""
    found: list[str] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        found.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def test_the_targets_of_a_worker_are_synced_before_the_task_succeeds(
    workers: LocalWorkers, tmp_path: Path, synced: list[str]
) -> None:
    assert executed(workers, tmp_path) is None
    assert synced == ["plain", "streamed"]
    assert (tmp_path / "plain").read_bytes() == b"one"


def test_a_task_that_publishes_syncs_its_targets_itself(
    workers: LocalWorkers, tmp_path: Path, synced: list[str]
) -> None:
    assert executed(workers, tmp_path, synced=True) is None
    assert synced == []


def test_a_target_that_cannot_be_synced_fails_the_task(
    workers: LocalWorkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    failure = executed(workers, tmp_path)
    assert failure is not None
    assert str(failure.message) == f"{tmp_path / 'plain'}: cannot be written (No space left on device)."


def test_a_file_written_in_this_process_is_synced_at_once(tmp_path: Path, synced: list[str]) -> None:
    write_bytes(tmp_path / "plain", b"one")
    assert len(synced) == 1
