"""Invariants of a run for every reporter, worker, database file, folder and selection."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from checkpoint.database import records
from checkpoint.file import Checkpoint, save
from tasks.stage_names import STAGES
from tests.checkpoint.test_specification import EASY, MAIN, block, stages_run
from tests.project import REPORT, ROOT, Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path.resolve() / "project", count=3)


@pytest.fixture(scope="module")
def done_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project and its original path. A test copies it back to that path."""
    folder = tmp_path_factory.mktemp("done").resolve()
    project = make_project(folder / "project", count=3)
    run = project.run("doit")
    assert run.code == 0, run.output
    shutil.copytree(project.path, folder / "copy")
    return folder


@pytest.fixture
def finished(done_before: Path) -> Project:
    shutil.rmtree(done_before / "project")
    shutil.copytree(done_before / "copy", done_before / "project")
    return Project(done_before / "project")


def completed(project: Project) -> list[str]:
    found = project.checkpoint()
    return [] if found is None else list(found["completed_stages"])


def checkpoint(project: Project) -> dict[str, Any]:
    found = project.checkpoint()
    assert found is not None
    return found


def summary(project: Project, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        project.command("doit", "--json", *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --- real options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["--end settings", "--end=settings", "end=settings", "run --end settings"])
def test_flags_are_options_and_variables(project: Project, form: str) -> None:
    assert project.run("doit", *form.split()).code == 0
    assert completed(project) == list(STAGES[:5])


def test_options_may_follow_the_names_of_tasks(finished: Project) -> None:
    run = finished.run("doit", "settings", "--force", "-q")
    assert run.code == 0, run.output
    assert run.output == ""
    assert completed(finished) == list(STAGES[:5])


def test_the_help_and_the_completion_know_the_options() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "doit", "help", "run"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for option in ("--resume", "--force", "--start", "--end", "--kit-cache", "--max-extensions", "--quick", "--update"):
        assert option in help_text
    for option in ("--no-cache", "--json", "--junit", "--annotations", "--no-annotations", "--report", "-q, --quiet"):
        assert option in help_text


def test_the_last_spelling_of_a_key_wins(project: Project) -> None:
    run = project.run("doit", "max_extensions=3", "processing.max_extensions=1", "--end", "preparation")
    assert run.code == 0, run.output
    assert len(json.loads((project.work / "extensions.json").read_text())["extensions"]) == 1


def test_the_dodo_file_of_another_project_runs_unchanged(tmp_path: Path) -> None:
    (tmp_path / "dodo.py").write_text("def task_a():\n    return {'actions': ['echo made'], 'verbosity': 2}\n")
    done = subprocess.run(
        [sys.executable, "-m", "doit"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, "made" in done.stdout) == (0, True), done.stderr


def test_a_doit_configuration_in_the_current_folder_is_ignored(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pyproject.toml").write_text('[tool.doit]\nreporter = "zero"\ndep_file = "other.db"\n')
    (elsewhere / "doit.cfg").write_text("[GLOBAL]\nbackend = dbm\n")
    done = subprocess.run(
        project.command(MAIN), cwd=elsewhere, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "Pipeline completed successfully" in done.stdout
    assert sorted(os.listdir(elsewhere)) == ["doit.cfg", "pyproject.toml"]


# --- looks and partial runs ------------------------------------------------------------------------------------------


def test_read_only_commands_and_partial_runs_keep_failure_and_overrides(project: Project) -> None:
    blocker = block(project, "faiss")
    assert project.run(EASY, "--max-extensions", "2").code == 1
    before = checkpoint(project)
    assert project.run("doit", "list", "-s").code == 0
    assert checkpoint(project) == before
    assert project.run("doit", "pull_repo_exts").code == 0
    after = checkpoint(project)
    assert {key: after[key] for key in ("failure", "overrides", "status")} == {
        key: before[key] for key in ("failure", "overrides", "status")
    }
    blocker.unlink()
    resumed = project.run(EASY, "--resume")
    assert resumed.code == 0, resumed.output
    database = json.loads((project.data / "107.3/extensions/extensions_database.json").read_text())
    assert len(database["extensions"]) == 2


@pytest.mark.parametrize("how", [["run", "-r", "executed-only"], ["run", "-r", "zero"], ["-n", "0", "-r", "json"]])
def test_any_reporter_keeps_the_checkpoint(project: Project, how: list[str]) -> None:
    blocker = block(project, "faiss")
    assert project.run("doit", *how).code == 1
    assert checkpoint(project)["failure"]["stage"] == "faiss"
    blocker.unlink()
    assert project.run("doit", *how).code == 0
    assert project.checkpoint() is None


def test_any_reporter_forces(finished: Project) -> None:
    before = (finished.work / "sources.json").stat().st_mtime_ns
    run = finished.run("doit", "--force", "-r", "executed-only")
    assert run.code == 0, run.output
    assert (finished.work / "sources.json").stat().st_mtime_ns != before


def test_any_reporter_starts_in_the_middle(finished: Project) -> None:
    (finished.extensions / "made.up01/config/extension.toml").write_text("changed")
    before = (finished.work / "extensions.json").stat().st_mtime_ns
    run = finished.run("doit", "--start", "settings", "-r", "zero")
    assert run.code == 0, run.output
    assert (finished.work / "extensions.json").stat().st_mtime_ns == before


def test_another_backend_gives_one_clear_line(project: Project) -> None:
    run = project.run("doit", "--backend", "dbm")
    assert (run.code, len(run.output.splitlines())) == (2, 1), run.output
    assert "--backend dbm" in run.output


def test_another_database_file_does_not_bypass_the_lock(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=80)
    process = project.start("doit", "-n", "0")
    end = time.monotonic() + 60
    while not (project.work / "extensions.json").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    commands = [["--db-file", str(tmp_path / "other.db")], ["forget", "settings"], ["ignore", "settings"]]
    commands += [["reset-dep", "settings"], ["clean", "settings"]]
    others = [
        subprocess.Popen(project.command("doit", *words), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for words in commands
    ]
    results = [(other.args, other.communicate(timeout=120)[1].decode(), other.returncode) for other in others]
    assert process.poll() is None, "the first run was too short for this test"
    first = project.finish(process)
    assert first.code == 0, first.output
    for command, errors, code in results:
        assert code == 2, (command, errors)
        assert "another run is using this directory" in errors
        assert "Traceback" not in errors


# --- the Kit that was found ------------------------------------------------------------------------------------------


def test_a_newer_kit_is_used_after_a_failure(project: Project) -> None:
    project.configure(input__kit_version=None)
    version = project.extensions.parent / "kit" / "VERSION"
    version.parent.mkdir()
    version.write_text("107.3.1\n")
    text = project.config.read_text().replace('path = "exts"', 'path = "."\nexts_path = "exts"')
    project.config.write_text(text)
    blocker = block(project, "faiss")
    first = project.run(MAIN)
    assert first.code == 1, first.output
    assert checkpoint(project)["config_snapshot"]["kit_version"] == "107.3.1"
    blocker.unlink()
    version.write_text("108.1.0\n")
    resumed = project.run(MAIN, "--resume")
    assert resumed.code == 0, resumed.output
    assert "kit_version: checkpoint 107.3.1, now 108.1.0" in resumed.output
    assert (project.data / "108.1/VERSION.md").exists()


# --- commands that change records ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "gone"),
    [
        (["forget", "settings"], {"settings"}),
        (["clean", "extension_data"], {"extension_data"}),
        (["clean"], set(STAGES[:6])),
        (["ignore", "settings"], {"settings"}),
    ],
)
def test_the_checkpoint_lists_nothing_that_doit_would_run(project: Project, command: list[str], gone: set[str]) -> None:
    blocker = block(project, "faiss")
    assert project.run(MAIN).code == 1
    blocker.unlink()
    assert set(completed(project)) == set(STAGES[:6])
    assert project.run("doit", *command).code == 0
    assert not set(completed(project)) & gone
    planned = json.loads(project.run(MAIN, "--dry-run", "--json").output)
    for stage in completed(project):
        assert {task["action"] for task in planned if task["stage"] == stage} == {"up-to-date"}


def test_force_of_a_subtask_cleans_and_runs_that_one_and_the_merge(finished: Project) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.work.rglob("*.json")}
    run = finished.run("doit", "force=1", "settings:made.up01")
    assert run.code == 0, run.output
    assert "Forced: cleaned and forgot settings:made.up01, settings:@merge." in run.output
    now = {path: path.stat().st_mtime_ns for path in finished.work.rglob("*.json")}
    changed = {str(path.relative_to(finished.work)) for path in before if now.get(path) != before[path]}
    assert changed
    assert all(name.startswith("settings/") for name in changed - {".pipeline_lock.json"})
    assert not [name for name in changed if "made.up02" in name]


def test_an_unusable_checkpoint_and_a_plain_run(finished: Project) -> None:
    finished.checkpoint_file.write_text("{")
    run = finished.run("doit")
    assert run.code == 0
    assert run.output.count("WARNING") == 1
    assert stages_run(run) == []
    assert (finished.work / ".pipeline_checkpoint.json.corrupt").read_text() == "{"


# --- start -----------------------------------------------------------------------------------------------------------


def test_stages_before_start_are_not_checked(finished: Project) -> None:
    (finished.extensions / "made.up01/config/extension.toml").write_text("changed")
    run = finished.run("doit", "--start", "settings")
    assert run.code == 0, run.output
    earlier = STAGES[: STAGES.index("settings")]
    assert f"Not checked: {', '.join(earlier)}." in run.output
    for stage in earlier:
        assert f"{stage}: up to date" not in run.output
    assert checkpoint(finished)["not_checked"] == list(earlier)
    assert not set(completed(finished)) & set(earlier)
    outcome = summary(finished, "--start", "settings")
    assert [stage["state"] for stage in outcome["stages"]] == ["not-checked"] * 4 + ["up-to-date"] * 4


def test_auto_resume_without_a_checkpoint_honours_start(finished: Project) -> None:
    finished.configure(advanced__resume_on_failure=True)
    run = finished.run("doit", "--start", "faiss")
    assert run.code == 0, run.output
    assert "overrides --start" not in run.output
    assert "Not checked" in run.output


def test_quick_can_be_turned_off_on_a_resume(project: Project) -> None:
    blocker = block(project, "settings")
    assert project.run(EASY, "--quick").code == 1
    blocker.unlink()
    run = project.run("doit", "resume=1", "quick=0")
    assert run.code == 0, run.output
    assert (project.data / "107.3/settings/settings_faiss/index.faiss").exists()


def test_values_restored_by_auto_resume_are_reported_even_if_quiet(project: Project) -> None:
    project.configure(advanced__resume_on_failure=True)
    blocker = block(project, "faiss")
    assert project.run("doit", "max_extensions=2").code == 1
    assert "processing.max_extensions = 2" in project.run("doit", "-q").output
    blocker.unlink()
    outcome = summary(project)
    assert any("processing.max_extensions = 2" in notice["message"] for notice in outcome["notices"])


# --- selection -------------------------------------------------------------------------------------------------------

_TARGETS = {
    "pull_repo_exts": "work/sources.json",
    "preparation": "work/extensions.json",
    "extension_data": "work/extension_data/extensions_database.json",
    "code_examples": "work/code_examples/extension_analysis_summary.json",
    "settings": "work/settings/setting_summary.json",
    "embeddings": "work/embeddings/settings_embeddings.npy",
    "faiss": "work/faiss_databases/settings_faiss/index.faiss",
    "final_assembly": "data/107.3/VERSION.md",
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_path_of_a_target_selects_its_task(finished: Project, stage: str) -> None:
    target = finished.path / _TARGETS[stage]
    target.unlink()
    run = finished.run("doit", str(target))
    assert run.code == 0, run.output
    assert target.exists()


def test_an_ignored_task_is_not_nothing_to_do(finished: Project) -> None:
    assert finished.run("doit", "ignore", "settings:made.up01").code == 0
    run = finished.run("doit")
    assert run.code == 0
    assert "Not complete: settings:made.up01" in run.output
    assert "is ignored" in run.output
    assert "nothing to do" not in run.output
    assert "settings" not in completed(finished)


@pytest.mark.parametrize("word", ["no_such*", "settings:no_such*", "work/no/such.file"])
def test_a_selection_of_nothing_is_an_error(finished: Project, word: str) -> None:
    run = finished.run("doit", word)
    assert run.code == 2, run.output
    assert word in run.output
    assert "Traceback" not in run.output


def test_a_misspelt_task_names_the_nearest(finished: Project) -> None:
    assert "Did you mean settings?" in finished.run("doit", "setings").output


def test_a_pattern_selects_subtasks(finished: Project) -> None:
    run = finished.run("doit", "--force", "settings:made.up0[12]*")
    assert run.code == 0, run.output
    assert "settings:made.up01, settings:made.up02" in run.output or "settings:made.up01, settings:@merge" in run.output


# --- resume ----------------------------------------------------------------------------------------------------------


def test_up_to_date_pre_stages_do_not_run_again(finished: Project) -> None:
    (finished.work / "faiss_databases/settings_faiss/index.faiss").unlink()
    assert finished.run("doit", "-s", "faiss").code == 0
    run = finished.run(MAIN, "--resume")
    assert run.code == 0
    assert not set(stages_run(run)) & {"pull_repo_exts", "preparation"}


def test_a_resume_continues_without_a_source_that_it_does_not_need(project: Project) -> None:
    blocker = block(project, "faiss")
    assert project.run(MAIN).code == 1
    blocker.unlink()
    away = project.extensions.rename(project.path / "away")
    run = project.run(MAIN, "--resume")
    assert run.code == 0, run.output
    assert "the source cannot be reached" in run.output
    assert stages_run(run) == ["faiss", "final_assembly"]
    away.rename(project.extensions)


def test_a_resume_that_needs_the_lost_source_keeps_the_completed_stages(project: Project) -> None:
    blocker = block(project, "settings")
    assert project.run(MAIN).code == 1
    blocker.unlink()
    project.extensions.rename(project.path / "away")
    run = project.run(MAIN, "--resume")
    assert run.code == 1, run.output
    assert completed(project) == list(STAGES[:4])
    assert "Traceback" not in run.output


def test_a_checkpoint_of_an_older_writer_names_its_extensions_folder(project: Project) -> None:
    assert project.run(MAIN, "--end", "settings").code == 0
    found = checkpoint(project)
    snapshot = dict(found["config_snapshot"])
    snapshot["exts_path"] = snapshot.pop("kit_cache_path")
    project.checkpoint_file.write_text(
        json.dumps(
            {
                "timestamp": found["timestamp"],
                "completed_stages": found["completed_stages"],
                "config_snapshot": snapshot,
            }
        )
    )
    shown = json.loads(project.run("doit", "checkpoint", "--json", "show").output)
    assert shown["checkpoint"]["config_snapshot"]["kit_cache_path"] == str(project.extensions)


def test_a_report_that_a_killed_run_did_not_finish_is_written_by_the_resume(finished: Project) -> None:
    """A kill during the report leaves a checkpoint, the report of the run before, and half of the new one."""
    whole = (finished.data / REPORT).read_bytes()
    (finished.data / REPORT).write_text("{}")
    (finished.data / ".tmp-1234abcd.part").write_bytes(whole[:100])
    save(Checkpoint(work_dir=str(finished.work), completed_stages=list(STAGES), status="running"))
    run = finished.run(MAIN, "--resume")
    assert run.code == 0, run.output
    assert json.loads((finished.data / REPORT).read_bytes())["counts"] == json.loads(whole)["counts"]
    assert not list(finished.data.glob(".tmp-*"))
    assert finished.checkpoint() is None


# --- interruptions and bad places ------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--force",)])
@pytest.mark.parametrize("delay", [0.2, 0.4, 0.8])
def test_an_early_interruption_gives_one_line(finished: Project, arguments: tuple[str, ...], delay: float) -> None:
    process = finished.start(MAIN, *arguments)
    time.sleep(delay)
    os.kill(process.pid, signal.SIGINT)
    run = finished.finish(process, 60)
    assert "Traceback" not in run.output, run.output
    assert run.code in (0, 130, -signal.SIGINT), run.output
    assert finished.run(MAIN).code == 0


def test_a_path_outside_ascii(tmp_path: Path) -> None:
    """The path is not valid text in this locale: one clear failure, and a resume in a UTF-8 locale."""
    project = make_project(tmp_path.resolve() / "ünïcode ☃", count=1)
    failed = project.run(MAIN, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert failed.code == 1
    assert "Traceback" not in failed.output
    assert "Pipeline failed at stage: pull_repo_exts" in failed.output
    assert "You can resume from this point using: --resume" in failed.output
    run = project.run(MAIN, "--resume", LC_ALL="C.UTF-8")
    assert run.code == 0, run.output


def test_the_signal_handlers_are_restored_and_the_lock_is_released(project: Project) -> None:
    program = (
        "import signal, sys\n"
        "from data_collection_pipeline import DataCollectionPipeline\n"
        "before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]\n"
        "pipeline = DataCollectionPipeline(sys.argv[1])\n"
        "print('RESULTS', pipeline.run(start_stage='no_such'), pipeline.run(end_stage='settings'), pipeline.run())\n"
        "print('SAME', before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)])\n"
        "import subprocess\n"
        "other = [sys.executable, '-m', 'doit', 'config=' + sys.argv[1]]\n"
        "print('OTHER', subprocess.run(other, stdout=subprocess.DEVNULL).returncode)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(project.config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "RESULTS False True True" in done.stdout, done.stdout + done.stderr
    assert "SAME True" in done.stdout
    assert "OTHER 0" in done.stdout
    assert "there is no stage 'no_such'" in done.stderr


def test_force_wins_over_resume_with_a_notice(finished: Project) -> None:
    run = finished.run(MAIN, "--force", "--resume", "--end", "preparation")
    assert run.code == 0
    assert "--force overrides --resume" in run.output
    assert stages_run(run) == ["pull_repo_exts", "preparation"]


# --- the code of a stage ---------------------------------------------------------------------------------------------


def test_an_edit_of_a_stage_runs_it_again(finished: Project, tmp_path: Path) -> None:
    code = tmp_path / "code"
    ignored = shutil.ignore_patterns(
        "__pycache__", ".*", "data", "_pipeline_output", "site", "tests", "docs", "benchmarks"
    )
    shutil.copytree(ROOT, code, ignore=ignored)
    command = [sys.executable, "-m", "doit", f"config={finished.config}"]

    def run() -> str:
        done = subprocess.run(command, cwd=code, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "nothing to do" in run()
    with (code / "stages/setting_scan/precedence.py").open("a") as module:
        module.write("\n# edited\n")
    output = run()
    assert "settings: done" in output
    assert "embeddings: up to date" in output  # the settings are the same
    assert records(str(finished.work / ".doit.db"))


def test_a_user_defined_task_is_not_a_stage(finished: Project, tmp_path: Path) -> None:
    code = tmp_path / "code"
    ignored = shutil.ignore_patterns(
        "__pycache__", ".*", "data", "_pipeline_output", "site", "tests", "docs", "benchmarks"
    )
    shutil.copytree(ROOT, code, ignore=ignored)
    with (code / "dodo.py").open("a") as dodo:
        dodo.write("\n\ndef task_mine():\n    return {'actions': ['echo mine'], 'task_dep': ['final_assembly']}\n")
    command = [sys.executable, "-m", "doit", "--json", f"config={finished.config}", "mine"]
    done = subprocess.run(command, cwd=code, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout[done.stdout.index("{") :])
    assert [stage["name"] for stage in outcome["stages"]][: len(STAGES)] == list(STAGES)
    assert finished.checkpoint() is None


def test_a_report_is_written_after_the_run(finished: Project, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    run = finished.run("doit", "--report", str(page))
    assert run.code == 0, run.output
    assert f"Report: {page}" in run.output
    assert "made.up01" in page.read_text()
    assert finished.run("doit", "--report", "-").code == 0
    assert (finished.work / "report.html").exists()
