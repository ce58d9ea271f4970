"""Fault containment: a bad file affects that file, a bad extension that extension, a machine fault the run."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import pytest

from stages.failures import StageError, StageWarning, contained
from tests.project import make_project


def test_an_unexpected_exception_gives_a_warning_and_a_logged_traceback(caplog: pytest.LogCaptureFixture) -> None:
    warnings: list[StageWarning] = []
    with caplog.at_level(logging.WARNING), contained(warnings, "a.b", "a/b.py"):
        raise KeyError("x")
    (warning,) = warnings
    assert (warning["kind"], warning["extension"], warning["file"]) == ("internal", "a.b", "a/b.py")
    assert "KeyError: 'x'" in warning["message"]
    assert "report it" in warning["message"]
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize(
    "error",
    [
        StageError("x"),
        MemoryError(),
        KeyboardInterrupt(),
        SystemExit(1),
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EMFILE, "many"),
    ],
    ids=lambda error: f"{type(error).__name__} {getattr(error, 'errno', None)}",
)
def test_errors_unrelated_to_the_input_propagate(error: BaseException) -> None:
    with pytest.raises(type(error)), contained([], "a.b"):
        raise error


def test_an_extension_that_breaks_the_reader_stops_no_other(tmp_path: Path) -> None:
    """A sitecustomize breaks the reader for one name, because no input is known that does."""
    project = make_project(tmp_path.resolve() / "project", count=2)
    (tmp_path / "sitecustomize.py").write_text(
        "import stages.python.resolver as resolver\n"
        "def broken(self, *args, **kwargs):\n"
        "    if 'made.up01' in self.modules:\n"
        "        raise KeyError('broken on purpose')\n"
        "    return original(self, *args, **kwargs)\n"
        "original = resolver.Api._assign_names\n"
        "resolver.Api._assign_names = broken\n"
    )
    environ = {"PYTHONPATH": f"{tmp_path}"}
    run = project.run("doit", "-n", "0", **environ)
    assert run.code == 0, run.output
    assert "made.up01: The extension is left out: an internal error" in run.output
    assert "broken on purpose" in (project.work / "pipeline.log").read_text()
    atlas = project.data / "107.3/extensions/codeatlas"
    assert '"made.up02.Worker2"' in (atlas / "made.up02-1.2.0.codeatlas.json").read_text()
    assert project.run("doit", "-n", "0", "--force", "--strict", **environ).code == 1
