"""Failed renames and syncs, a full disk, a read-only folder, a size limit: one error, then a resume."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.harness import MAIN, Victim, counted, one_clear_error, run_as, sample
from tests.project import Project

_SCRIPT = str(Path(__file__).with_name("failing_call.py"))
_SHARES = [(number + 0.5) / 20 for number in range(20)]


def failing(project: Project, name: str, number: int, fault: str) -> tuple[int, str, int]:
    count = project.path / "calls.txt"
    count.unlink(missing_ok=True)
    command = [sys.executable, _SCRIPT, name, str(number), fault, "-n", "0", f"config={project.config}"]
    run = run_as(project, command, COUNT_FILE=str(count))
    return run.code, run.output, int(count.read_text() or 0) if count.exists() else 0


@pytest.fixture(scope="module")
def calls(victim: Victim) -> Callable[[str], int]:
    """Return how often an undisturbed run in one process calls a function."""

    @functools.cache
    def count(name: str) -> int:
        code, output, found = failing(victim.fresh(), name, 0, "EIO")
        assert code == 0, output
        victim.check_results()
        assert found > 40
        return found

    return count


@pytest.mark.parametrize("share", sample(_SHARES, 1))
@pytest.mark.parametrize(("name", "fault"), [("replace", "EIO"), ("fsync", "ENOSPC"), ("open", "EMFILE")])
def test_the_nth_call_fails(victim: Victim, calls: Callable[[str], int], name: str, fault: str, share: float) -> None:
    with counted(f"n-th {name} fails ({fault})") as figure:
        number = 1 + int(share * calls(name))
        code, output, made = failing(victim.fresh(), name, number, fault)
        assert made, output
        assert "Traceback" not in output, output
        if code:
            assert code in (1, 2), output
            assert os.strerror(getattr(__import__("errno"), fault)) in output
            assert "unexpected " not in output, output
        figure.ended["one clear error" if code else "completed"] += 1
        victim.check_resume()


@pytest.mark.parametrize("share", sample(_SHARES, 1))
@pytest.mark.parametrize("fault", sample(["kill", "killed-after"], 1))
def test_killed_at_the_nth_rename(victim: Victim, calls: Callable[[str], int], fault: str, share: float) -> None:
    with counted("kill -9 right before or after the n-th rename") as figure:
        number = 1 + int(share * calls("replace"))
        code, output, _ = failing(victim.fresh(), "replace", number, fault)
        assert code == -9, output
        figure.ended["killed"] += 1
        victim.check_resume()


# --- file systems ----------------------------------------------------------------------------------------------------


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")


@contextlib.contextmanager
def _mounted(folder: Path, *arguments: str) -> Iterator[None]:
    if sys.platform != "linux" or shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("mounting a file system takes Linux and root")
    folder.mkdir(parents=True, exist_ok=True)
    _mount(*arguments, str(folder))
    try:
        yield
    finally:
        # A worker that is ending may still have its log open.
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=120)


_KIBIBYTES = {"work": [64, 96, 128, 160, 200, 240, 280, 320, 400, 480, 560, 640], "data": [16, 48, 80, 120, 180, 240]}


@pytest.mark.parametrize(
    ("where", "size"), [(where, size) for where, sizes in _KIBIBYTES.items() for size in sample(sizes, 1)]
)
def test_a_full_disk(victim: Victim, where: str, size: int) -> None:
    with counted(f"full file system under {where}") as figure:
        project = victim.fresh()
        folder = project.path / where
        with _mounted(folder, "-t", "tmpfs", "-o", f"size={size}k", "none"):
            run = project.run(MAIN)
            assert "Traceback" not in run.output, run.output
            if run.code:
                one_clear_error(run)
                assert "No space left" in run.output or "disk is full" in run.output, run.output
                again = project.run(MAIN, "--resume")
                one_clear_error(again)
            figure.ended["one clear error" if run.code else "enough space"] += 1
            _mount("-o", "remount,size=64m", str(folder))
            victim.check_resume()


@pytest.mark.parametrize(
    ("where", "used"), sample([("work", False), ("data", True), ("work", True), ("data", False)], 1)
)
def test_a_read_only_folder(victim: Victim, where: str, used: bool) -> None:
    with counted("read-only folder") as figure:
        project = victim.fresh()
        if used:
            assert project.run(MAIN, "--end", "settings").code == 0
        folder = project.path / where
        folder.mkdir(exist_ok=True)
        with _mounted(folder, "--bind", str(folder)):
            _mount("-o", "remount,bind,ro", str(folder))
            run = project.run(MAIN)
            one_clear_error(run)
            assert "Read-only file system" in run.output or "readonly database" in run.output, run.output
            figure.ended["one clear error"] += 1
        victim.check_resume()


@pytest.mark.parametrize("blocks", sample([1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128], 1))
def test_a_quota_on_the_size_of_a_file(victim: Victim, blocks: int) -> None:
    with counted("limit on the size of a file") as figure:
        project = victim.fresh()
        limited = ["bash", "-c", f'ulimit -f {blocks}; exec "$@"', "bash", *project.command(MAIN)]
        # The limit also applies to the captured output: only the start of a long message may be lost.
        run = run_as(project, limited)
        assert "Traceback" not in run.output, run.output
        if run.code:
            one_clear_error(run)
        figure.ended["one clear error" if run.code else "no file so large"] += 1
        victim.check_resume()


_PLACES = [
    "work/settings",
    "work/sources.json/blocked",
    "work/extension_data/entries/made.up03.json/blocked",
    "work/embeddings/settings_embeddings.npy/blocked",
    "work/pipeline.log/blocked",
    "work",
    "data/107.3/settings/setting_summary.json/blocked",
    "data",
]


@pytest.mark.parametrize("place", sample(_PLACES, 2))
def test_something_in_the_way(victim: Victim, place: str) -> None:
    """A folder in place of an output file, or a file in place of a folder."""
    with counted("a blocked output path") as figure:
        project = victim.fresh()
        obstacle = project.path / place
        obstacle.parent.mkdir(parents=True, exist_ok=True)
        obstacle.write_text("mine")
        if place != "work":
            project.work.mkdir(exist_ok=True)
            (project.work / ".pipeline_lock").touch()  # the pipeline has worked here
        run = project.run(MAIN)
        one_clear_error(run)
        assert obstacle.read_text() == "mine"
        figure.ended["one clear error"] += 1
        obstacle.unlink()
        if place.endswith("blocked"):
            obstacle.parent.rmdir()
        victim.check_resume()
