"""Changed clocks and file times: every edit is still detected."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import FULL, MAIN, Victim, counted, results_of, run_as, sample
from tests.project import Project

_OLD, _NEW = '"""Add up what is worth it."""', '"""Sum up what is worth it."""'


def _source(project: Project) -> Path:
    return project.extensions / "made.up03" / "made" / "up03" / "__init__.py"


@contextlib.contextmanager
def _edited(path: Path, times: tuple[int, int] | None) -> Iterator[None]:
    """Change the content of a file but not its size, and set its times."""
    before, text = os.stat(path), path.read_text()
    assert len(_OLD) == len(_NEW)
    assert _OLD in text
    path.write_text(text.replace(_OLD, _NEW))
    os.utime(path, ns=times or (before.st_atime_ns, before.st_mtime_ns))
    try:
        yield
    finally:
        path.write_text(text)


def _require_the_edit(project: Project, victim: Victim) -> None:
    found = results_of(project)
    differ = [
        name for name in found.keys() | victim.undisturbed.keys() if found.get(name) != victim.undisturbed.get(name)
    ]
    assert "data/107.3/extensions/codeatlas/made.up03-1.3.0.codeatlas.json" in differ
    assert (
        b"Sum up what is worth it."
        in (project.data / "107.3/extensions/codeatlas/made.up03-1.3.0.codeatlas.json").read_bytes()
    )


@pytest.mark.parametrize("kind", sample(["long ago", "far in the future", "restored", "whole seconds"], 1))
def test_an_edit_with_a_false_time_is_detected(victim: Victim, kind: str) -> None:
    with counted(f"modification time of an edited source: {kind}") as figure:
        project = victim.fresh()
        source = _source(project)
        now = os.stat(source).st_mtime_ns
        times = {"restored": None, "long ago": (0, 0), "far in the future": (now, 2 * now)}.get(
            kind, (now, now // 10**9 * 10**9)
        )
        if kind == "whole seconds":
            os.utime(source, ns=(now, now // 10**9 * 10**9))
        assert project.run(MAIN).code == 0
        with _edited(source, times):
            assert project.run(MAIN).code == 0
            _require_the_edit(project, victim)
        figure.ended["detected"] += 1
        victim.check_resume()


@pytest.mark.parametrize(
    "name",
    sample(["work/extension_data/entries/made.up02.json", "data/107.3/extensions/extensions_database.json"], 1),
)
def test_an_edited_output_with_a_restored_time_is_rebuilt(victim: Victim, name: str) -> None:
    with counted("modification time of an edited output restored") as figure:
        project = victim.fresh()
        assert project.run(MAIN).code == 0
        path = project.path / name
        before, content = os.stat(path), path.read_bytes()
        path.write_bytes(content.replace(b"Made up", b"Done up"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.read_bytes() != content
        assert os.stat(path).st_size == before.st_size
        figure.ended["rebuilt"] += 1
        victim.check_resume()


def _faked(project: Project, clock: str) -> list[str]:
    found = [*glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"), *glob.glob("/usr/lib/faketime/libfaketimeMT.so.1")]
    if not found or shutil.which("env") is None:
        pytest.skip("libfaketime is not installed (Debian: libfaketime)")
    setting = [f"LD_PRELOAD={found[0]}", f"FAKETIME={clock}", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"]
    return ["env", *setting, *project.command(MAIN)]


@pytest.mark.parametrize("clock", sample(["+10d", "-10d", "1999-12-31 23:59:59"], 1))
def test_the_clock_jumps_between_runs(victim: Victim, clock: str) -> None:
    with counted("clock jumps between two runs, with an edit") as figure:
        project = victim.fresh()
        assert project.run(MAIN).code == 0
        with _edited(_source(project), None):
            run = run_as(project, _faked(project, clock))
            assert run.code == 0, run.output
            _require_the_edit(project, victim)
        again = run_as(project, _faked(project, clock))
        assert again.code == 0, again.output
        figure.ended["correct result"] += 1
        victim.check_resume()


@pytest.mark.skipif(not FULL, reason="only in a full run (make faults)")
def test_the_clock_jumps_back_during_a_run(victim: Victim) -> None:
    """The test does not set the system's clock: libfaketime reads a file that the test changes."""
    with counted("clock jumps back during a run") as figure:
        project = victim.fresh()
        clock = project.path / "clock"
        clock.write_text("+0")
        command = _faked(project, "+0")
        command = [word for word in command if not word.startswith("FAKETIME=")]
        command[1:1] = [f"FAKETIME_TIMESTAMP_FILE={clock}", "FAKETIME_NO_CACHE=1"]
        with subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"import time; time.sleep({victim.seconds / 2}); open({str(clock)!r}, 'w').write('-2y')",
            ]
        ):
            run = run_as(project, command)
        assert run.code == 0, run.output
        victim.check_results()
        figure.ended["correct result"] += 1
        victim.check_resume()
