"""The checkpoint specification, sentence by sentence, in real runs of the pipeline."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.stage_names import STAGES
from tests.project import ROOT, Project, Run, digest_of, make_project

MAIN = "data_collection_pipeline.py"
EASY = "run_pipeline.py"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """A project after a successful run, and a copy of it."""
    folder = tmp_path_factory.mktemp("finished").resolve()
    project = make_project(folder / "project")
    run = project.run(MAIN)
    assert run.code == 0, run.output
    shutil.copytree(project.path, folder / "copy")
    return project, folder / "copy"


@pytest.fixture
def finished(undisturbed: tuple[Project, Path]) -> Project:
    """The project after a successful run. Each test gets it in this state."""
    project, copy = undisturbed
    shutil.rmtree(project.path)
    shutil.copytree(copy, project.path)
    return project


@pytest.fixture
def good_data(undisturbed: tuple[Project, Path]) -> dict[str, str]:
    """The digests of the outputs of an undisturbed run."""
    return digest_of(undisturbed[1] / "data")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path.resolve() / "project")


def block(project: Project, stage: str) -> Path:
    """Make a stage fail: put a file in place of its folder."""
    places = {
        "extension_data": "work/extension_data",
        "code_examples": "work/code_examples",
        "settings": "work/settings",
        "embeddings": "work/embeddings",
        "faiss": "work/faiss_databases",
        "final_assembly": "data",
    }
    path = project.path / places[stage]
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    return path


def stages_run(run: Run) -> list[str]:
    """Return the stages that a run announced as running."""
    return [name for _, name in re.findall(r"^\[(\d)/8\] (\w+)$", run.output, re.MULTILINE)]


def stages_skipped(run: Run) -> list[str]:
    return re.findall(r"^\[\d/8\] (\w+): up to date$", run.output, re.MULTILINE)


# --- Key Features ----------------------------------------------------------------------------------------------------


def test_automatic_checkpointing_after_each_stage(project: Project) -> None:
    for stage in STAGES[:-1]:
        assert project.run(MAIN, "--end", stage).code == 0
        found = project.checkpoint()
        assert found is not None
        assert found["completed_stages"] == list(STAGES[: STAGES.index(stage) + 1])


@pytest.mark.parametrize("stage", STAGES[2:])
def test_easy_recovery_from_the_last_successful_stage(project: Project, good_data: dict[str, str], stage: str) -> None:
    blocker = block(project, stage)
    failed = project.run(MAIN)
    assert failed.code == 1
    assert f"Pipeline failed at stage: {stage}" in failed.output
    blocker.unlink()
    resumed = project.run(MAIN, "--resume")
    assert resumed.code == 0, resumed.output
    assert set(stages_skipped(resumed)) >= set(STAGES[: STAGES.index(stage)])
    assert stages_run(resumed)[0] == stage
    assert project.checkpoint() is None
    assert project.data_digest() == good_data


def test_auto_resume_mode(project: Project) -> None:
    project.configure(advanced__resume_on_failure=True)
    blocker = block(project, "faiss")
    assert project.run(MAIN).code == 1
    blocker.unlink()
    resumed = project.run(MAIN)
    assert resumed.code == 0
    assert "Resuming from the checkpoint" in resumed.output
    assert stages_run(resumed) == ["faiss", "final_assembly"]


def test_auto_resume_without_a_checkpoint_is_a_plain_run(project: Project) -> None:
    project.configure(advanced__resume_on_failure=True)
    run = project.run(MAIN, "--end", "preparation")
    assert run.code == 0
    assert "Resuming" not in run.output
    assert "WARNING" not in run.output


def test_force_overrides_auto_resume(project: Project) -> None:
    project.configure(advanced__resume_on_failure=True)
    blocker = block(project, "faiss")
    assert project.run(MAIN).code == 1
    blocker.unlink()
    forced = project.run(MAIN, "--force")
    assert forced.code == 0
    assert "Resuming" not in forced.output
    assert set(stages_run(forced)) == set(STAGES)


def test_config_persistence_in_the_checkpoint(project: Project) -> None:
    assert project.run(MAIN, "--end", "pull_repo_exts").code == 0
    found = project.checkpoint()
    assert found is not None
    assert found["config_snapshot"] == {
        "kit_cache_path": str(project.extensions),
        "kit_version": "107.3.3",
        "work_dir": str(project.work),
    }


def test_force_restart_ignores_the_checkpoint(project: Project) -> None:
    assert project.run(MAIN, "--end", "settings").code == 0
    forced = project.run(MAIN, "--force")
    assert forced.code == 0
    assert set(stages_run(forced)) == set(STAGES)
    assert project.checkpoint() is None


def test_no_manual_intervention(project: Project) -> None:
    run = project.run(MAIN)
    assert run.code == 0
    assert project.checkpoint() is None
    assert "heckpoint" not in run.output


# --- Usage Examples --------------------------------------------------------------------------------------------------


def test_usage_run_pipeline_resumes(project: Project) -> None:
    blocker = block(project, "faiss")
    failed = project.run(EASY)
    assert failed.code == 1
    assert "--resume" in failed.output
    blocker.unlink()
    resumed = project.run(EASY, "--resume")
    assert resumed.code == 0
    assert stages_run(resumed) == ["faiss", "final_assembly"]


def test_usage_run_pipeline_force(finished: Project) -> None:
    forced = finished.run(EASY, "--force")
    assert forced.code == 0
    assert set(stages_run(forced)) == set(STAGES)


def test_usage_resume_up_to_a_stage(project: Project) -> None:
    assert project.run(MAIN, "--end", "preparation").code == 0
    resumed = project.run(MAIN, "--resume", "--end", "settings")
    assert resumed.code == 0
    assert set(stages_run(resumed)) == {"extension_data", "code_examples", "settings"}
    found = project.checkpoint()
    assert found is not None
    assert found["completed_stages"] == list(STAGES[:5])
    assert found["status"] == "stopped"


def test_usage_force_with_limited_extensions(project: Project) -> None:
    assert project.run(EASY, "--force", "--max-extensions", "2").code == 0
    database = json.loads((project.data / "107.3/extensions/extensions_database.json").read_text())
    assert list(database["extensions"]) == ["made.up01", "made.up02"]


def test_usage_resume_overrides_start(project: Project) -> None:
    assert project.run(MAIN, "--end", "preparation").code == 0
    resumed = project.run(MAIN, "--resume", "--start", "settings", "--end", "settings")
    assert resumed.code == 0
    assert "--resume overrides --start" in resumed.output
    assert set(stages_run(resumed)) == {"extension_data", "code_examples", "settings"}


def test_usage_start_and_end(finished: Project) -> None:
    (finished.work / "settings/setting_summary.json").unlink()
    run = finished.run(MAIN, "--start", "settings", "--end", "faiss")
    assert run.code == 0, run.output
    assert stages_run(run)[0] == "settings"
    assert not set(stages_run(run)) & {"pull_repo_exts", "preparation", "extension_data", "code_examples"}


def test_start_names_the_missing_earlier_output(project: Project) -> None:
    run = project.run(MAIN, "--start", "settings")
    assert run.code == 2
    assert "sources.json" in run.output
    assert "pull_repo_exts" in run.output


def test_start_uses_earlier_outputs_unchecked(finished: Project) -> None:
    (finished.extensions / "made.up01/config/extension.toml").write_text("changed")
    assert stages_run(finished.run(MAIN, "--start", "final_assembly")) == []
    # and their records are kept: the edit is still detected
    assert "preparation" in stages_run(finished.run(MAIN))


# --- Stage Execution Flow with Checkpoints ----------------------------------------------------------------------------


def test_flow_failed_stage_keeps_the_completed_ones(project: Project) -> None:
    block(project, "embeddings")
    run = project.run(MAIN)
    assert run.code == 1
    found = project.checkpoint()
    assert found is not None
    assert found["completed_stages"] == list(STAGES[:5])
    assert found["status"] == "failed"
    assert found["failure"]["stage"] == "embeddings"
    assert found["failure"]["attempts"] == 1
    assert found["failure"]["log"].endswith("pipeline.log")


def test_flow_counts_failed_attempts(project: Project) -> None:
    block(project, "faiss")
    for attempt in (1, 2, 3):
        project.run(MAIN, "--resume")
        found = project.checkpoint()
        assert found is not None
        assert found["failure"]["attempts"] == attempt


def test_flow_cleared_after_all_stages(finished: Project) -> None:
    assert finished.checkpoint() is None
    assert finished.data_digest()


# --- Pre-stages Handling ----------------------------------------------------------------------------------------------


def test_pre_stages_run_once(project: Project) -> None:
    assert project.run(MAIN, "--end", "preparation").code == 0
    resumed = project.run(MAIN, "--resume")
    assert resumed.code == 0
    assert stages_skipped(resumed) == ["pull_repo_exts", "preparation"]


def test_pre_stages_run_again_if_one_failed(project: Project) -> None:
    assert project.run(MAIN, "--end", "pull_repo_exts").code == 0
    resumed = project.run(MAIN, "--resume", "--end", "preparation")
    assert stages_run(resumed) == ["pull_repo_exts", "preparation"]


# --- Config Restoration -----------------------------------------------------------------------------------------------


def test_a_kit_cache_has_to_be_named_again(project: Project, tmp_path: Path) -> None:
    """A checkpoint may come from someone else, so it must not select the folder to read."""
    other = make_project(tmp_path / "other", count=1)
    blocker = block(project, "faiss")
    failed = project.run(EASY, "--kit-cache", str(other.extensions))
    assert failed.code == 1
    assert re.search(rf"^Hint: .*--kit-cache {other.extensions}.* --resume", failed.output, re.MULTILINE)
    blocker.unlink()
    before = project.checkpoint()
    refused = project.run(EASY, "--resume")
    assert refused.code == 2
    assert f"Add --kit-cache {other.extensions} to continue it" in refused.output
    assert project.checkpoint() == before
    resumed = project.run(EASY, "--resume", "--kit-cache", str(other.extensions))
    assert resumed.code == 0
    assert stages_run(resumed) == ["faiss", "final_assembly"]
    database = json.loads((project.data / "107.3/extensions/extensions_database.json").read_text())
    assert database["total_extensions"] == 1


def test_a_changed_value_is_reported_and_affected_stages_run_again(project: Project) -> None:
    blocker = block(project, "faiss")
    assert project.run(MAIN).code == 1
    blocker.unlink()
    project.configure(input__kit_version="109.0", processing__code_examples_min_lines=10)
    resumed = project.run(MAIN, "--resume")
    assert resumed.code == 0
    assert "kit_version: checkpoint 107.3.3, config 109.0" in resumed.output
    assert "processing.code_examples_min_lines: checkpoint 20, config 10" in resumed.output
    assert "pull_repo_exts was complete and runs again" in resumed.output
    assert (project.data / "109.0/VERSION.md").read_text().strip().endswith("109.0")


# --- Edge Cases Handled -----------------------------------------------------------------------------------------------


def test_no_checkpoint_falls_back_to_a_full_run(project: Project) -> None:
    run = project.run(MAIN, "--resume")
    assert run.code == 0
    assert "No checkpoint found" in run.output
    assert set(stages_run(run)) == set(STAGES)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"completed_stages": 1}', b"\x00\xff"])
def test_a_corrupted_checkpoint_warns_and_starts_from_the_beginning(finished: Project, content: bytes) -> None:
    finished.checkpoint_file.write_bytes(content)
    run = finished.run(MAIN, "--resume")
    assert run.code == 0
    assert run.output.count("WARNING") == 1
    assert str(finished.checkpoint_file) in run.output
    assert set(stages_run(run)) == set(STAGES)
    assert (finished.work / ".pipeline_checkpoint.json.corrupt").read_bytes() == content
    assert finished.checkpoint() is None


def test_all_stages_completed_exits_early_with_success(finished: Project) -> None:
    before = digest_of(finished.data)
    run = finished.run(MAIN, "--resume")
    assert run.code == 0
    assert "already complete" in run.output
    assert stages_run(run) == []
    assert digest_of(finished.data) == before


def test_an_unknown_stage_is_refused_with_the_list(project: Project) -> None:
    run = project.run(MAIN, "--start", "setings")
    assert run.code == 2
    assert "Did you mean settings?" in run.output
    assert all(stage in run.output for stage in STAGES)
    assert "Traceback" not in run.output


def test_a_newer_checkpoint_is_refused(finished: Project) -> None:
    finished.checkpoint_file.write_text(
        json.dumps({"schema_version": 99, "timestamp": "", "completed_stages": [], "config_snapshot": {}})
    )
    run = finished.run(MAIN, "--resume")
    assert run.code == 2
    assert "newer version" in run.output


# --- Backward Compatibility -------------------------------------------------------------------------------------------


def test_a_documented_file_of_an_older_writer_is_used(project: Project) -> None:
    assert project.run(MAIN, "--end", "settings").code == 0
    found = project.checkpoint()
    assert found is not None
    documented = {key: found[key] for key in ("timestamp", "completed_stages", "config_snapshot")}
    project.checkpoint_file.write_text(json.dumps(documented))
    resumed = project.run(MAIN, "--resume")
    assert resumed.code == 0
    assert set(stages_skipped(resumed)) == set(STAGES[:5])


def test_runs_without_resume_are_unchanged(finished: Project) -> None:
    run = finished.run("doit")
    assert run.code == 0
    assert stages_run(run) == []


# --- However the pipeline is started ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("doit",), ("doit",)),
        (("doit",), (MAIN, "--resume")),
        ((MAIN,), ("doit", "-n", "2")),
        ((MAIN,), ("doit", "-n", "0")),
    ],
)
def test_mixed_starts(
    project: Project, good_data: dict[str, str], first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    blocker = block(project, "faiss")
    assert project.run(*first).code == 1
    found = project.checkpoint()
    assert found is not None
    assert found["completed_stages"] == list(STAGES[:6])
    blocker.unlink()
    run = project.run(*second)
    assert run.code == 0, run.output
    assert stages_run(run) == ["faiss", "final_assembly"]
    assert project.checkpoint() is None
    assert project.data_digest() == good_data


@pytest.mark.parametrize("how", ["-n 0", "-n 2", "-n 2 -P thread", "-n 2 -P process", "--continue"])
def test_every_way_that_doit_runs_tasks(project: Project, good_data: dict[str, str], how: str) -> None:
    run = project.run("doit", *how.split())
    assert run.code == 0, run.output
    assert project.data_digest() == good_data
    assert project.checkpoint() is None


def test_a_part_of_the_pipeline_leaves_a_checkpoint(project: Project) -> None:
    assert project.run("doit", "settings").code == 0
    found = project.checkpoint()
    assert found is not None
    assert found["completed_stages"] == list(STAGES[:5])


# --- Future Enhancements ----------------------------------------------------------------------------------------------


def test_show_checkpoint(project: Project) -> None:
    block(project, "embeddings")
    project.run(MAIN)
    for command in ((MAIN, "--show-checkpoint"), (EASY, "--show-checkpoint"), ("doit", "checkpoint", "show")):
        shown = project.run(*command)
        assert shown.code == 0, shown.output
        assert "Failed at embeddings:" in shown.output
        assert re.search(r"^extension_data +complete", shown.output, re.MULTILINE)
    shown = project.run(MAIN, "--show-checkpoint", "--json")
    value = json.loads(shown.output)
    assert value["checkpoint"]["failure"]["stage"] == "embeddings"
    assert {task["stage"] for task in value["resume"] if task["action"] == "run"} >= {"embeddings"}


def test_clear_checkpoint(project: Project) -> None:
    for command in ((MAIN, "--clear-checkpoint"), (EASY, "--clear-checkpoint"), ("doit", "checkpoint", "clear")):
        assert project.run(MAIN, "--end", "preparation").code == 0
        assert project.checkpoint() is not None
        cleared = project.run(*command)
        assert cleared.code == 0, cleared.output
        assert project.checkpoint() is None


def test_dry_run_shows_the_tasks_with_reasons_and_changes_nothing(finished: Project) -> None:
    source = finished.extensions / "made.up02/made/up02/__init__.py"
    source.write_text(source.read_text() + "\n\nclass Added:\n    pass\n")
    (finished.work / "settings/setting_statistics.json").unlink()
    before = {p: (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in finished.path.rglob("*")}
    del before[finished.path / "output.txt"]
    run = finished.run(MAIN, "--dry-run")
    after = {p: (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in finished.path.rglob("*")}
    del after[finished.path / "output.txt"]
    assert run.code == 0
    assert after == before
    assert re.search(r"run +extension_data:made.up02: .*__init__.py changed", run.output)
    assert re.search(r"run +settings:@merge: .*setting_statistics.json is missing", run.output)
    assert re.search(r"maybe +code_examples:made.up02", run.output)
    assert "extension_data:made.up01" not in run.output


def test_dry_run_before_the_first_run_writes_nothing(project: Project) -> None:
    run = project.run(MAIN, "--dry-run")
    assert run.code == 0
    assert not project.work.exists()
    assert not project.data.exists()


def test_partial_stage_restart(project: Project) -> None:
    """A stage that failed at an extension resumes at that extension."""
    victim = project.work / "extension_data/entries/made.up03.json"
    victim.mkdir(parents=True)
    (project.work / ".pipeline_lock").touch()  # the pipeline has worked here
    failed = project.run("doit", "-n", "0")
    assert failed.code == 1
    done = json.loads(project.run(MAIN, "--dry-run", "--json").output)
    victim.rmdir()
    again = json.loads(project.run(MAIN, "--dry-run", "--json").output)
    kept = {task["task"] for task in done if task["stage"] == "extension_data" and task["action"] == "up-to-date"}
    assert kept
    assert {t["task"] for t in again if t["action"] == "up-to-date"} >= kept
    resumed = project.run(MAIN, "--resume")
    assert resumed.code == 0
    total = len(list(project.extensions.iterdir())) + 1
    assert f"({total - len(kept)} run, {len(kept)} up to date)" in resumed.output


# --- The documented check ---------------------------------------------------------------------------------------------


def test_the_documented_script_prints_the_documented_words() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "test_checkpoint_system.py"],
        capture_output=True,
        check=False,
        timeout=300,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == (
        "Testing Checkpoint/Resume System\n"
        "...\n"
        "✅ All tests passed!\n"
        "\n"
        "Checkpoint/resume system working correctly:\n"
        "  - Checkpoints saved after each stage\n"
        "  - Resume skips completed stages\n"
        "  - Checkpoint cleared on success\n"
    )


def test_the_stages_are_listed_in_order() -> None:
    done = subprocess.run([sys.executable, ROOT / MAIN, "--list-stages"], capture_output=True, text=True, check=True)
    assert re.findall(r"\d\. (\w+)", done.stdout) == list(STAGES)
