"""Fixtures that several test files share: above all the real extensions, fetched once and never committed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

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


# Files of long tests, whole; and files (or folders) of which the quick tests keep the first case of each test.
_LONG = (
    "tests/benchmarks/",
    "tests/console/report/test_browser.py",
    "tests/test_wheel.py",
    "tests/docs/test_ninth_stage.py",
)
_FIRST_OF_EACH = (
    "tests/faults/",
    "tests/security/",
    "tests/test_documented_commands.py",
    "tests/checkpoint/test_embedding_service.py",
    "tests/checkpoint/test_interruption.py",
    "tests/checkpoint/test_run_command.py",
    "tests/checkpoint/test_specification.py",
)
# Of a cluster the quick tests keep one run.
_ONE = {"tests/tasks/workers/test_dask.py": "test_two_workers_make_what_one_machine_makes"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long tests; each kind of fault keeps a quick one."""
    seen: set[str] = set()
    for item in items:
        path = item.path.relative_to(item.config.rootpath).as_posix()
        function = f"{path}::{getattr(item, 'originalname', item.name)}"
        long = path.startswith(_LONG) or (path in _ONE and getattr(item, "originalname", "") != _ONE[path])
        long = long or (path.startswith(_FIRST_OF_EACH) and function in seen)
        seen.add(function)
        if long:
            item.add_marker(pytest.mark.long)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the quick tests leave out."""
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
    """The unpacked wheel: extensions in ``isaaclab/source/*``, apps in ``isaaclab/apps/*.kit``. To read only."""
    folder = _cache_folder() / f"unpacked-{WHEEL_SHA256[:16]}"
    if not folder.is_dir():
        # Several pytest processes may come here at once: unpack aside, then rename; the loser's copy is thrown away.
        aside = Path(tempfile.mkdtemp(dir=folder.parent))
        with zipfile.ZipFile(wheel_file) as archive:
            archive.extractall(aside)
        with contextlib.suppress(OSError):
            aside.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)
    return folder
