"""The published data set is always complete and of one version, even while it is replaced."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.publishing.verify import verify
from tests.faults.harness import FULL, KILLS, MAIN, counted, end
from tests.project import ROOT, Project, digest_of, make_extension, make_project

_HERE = Path(__file__).parent
# Numbers of kills for each of the two ways to swap; the quick tests use the first.
_KILLS = (2, 200 if FULL else max(KILLS, 8))
_RUNS = 50 if FULL else 6


class TwoVersions:
    """Two work directories that publish different versions to one target: one adds an extension, one has an edit."""

    def __init__(self, folder: Path) -> None:
        project = make_project(folder, count=3)
        assert project.run("doit").code == 0, project.output()
        self.target = project.data / "107.3"
        self.works = [folder / "work_a", folder / "work_b"]
        shutil.copytree(project.work, self.works[0])
        shutil.rmtree(project.extensions / "made.up03")
        make_extension(project.extensions, 4)
        source = project.extensions / "made.up01/made/up01/__init__.py"
        source.write_text(source.read_text() + "\n\ndef added():\n    return 1\n")
        assert project.run("doit").code == 0, project.output()
        shutil.copytree(project.work, self.works[1])
        self.data = project.data
        self.now = 1
        self.versions: list[dict[str, str]] = [{}, {}]
        for _ in range(2):
            assert self.publish_other().returncode == 0
            self.now = 1 - self.now
            self.versions[self.now] = digest_of(project.data)
        assert self.versions[0] != self.versions[1]

    def publish_other(self, kill_at: int = 0, *, exchange: bool = True) -> subprocess.CompletedProcess[str]:
        """Publish the other version, and kill the process before the call of the given number."""
        return subprocess.run(
            [sys.executable, str(_HERE / "killed_assembly.py"), str(kill_at), self.works[1 - self.now], self.data],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, **({} if exchange else {"NO_EXCHANGE": "1"})},
            check=False,
            timeout=120,
        )


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> TwoVersions:
    return TwoVersions(tmp_path_factory.mktemp("publishing").resolve() / "project")


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Read the data set during the test. Then require that every read saw a single, complete version."""
    reader = subprocess.Popen(
        [sys.executable, str(_HERE / "data_set_reader.py"), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield reader
    finally:
        reader.terminate()
        out, err = reader.communicate(timeout=60)
    assert reader.returncode == 0, err
    assert int(out) > 10


@pytest.mark.skipif(sys.platform != "linux", reason="reads below an open folder through /proc")
@pytest.mark.parametrize("kills", _KILLS)
@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
def test_killed_while_publishing(two_versions: TwoVersions, exchange: bool, kills: int) -> None:
    done = two_versions.publish_other(exchange=exchange)
    assert done.returncode == 0, done.stderr
    calls = int(done.stdout)
    two_versions.now = 1 - two_versions.now
    own = two_versions.target / "notes/mine.txt"
    own.parent.mkdir(exist_ok=True)
    own.write_text("mine")
    with reading(two_versions.target) if exchange else contextlib.nullcontext():
        for number in range(kills):
            with counted(f"kill -9 in final_assembly, {'exchange' if exchange else 'two renames'}") as figure:
                killed = two_versions.publish_other(1 + number * calls // kills, exchange=exchange)
                figure.ended["killed" if killed.returncode == -signal.SIGKILL else "already ended"] += 1
                if exchange or two_versions.target.exists():
                    check_one_of(two_versions)
                again = two_versions.publish_other(exchange=exchange)
                assert again.returncode == 0, again.stderr
                two_versions.now = 1 - two_versions.now
                check_one_of(two_versions, two_versions.now)
                assert own.read_text() == "mine"
                assert [name for name in os.listdir(two_versions.data) if name.startswith(".")] == []
    own.unlink()
    own.parent.rmdir()


def check_one_of(published: TwoVersions, number: int | None = None) -> None:
    """Require that one of the two versions, or the given version, is published completely."""
    found = verify(published.target)
    assert [f"{fault.file}: {fault.message}" for fault in found.faults] == []
    digests = digest_of(published.data)
    digests = {name: value for name, value in digests.items() if name.startswith("107.3/") and "notes" not in name}
    assert digests in ([published.versions[number]] if number is not None else published.versions)


@pytest.mark.skipif(sys.platform != "linux", reason="reads below an open folder through /proc")
def test_a_reader_sees_one_version_while_runs_end_in_every_way(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=3)
    assert project.run(MAIN).code == 0, project.output()
    chance = random.Random(1)
    with reading(project.data / "107.3") as reader:
        for number in range(_RUNS):
            edit(project, number)
            how = ("run", "kill", "force", "fail", "remove", "force and kill")[number % 6]
            with counted("a reader of the data set meanwhile") as figure:
                figure.ended[how] += 1
                if how == "fail":
                    failed = project.run("doit", "embeddings.model=no/such-model", "embeddings.backend=local")
                    assert failed.code in (1, 2), failed.output
                elif how.endswith("kill"):
                    process = project.start(MAIN, *(["--force"] if how.startswith("force") else []))
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=chance.uniform(0.3, 3))
                    end(process)
                else:
                    if how == "remove":
                        shutil.rmtree(project.extensions / "made.up03", ignore_errors=True)
                    done = project.run(MAIN, *(["--force"] if how == "force" else []))
                    assert done.code == 0, done.output
                assert reader.poll() is None, reader.communicate()[1]
                assert verify(project.data / "107.3").faults == []


def edit(project: Project, number: int) -> None:
    source = project.extensions / "made.up01/made/up01/__init__.py"
    source.write_text(source.read_text() + f"\n\ndef added{number}():\n    return {number}\n")
    make_extension(project.extensions, 10 + number)
