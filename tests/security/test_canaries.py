"""Third-party code never runs, keys are never written, and outputs respect the user's umask."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedding_server import EmbeddingServer
from tests.faults.harness import results_of, run_as
from tests.project import REPORT, ROOT, Project, make_project

MAIN = "data_collection_pipeline.py"
KEY = "canary-7f3a91"
TITLE = "<script>document.title='owned'</script>"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path.resolve() / "project", count=2)


# --- foreign code ----------------------------------------------------------------------------------------------------


def test_no_code_of_an_extension_runs(project: Project) -> None:
    """Importing, testing, building or installing any of these files would write the canary."""
    canary = project.path / "canary"
    code = f"open({str(canary)!r}, 'w').write(__file__)\n"
    root = project.extensions / "can.ary"
    for name in (
        "can/ary/__init__.py",
        "can/ary/impl.py",
        "can/__init__.py",
        "setup.py",
        "conftest.py",
        "sitecustomize.py",
        "usercustomize.py",
        "dodo.py",
        "numpy.py",
        "orjson/__init__.py",
        "docs/conf.py",
        "tests/test_it.py",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            code + f"X = exec({code!r})\n\ndef f(x=exec({code!r})) -> exec({code!r}):\n    '''{{exec}}'''\n"
        )
    (root / "can.pth").write_text(f"import os; {code}")
    (root / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'setup'\n")
    (root / "premake5.lua").write_text(f"io.open({str(canary)!r}, 'w')\n")
    (root / "config").mkdir()
    (root / "config" / "extension.toml").write_text(
        f'[package]\nversion = "1.0.0"\ntitle = "$(touch {canary})"\n[[python.module]]\nname = "can.ary"\n'
        f'[settings]\na = "`touch {canary}`"\nb = "{{{{ 7*7 }}}}"\n'
    )
    command = project.command(MAIN)
    command[0:1] = ["env", "-C", str(root), sys.executable]  # started among those files
    run = run_as(project, command)
    assert run.code == 0, run.output
    atlas = (project.data / "107.3/extensions/codeatlas/can.ary-1.0.0.codeatlas.json").read_text()
    assert "can.ary.impl" in atlas  # it was read
    assert not canary.exists()
    assert not list(root.rglob("__pycache__"))


def test_a_title_is_text_in_the_report(project: Project) -> None:
    manifest = project.extensions / "made.up01" / "config" / "extension.toml"
    manifest.write_text(manifest.read_text().replace("Extension 1", TITLE))
    broken = project.extensions / "made.up02" / "made" / "up02" / "<script>owned.py"
    broken.write_text("def (:\n")
    assert project.run(MAIN).code == 0
    page = project.path / "report.html"
    assert project.run("doit", "report", f"--output={page}").code in (0, 3)
    if not page.exists():
        assert project.run("doit", "report").code == 0
        page = project.work / "report.html"
    text = page.read_text()
    assert "<script>document.title" not in text
    assert "<script>owned" not in text


# --- secrets ---------------------------------------------------------------------------------------------------------


def _holding(folder: Path, secret: str) -> list[str]:
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and (secret.encode() in path.read_bytes() or secret in path.name)
    ]


@contextlib.contextmanager
def _watching_processes(secret: str) -> Iterator[list[str]]:
    """Collect the command lines in the process list that contain a secret."""
    found: list[str] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    if secret.encode() in (line := path.read_bytes()):
                        found.append(line.decode(errors="replace"))
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


@pytest.mark.parametrize("failure", ["", "401", "401-echo", "500", "html", "close"])
def test_no_file_contains_the_key_after_a_run(project: Project, tmp_path: Path, failure: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with EmbeddingServer() as server, _watching_processes(KEY) as seen:
        if failure:
            server.fail(failure, times=1000)
        project.configure(
            embeddings__backend="openai",
            embeddings__endpoint_url=server.url,
            embeddings__api_key="${CANARY_KEY}",
            embeddings__max_tries=2,
        )
        environ = {"CANARY_KEY": KEY, "HOME": str(home), "XDG_CACHE_HOME": str(home), "TMPDIR": str(temporary)}
        first = project.run(MAIN, **environ)
        assert first.code == (1 if failure else 0), first.output
        outputs = first.output
        for arguments in (("--show-checkpoint",), ("--dry-run",), ("--resume",)):
            outputs += project.run(MAIN, *arguments, **environ).output
        outputs += project.run("doit", "report", **environ).output
    assert KEY not in outputs
    assert _holding(tmp_path, KEY) == []
    assert seen == []
    if not failure:
        assert "${CANARY_KEY}" in (project.data / REPORT).read_text()


def test_a_literal_key_stays_in_the_configuration(project: Project, tmp_path: Path) -> None:
    with EmbeddingServer() as server:
        server.fail("401-echo", times=1)
        project.configure(embeddings__backend="openai", embeddings__endpoint_url=server.url, embeddings__api_key=KEY)
        failed = project.run(MAIN)
        assert failed.code == 1
        resumed = project.run(MAIN, "--resume")
        assert resumed.code == 0, resumed.output
    assert KEY not in failed.output + resumed.output
    assert _holding(tmp_path, KEY) == [str(project.config.relative_to(tmp_path))]


@pytest.mark.parametrize(
    "url", [f"https://me:{KEY}@127.0.0.1:9/x.git", f"https://{KEY}@127.0.0.1:9/x.git", f"http://me:{KEY}@127.0.0.1:9/x"]
)
def test_a_password_in_an_address_is_not_shown(project: Project, tmp_path: Path, url: str) -> None:
    text = project.config.read_text()
    start = text.index("[[input.sources]]")
    project.config.write_text(text[:start] + f'[[input.sources]]\nkind = "git"\nurl = "{url}"\n')
    run = project.run(MAIN)
    assert run.code == 1, run.output
    assert "Traceback" not in run.output
    assert KEY not in run.output + project.run(MAIN, "--show-checkpoint").output
    assert _holding(tmp_path, KEY) == [str(project.config.relative_to(tmp_path))]


def test_a_password_in_the_address_of_the_service_is_not_shown(project: Project, tmp_path: Path) -> None:
    project.configure(
        embeddings__backend="openai",
        embeddings__endpoint_url=f"http://me:{KEY}@127.0.0.1:9/v1",
        embeddings__api_key="${OTHER_KEY}",
        embeddings__max_tries=1,
    )
    run = project.run(MAIN, OTHER_KEY="x")
    assert run.code in (1, 2), run.output
    assert KEY not in run.output
    assert _holding(tmp_path, KEY) == [str(project.config.relative_to(tmp_path))]


# --- privileges ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_files_have_the_mode_of_the_umask(project: Project, tmp_path: Path, umask: int) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    wide: list[str] = []
    ended = threading.Event()

    def watch() -> None:
        """Check that no file is ever world-writable, not even temporarily."""
        while not ended.is_set():
            for folder in (temporary, project.work, project.data):
                for place, folders, files in os.walk(folder):
                    for name in [*folders, *files]:
                        with contextlib.suppress(OSError):
                            status = os.lstat(os.path.join(place, name))
                            if status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode):
                                wide.append(os.path.join(place, name))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        command = ["sh", "-c", f'umask {umask:03o}; exec "$@"', "sh", *project.command(MAIN)]
        run = run_as(project, command, TMPDIR=str(temporary))
    finally:
        ended.set()
        watcher.join()
    assert run.code == 0, run.output
    assert wide == []
    assert list(temporary.iterdir()) == []
    made = [path for folder in (project.work, project.data) for path in folder.rglob("*")]
    assert len(made) > 40
    loose = {
        str(path): oct(path.stat().st_mode)
        for path in made
        if stat.S_IMODE(path.stat().st_mode) & umask or (path.is_file() and path.stat().st_mode & 0o111)
    }
    assert loose == {}
    results = [project.path / name for name in results_of(project)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in results} == {0o666 & ~umask}


def test_an_unusable_temporary_folder_is_reported(project: Project) -> None:
    run = project.run(MAIN, TMPDIR="/nonexistent")
    assert "Traceback" not in run.output, run.output


def test_the_repository_is_not_written_to(project: Project) -> None:
    def state() -> dict[str, int]:
        own = [
            ROOT / name
            for name in (
                "stages",
                "comparison",
                "serving",
                "config",
                "checkpoint",
                "console",
                "tasks",
                "dodo.py",
                "pipeline_config.toml",
            )
        ]
        files = [path for top in own for path in ([top] if top.is_file() else sorted(top.rglob("*")))]
        return {str(path): path.stat().st_mtime_ns for path in files if path.is_file() and path.suffix != ".pyc"}

    before = state()
    assert project.run(MAIN).code == 0
    assert state() == before
