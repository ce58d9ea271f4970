"""The doit backend: it writes through, read-only commands do not change it, and a broken file is renamed."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from doit.dependency import Dependency, JSONCodec

from checkpoint.database import WriteThroughDatabase, records
from tasks import lock
from tasks.file_state import FileStateChecker

DODO = """
import os, signal
from tasks.file_state import FileStateChecker
DOIT_CONFIG = {"backend": "kit", "dep_file": "work/.doit.db", "check_file_uptodate": FileStateChecker}

def make(number, target):
    with open(target, "w") as stream:
        stream.write(str(number))
    with open("ran", "a") as stream:
        stream.write(f"{number}\\n")
    if os.path.exists("kill") and number == 9:
        os.kill(os.getppid() if os.environ.get("PARALLEL") else os.getpid(), signal.SIGKILL)

def task_make():
    for number in range(20):
        target = f"work/{number}.txt"
        made = {"targets": [target], "file_dep": ["input"]}
        yield {"name": f"{number:02}", "actions": [(make, [number, target])], **made}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    (tmp_path / "dodo.py").write_text(DODO)
    (tmp_path / "input").write_text("input")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def doit(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run doit in its own process group. Killing it also kills its children."""
    with Path("errors").open("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "doit", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, **environ},
            start_new_session=True,
        )
        code = process.wait(timeout=60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        errors.seek(0)
        return subprocess.CompletedProcess(process.args, code, "", errors.read())


def ran() -> list[int]:
    lines = Path("ran").read_text().splitlines() if Path("ran").exists() else []
    Path("ran").unlink(missing_ok=True)
    return sorted(map(int, lines))


def test_completed_tasks_of_a_killed_run_do_not_run_again(project: Path) -> None:
    (project / "kill").touch()
    assert doit().returncode == -signal.SIGKILL
    assert ran() == list(range(10))
    (project / "kill").unlink()
    assert doit().returncode == 0
    # the tenth was killed before it could return
    assert ran() == list(range(9, 20))
    assert doit().returncode == 0
    assert ran() == []


def test_recorded_tasks_of_a_killed_parallel_run_do_not_run_again(project: Path) -> None:
    (project / "kill").touch()
    doit("-n", "2", PARALLEL="1")
    first = ran()
    (project / "kill").unlink()
    done = {int(name.split(":")[1]) for name in records("work/.doit.db")}
    assert len(done) >= 7
    assert done <= set(first)
    assert doit("-n", "2").returncode == 0
    assert set(ran()) == set(range(20)) - done


def test_doit_writes_the_list_of_file_deps_last(project: Path) -> None:
    """The backend commits on that key. If it were not the last, a record would be incomplete."""
    seen: list[str] = []

    class Spy(WriteThroughDatabase):
        def set(self, task_id: str, dependency: str, value: object) -> None:
            seen.append(dependency)
            super().set(task_id, dependency, value)

    from doit.task import Task

    dependency = Dependency(Spy, "work/.doit.db", FileStateChecker)
    task = Task("one", [lambda: True], file_dep=["input"])
    task.result, task.values = "result", {"a": 1}
    dependency.save_success(task)
    dependency.close()
    lock.release(Path("work"))
    assert seen[-1] == "deps:"
    assert set(seen) == {"_values_:", "result:", "checker:", "input", "deps:"}
    assert records("work/.doit.db")["one"]["_values_:"] == {"a": 1}


def test_reading_changes_nothing_on_disk(project: Path) -> None:
    assert doit().returncode == 0
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in Path("work").iterdir()}
    assert doit("list", "--all", "--status").returncode == 0
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in Path("work").iterdir()} == before


def test_a_record_in_the_wal_of_a_killed_run_is_read_without_changing_it(project: Path) -> None:
    (project / "kill").touch()
    doit()
    assert Path("work/.doit.db-wal").exists()
    before = {path: path.read_bytes() for path in Path("work").iterdir()}
    assert len(records("work/.doit.db")) == 9
    assert {path: path.read_bytes() for path in Path("work").iterdir()} == before


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_broken_database_is_renamed_and_everything_runs(project: Path, content: bytes) -> None:
    assert doit().returncode == 0
    ran()
    Path("work/.doit.db").write_bytes(content)
    done = doit()
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert ran() == list(range(20))
    assert Path("work/.doit.db.corrupt").read_bytes() == content


def test_a_database_of_another_version_is_renamed(project: Path) -> None:
    assert doit().returncode == 0
    ran()
    connection = sqlite3.connect("work/.doit.db")
    connection.execute("PRAGMA user_version=7")
    connection.close()
    assert doit().returncode == 0
    assert ran() == list(range(20))


def test_forgetting_is_written_through(project: Path) -> None:
    assert doit().returncode == 0
    ran()
    assert doit("forget", "make:03").returncode == 0
    assert doit().returncode == 0
    assert ran() == [3]


def test_a_record_that_is_not_json_counts_as_missing(project: Path) -> None:
    assert doit().returncode == 0
    ran()
    connection = sqlite3.connect("work/.doit.db")
    connection.execute("UPDATE task SET record = '{' WHERE name = 'make:05'")
    connection.commit()
    connection.close()
    assert doit().returncode == 0
    assert ran() == [5]


def test_a_second_writer_is_refused(project: Path) -> None:
    database = WriteThroughDatabase("work/.doit.db", JSONCodec())
    database.open_for_writing()
    try:
        refused = doit()
        assert refused.returncode != 0
        assert "another run is using this directory" in refused.stderr
    finally:
        database.dump()
        lock.release(Path("work"))


def test_stages_and_a_success_now_and_then_are_synced(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``synchronous=FULL`` (2), SQLite syncs its log at a commit, and all earlier commits with it."""
    database = WriteThroughDatabase("work/.doit.db", JSONCodec())
    connection = database.open_for_writing()

    def synced(task: str) -> bool:
        database.set(task, "deps:", [])
        return bool(connection.execute("PRAGMA synchronous").fetchone()[0] >= 2)

    try:
        monkeypatch.setattr("checkpoint.database._SYNC_SECONDS", 3600)
        assert [synced(task) for task in ("settings:a", "settings:b", "settings:c")] == [True, False, False]
        assert synced("settings")
        assert not synced("embeddings:settings")
        monkeypatch.setattr("checkpoint.database._SYNC_SECONDS", 0)
        assert synced("embeddings:extensions")
    finally:
        database.dump()
        lock.release(Path("work"))
