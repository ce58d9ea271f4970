"""The resume hint is a command line that works as typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.hint import resume_command


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["run_pipeline.py", "--kit-cache", "/a b"], "run_pipeline.py --kit-cache '/a b' --resume"),
        (["data_collection_pipeline.py", "--force", "--config", "x.toml"], "--config x.toml --resume"),
        (["data_collection_pipeline.py", "--start", "faiss", "--end", "faiss"], "--end faiss --resume"),
        (["data_collection_pipeline.py", "--start=faiss", "--resume"], "data_collection_pipeline.py --resume"),
        (["/env/bin/doit", "config=x.toml", "force=1", "settings"], "doit config=x.toml settings --resume"),
        (["/env/lib/doit/__main__.py", "-n", "2"], "-m doit -n 2 --resume"),
    ],
)
def test_options_that_start_afresh_are_left_out(argv: list[str], expected: str) -> None:
    assert resume_command(argv, "/env/bin/python", "").endswith(expected)


def test_a_program_of_the_search_path_is_named_without_its_folder(tmp_path: Path) -> None:
    for name in ("python", "doit"):
        (tmp_path / name).touch(mode=0o755)
    assert resume_command(["run_pipeline.py"], "/env/bin/python", str(tmp_path)) == "python run_pipeline.py --resume"
    assert resume_command([str(tmp_path / "doit")], "", str(tmp_path)) == "doit --resume"
    assert resume_command([str(tmp_path / "doit")], "", "") != "doit --resume"


def test_another_program_gets_no_hint() -> None:
    assert resume_command(["/usr/bin/my_program", "x"], "/usr/bin/python") == ""
