"""A foreign work directory, or a user's own folder: nothing is overwritten or removed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from stages.failures import StageError
from stages.storage.jsonfile import write_bytes
from stages.storage.ownership import check_work_dir, remove_made
from stages.storage.streamed_file import replacing
from tests.project import ROOT, Project, Run, digest_of, make_project

MAIN = "data_collection_pipeline.py"


def refused(run: Run, *parts: str) -> None:
    assert run.code == 2, run.output
    assert "Traceback" not in run.output, run.output
    errors = [line for line in run.output.splitlines() if "ERROR: " in line]
    assert len(errors) == 1, run.output
    assert all(part in errors[0] for part in parts), errors


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path.resolve() / "project", count=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("finished").resolve() / "project", count=1)
    assert project.run(MAIN, "quick=1").code == 0, project.output()
    return project


@pytest.fixture
def restored(finished: Project, tmp_path: Path) -> Project:
    """A project whose work directory and data set come from a foreign cache."""
    shutil.copytree(finished.path, tmp_path.resolve() / "restored")
    return Project(tmp_path.resolve() / "restored")


@pytest.mark.parametrize("name", ["sources", "extensions.json", "sources.json", "settings", "embeddings"])
@pytest.mark.parametrize(
    "command", [(MAIN, "quick=1"), (MAIN, "--force", "quick=1"), ("doit", "clean"), ("doit", "forget")], ids=" ".join
)
def test_a_folder_with_user_files_is_refused_as_a_work_directory(
    project: Project, name: str, command: tuple[str, ...]
) -> None:
    project.configure(output__work_dir=".", output__keep_intermediates=False)
    own = project.path / name
    if "." in name:
        own.write_text('{"mine": 1}')
    else:
        (own / "deeper").mkdir(parents=True)
        (own / "deeper/file").write_text("mine")
    before = digest_of(project.path)
    refused(project.run(*command), str(own), "output.work_dir")
    after = digest_of(project.path)
    assert after.pop("output.txt")
    assert after == before
    assert not project.data.exists()


def test_files_that_the_user_adds_to_a_work_directory_are_kept(project: Project) -> None:
    project.configure(output__work_dir=".")
    assert project.run(MAIN, "quick=1").code == 0, project.output()
    mine = [project.path / "sources" / name for name in ("my-extension/file", "unpacked/other/file", "notes.txt")]
    made = [project.path / "sources" / name for name in ("git-x-0123456789ab", "unpacked/y-0123456789abcdef")]
    for path in [*mine, *(folder / "file" for folder in made)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert project.run("doit", "clean").code == 0, project.output()
    assert [path for path in mine if not path.exists()] == []
    assert [path for path in made if path.exists()] == []


def test_clean_before_any_run_succeeds(project: Project) -> None:
    run = project.run("doit", "clean")
    assert (run.code, "Traceback" in run.output) == (0, False), run.output


LINKS = [
    ".pipeline_lock",
    ".pipeline_lock.json",
    "extensions.json",
    "extension_data/codeatlas/made.up01-1.1.0.codeatlas.json",
    "settings/setting_summary.json",
    "final_assembly/copies.json",
]


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("command", [(MAIN, "quick=1"), ("doit", "clean")], ids=" ".join)
def test_a_planted_link_is_not_written_through(
    restored: Project, tmp_path: Path, name: str, command: tuple[str, ...]
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = restored.work / name
    path.unlink(missing_ok=True)
    path.symlink_to(victim)
    refused(restored.run(*command), str(path))
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", ["extension_data", "settings/found", "sources", "logs", "final_assembly"])
def test_a_planted_link_to_a_folder_is_not_written_into(restored: Project, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("precious")
    path = restored.work / name
    shutil.rmtree(path, ignore_errors=True)
    path.symlink_to(victim)
    for command in ((MAIN, "quick=1"), (MAIN, "--force", "quick=1"), ("doit", "clean")):
        refused(restored.run(*command), str(path))
    assert {file.name: file.read_text() for file in victim.iterdir()} == {"file": "precious"}


def test_the_log_is_not_written_through_a_link(restored: Project, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (restored.work / "pipeline.log").unlink()
    (restored.work / "pipeline.log").symlink_to(victim)
    refused(restored.run(MAIN, "quick=1"), "pipeline.log", "cannot be written")
    assert victim.read_text() == "precious"


def test_a_fifo_in_place_of_a_file_does_not_hang(restored: Project) -> None:
    for name in ("sources.json", "extension_data/extensions_summary.json"):
        path = restored.work / name
        content = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        refused(restored.run(MAIN, "quick=1"), str(path))
        path.unlink()
        path.write_bytes(content)


def test_a_work_directory_that_is_a_link_is_refused(project: Project) -> None:
    (project.path / "elsewhere").mkdir()
    project.work.symlink_to(project.path / "elsewhere")
    refused(project.run(MAIN, "quick=1"), str(project.work), "symbolic link")
    assert list((project.path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("work_dir", "target_dir"), [("work", "work/settings/x"), ("data/107.3", "data"), ("data/107.3/a", "data")]
)
def test_nested_folders_that_would_be_replaced_are_refused(project: Project, work_dir: str, target_dir: str) -> None:
    project.configure(output__work_dir=work_dir, output__target_dir=target_dir)
    refused(project.run(MAIN, "quick=1"), "output.")
    assert not (project.path / work_dir).exists()


def test_a_data_set_folder_that_is_a_link_is_refused(project: Project) -> None:
    (project.path / "elsewhere").mkdir()
    project.data.mkdir()
    (project.data / "107.3").symlink_to(project.path / "elsewhere")
    run = project.run(MAIN, "quick=1")
    assert run.code == 1, run.output
    assert "Traceback" not in run.output
    assert f"{project.data}/107.3: expected a folder, not a link" in run.output
    assert list((project.path / "elsewhere").iterdir()) == []


def test_files_are_written_in_place_of_links(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"same")
    for number, content in enumerate((b"same", b"other")):
        link = tmp_path / f"link{number}"
        link.symlink_to(victim)
        write_bytes(link, content)
        streamed = tmp_path / f"streamed{number}"
        streamed.symlink_to(victim)
        with replacing(streamed) as temporary:
            temporary.write_bytes(content)
        assert not link.is_symlink()
        assert not streamed.is_symlink()
        assert link.read_bytes() == streamed.read_bytes() == content
    assert victim.read_bytes() == b"same"


HOSTILE = ["5", "[]", "null", '"x"', '{"_values_:": 5}', '{"_values_:": {"options": 5, "targets": [1]}}']
HOSTILE += ['{"_values_:": {"options": {}, "targets": {"x": {}}}, "deps:": 3, "checker:": []}', "[" * 5000]
HOSTILE += ['{"_values_:": {"seconds": "a", "started": []}, "result:": {"a": NaN}}']


@pytest.mark.parametrize("record", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_records_of_doits_database_are_not_trusted(restored: Project, record: str) -> None:
    with sqlite3.connect(restored.work / ".doit.db") as connection:
        connection.execute("UPDATE task SET record = ?", (record,))
    connection.close()
    before = digest_of(restored.data)
    run = restored.run(MAIN, "quick=1")
    assert "Traceback" not in run.output, run.output
    assert run.code == 0, run.output
    assert digest_of(restored.data) == before


def test_few_file_descriptors_give_one_line(project: Project) -> None:
    command = ["sh", "-c", 'ulimit -n 24; exec "$@"', "sh", *project.command("doit", "quick=1")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=120)
    out = done.stdout + done.stderr
    assert "Traceback" not in out, out
    assert "unexpected" not in out, out
    if done.returncode:
        assert out.count("ERROR: ") == 1, out
        assert "open files" in out, out


def test_only_fetched_files_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/file").write_text("precious")
    folder.mkdir()
    (folder / "git-x-0123456789ab").symlink_to(tmp_path / "victim")
    (folder / "wheel-y-0123456789abcdef").mkdir()
    (folder / "wheel-y-0123456789abcdef/link").symlink_to(tmp_path / "victim")
    remove_made(folder)
    assert (tmp_path / "victim/file").read_text() == "precious"
    assert not (folder / "wheel-y-0123456789abcdef").exists()
    remove_made(tmp_path / "nowhere")


def test_a_folder_without_the_pipelines_file_names_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    check_work_dir(tmp_path)
    check_work_dir(tmp_path / "nowhere")
    (tmp_path / "sources").mkdir()
    with pytest.raises(StageError, match="not made by the pipeline"):
        check_work_dir(tmp_path)
    (tmp_path / ".pipeline_lock").touch()
    check_work_dir(tmp_path)
