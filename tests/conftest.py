"""Shared fixtures. The real extensions are fetched once and never committed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import settings

from tests.comparison.pairs import collect
from tests.project import Project

# A busy machine must not fail the tests.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# The tests start hundreds of processes. Container images often disable bytecode files. Then each process
# would compile the whole program, and each test process all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# If a shell starts the tests in the background, they ignore SIGINT, and their child processes would inherit this.
signal.signal(signal.SIGINT, signal.default_int_handler)

WHEEL = "isaaclab==2.3.2"
WHEEL_FILE = "isaaclab-2.3.2-cp311-none-manylinux_2_35_x86_64.whl"
WHEEL_SHA256 = "236040ad8616f0fe921a636e7c745920496c12b96bf0e0369f3416fb7a28c99b"
_PLATFORM = ["--platform", "manylinux_2_35_x86_64", "--python-version", "3.11", "--implementation", "cp"]
_NO_INDEX = (
    "could not find a version",
    "connection",
    "timed out",
    "temporary failure in name resolution",
    "name or service not known",
    "network is unreachable",
    "proxy",
)


# Files in which every test is long.
_LONG = (
    "tests/benchmarks/",
    "tests/console/report/test_browser.py",
    "tests/test_wheel.py",
    "tests/docs/test_ninth_stage.py",
)
# Files and folders in which only the first case of each test is quick.
_FIRST_OF_EACH = ("tests/faults/", "tests/security/", "tests/test_documented_commands.py", "tests/checkpoint/")
# Files in which only the first case of these tests is quick: one per kind of fault and per feature.
_QUICK = {
    "tests/checkpoint/test_early_end.py": {"test_a_new_comment_runs_only_the_tasks_of_its_extension"},
    "tests/checkpoint/test_embedding_service.py": {
        "test_a_stage_before_the_service_needs_no_key",
        "test_an_unset_variable_is_reported_before_anything_runs",
    },
    "tests/checkpoint/test_interruption.py": {
        "test_a_second_run_is_refused_and_names_the_first",
        "test_interrupted_with_plain_doit",
        "test_worker_processes_end_with_a_killed_run",
    },
    "tests/checkpoint/test_run_command.py": {
        "test_a_pattern_selects_subtasks",
        "test_an_early_interruption_gives_one_line",
        "test_an_ignored_task_is_not_nothing_to_do",
        "test_an_unusable_checkpoint_and_a_plain_run",
        "test_another_backend_gives_one_clear_line",
        "test_any_reporter_starts_in_the_middle",
        "test_force_of_a_subtask_cleans_and_runs_that_one_and_the_merge",
        "test_force_wins_over_resume_with_a_notice",
        "test_the_last_spelling_of_a_key_wins",
        "test_the_path_of_a_target_selects_its_task",
        "test_a_selection_of_nothing_is_an_error",
    },
    "tests/checkpoint/test_specification.py": {
        "test_a_corrupted_checkpoint_warns_and_starts_from_the_beginning",
        "test_a_newer_checkpoint_is_refused",
        "test_all_stages_completed_exits_early_with_success",
        "test_config_persistence_in_the_checkpoint",
        "test_flow_failed_stage_keeps_the_completed_ones",
        "test_pre_stages_run_again_if_one_failed",
        "test_start_names_the_missing_earlier_output",
        "test_usage_force_with_limited_extensions",
        "test_usage_resume_up_to_a_stage",
    },
    "tests/console/commands/test_diff.py": {"test_the_table_has_the_most_changed_extension_first"},
    "tests/console/display/test_plain.py": {
        "test_a_terminal_shows_the_eight_stages_live_and_a_closing_table",
        "test_the_log_file_has_everything_with_times",
        "test_warnings_are_shown_with_file_and_line",
    },
    "tests/console/outputs/test_run_outputs.py": {
        "test_annotations_are_on_only_for_github",
        "test_junit_has_a_case_per_stage_with_the_failure",
    },
    "tests/faults/test_at_once.py": {"test_on_one_work_directory"},
    "tests/faults/test_changing_input.py": set(),
    "tests/faults/test_kills.py": {"test_a_killed_run_resumes"},
    "tests/faults/test_load.py": {"test_too_little_memory_is_reported"},
    "tests/faults/test_publishing.py": {"test_killed_while_publishing"},
    "tests/faults/test_signals.py": {"test_a_signalled_run_resumes"},
    "tests/faults/test_times.py": {"test_the_clock_jumps_between_runs"},
    "tests/faults/test_writes.py": {"test_a_full_disk", "test_killed_at_the_nth_rename", "test_something_in_the_way"},
    "tests/tasks/workers/test_dask.py": {"test_two_workers_give_the_result_of_one_machine"},
}
# Tests on real files and of whole runs, in files with quick tests.
_LONG_TESTS = frozenset(
    {
        "tests/comparison/test_moves.py::test_a_hundred_thousand_candidates_are_paired",
        "tests/config/test_load.py::test_the_validator_agrees_with_jsonschema",
        "tests/console/report/test_page.py::test_a_failed_run_with_report_writes_the_page_and_keeps_its_code",
        "tests/console/report/test_page.py::test_a_file_that_cannot_be_read_is_noted",
        "tests/console/report/test_page.py::test_a_run_with_report_writes_the_page_when_it_ends",
        "tests/console/report/test_page.py::test_an_edit_shows_what_is_out_of_date",
        "tests/console/report/test_page.py::test_extensions_are_shown_before_the_database_exists",
        "tests/console/report/test_page.py::test_removed_intermediates_are_read_from_the_data_set",
        "tests/stages/publishing/test_portable.py::test_a_data_set_can_be_copied_anywhere",
        "tests/stages/retrieval/test_search.py::test_a_filtered_search_of_an_approximate_index_loses_nothing",
        "tests/stages/setting_scan/test_calls.py::test_skipping_files_early_loses_nothing",
        "tests/stages/setting_scan/test_calls.py::test_the_wheel_against_a_plain_text_search",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long tests. Each kind of fault keeps a quick test."""
    seen: set[tuple[str, str]] = set()
    for item in items:
        path = item.path.relative_to(item.config.rootpath).as_posix()
        name = getattr(item, "originalname", item.name)
        # One case per kind of bad input is quick.
        area = item.name.partition("[")[2].partition("-")[0] if path.startswith("tests/bad_input/") else ""
        function = f"{path}::{name}"
        first = (function, area) not in seen
        seen.add((function, area))
        long = path.startswith(_LONG) or function in _LONG_TESTS
        if path in _QUICK:
            long = long or name not in _QUICK[path] or not first
        elif path.startswith((*_FIRST_OF_EACH, "tests/bad_input/")):
            long = long or not first
        if long:
            item.add_marker(pytest.mark.long)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report the tests that a quick run skips."""
    left = len(terminalreporter.stats.get("deselected", []))
    if config.getoption("markexpr") == "not long":
        more = f"{left} long tests" if left else "The long tests"
        terminalreporter.write_line(
            f"{more} were left out (kills, whole-wheel runs, clusters, the browser, more cases of each fault): "
            "make test-all runs them."
        )


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kit-extension-pipeline-tests"


def _is_the_wheel(path: Path) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == WHEEL_SHA256


@pytest.fixture(scope="session")
def wheel_file() -> Path:
    """The real wheel, from the user's cache or the package index.

    Skipped only where no index can be reached, and never under CI: there a missing wheel is a failure.
    """
    cache = _cache_folder()
    wheel = cache / WHEEL_FILE
    if _is_the_wheel(wheel):
        return wheel
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", *_PLATFORM]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--dest", folder, WHEEL],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        downloaded = Path(folder) / WHEEL_FILE
        if done.returncode:
            if not os.environ.get("CI") and any(sign in done.stderr.lower() for sign in _NO_INDEX):
                pytest.skip(f"no package index can be reached, so {WHEEL} cannot be fetched")
            pytest.fail(f"pip download {WHEEL} failed:\n{done.stderr}")
        assert _is_the_wheel(downloaded), f"{WHEEL_FILE} is not the file the expectations were written for"
        downloaded.replace(wheel)
    return wheel


@pytest.fixture(scope="session")
def wheel_root(wheel_file: Path) -> Path:
    """The unpacked wheel: extensions in ``isaaclab/source/*``, apps in ``isaaclab/apps/*.kit``. Read-only."""
    folder = _cache_folder() / f"unpacked-{WHEEL_SHA256[:16]}"
    if not folder.is_dir():
        # Several pytest processes may run this at once. Each unpacks aside, then renames; only the first copy is kept.
        aside = Path(tempfile.mkdtemp(dir=folder.parent))
        with zipfile.ZipFile(wheel_file) as archive:
            archive.extractall(aside)
        with contextlib.suppress(OSError):
            aside.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)
    return folder


@pytest.fixture(scope="session")
def compared_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:
    """The old and the new Kit of `tests.comparison`, once for all test processes. Read-only."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared.resolve() / "compared"
    with (shared / "compared.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            collect(folder)
            (folder / "complete").touch()
    return Project(folder / "old"), Project(folder / "new")
