"""One run at a time in a work directory."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks import lock
from tests.project import ROOT, digest_of, make_project

HOLDER = """
import sys
from pathlib import Path
from tasks import lock
lock.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_error_of_a_second_process_names_the_first_and_its_start(
    tmp_path: Path, holder: "subprocess.Popen[str]"
) -> None:
    with pytest.raises(lock.WorkDirBusy, match=rf"process {holder.pid}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"):
        lock.acquire(tmp_path)


def test_a_killed_process_leaves_no_stale_lock(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    lock.acquire(tmp_path)
    lock.release(tmp_path)


@pytest.mark.parametrize("command", ["clean", "forget"])
def test_commands_that_remove_files_do_not_wait_for_a_run(tmp_path: Path, command: str) -> None:
    project = make_project(tmp_path.resolve() / "project", count=1)
    assert project.run("doit", "quick=1").code == 0, project.output()
    before = digest_of(project.work), digest_of(project.data)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(project.work)], stdin=-1, stdout=-1, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        refused = project.run("doit", command)
    finally:
        process.kill()
        process.wait()
    assert refused.code == 2, refused.output
    assert f"another run is using this directory (process {process.pid}" in refused.output
    after = digest_of(project.work), digest_of(project.data)
    after[0].pop(lock.HOLDER_NAME, None)
    before[0].pop(lock.HOLDER_NAME, None)
    assert after == before


def test_a_second_acquire_has_no_effect(tmp_path: Path) -> None:
    lock.acquire(tmp_path)
    lock.acquire(tmp_path)
    lock.release(tmp_path)
    lock.release(tmp_path)
