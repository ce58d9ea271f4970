from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checkpoint.file import Checkpoint
from checkpoint.resume import ResumeRefused, changes_since, restore
from config import load
from config.request import Request


def _kept(**overrides: Any) -> Checkpoint:
    return Checkpoint(work_dir="/w", overrides={key.replace("__", "."): value for key, value in overrides.items()})


def test_the_amount_of_work_is_restored_with_a_notice() -> None:
    kept = _kept(processing__max_extensions=2, output__keep_intermediates=False, quick=True)
    request, notices = restore(kept, Request(), [])
    assert request.overrides == {"processing.max_extensions": 2, "output.keep_intermediates": False}
    assert request.quick
    assert notices == [
        ("notice", "Restored from the checkpoint: processing.max_extensions = 2"),
        ("notice", "Restored from the checkpoint: output.keep_intermediates = false"),
        ("notice", "Restored from the checkpoint: quick = true"),
    ]


def test_the_command_line_wins() -> None:
    kept = _kept(processing__max_extensions=2, quick=True)
    given = Request.from_variables({"max_extensions": "7", "quick": "0"}, Path("/"))
    request, notices = restore(kept, given, [])
    assert request.overrides == {"processing.max_extensions": "7"}
    assert not request.quick
    assert notices == []


@pytest.mark.parametrize(
    "key",
    [
        "input.sources",
        "embeddings.endpoint_url",
        "output.target_dir",
        "output.work_dir",
        "logging.log_file",
        "processing.scheduler",
    ],
)
def test_nothing_else_is_restored(key: str) -> None:
    request, notices = restore(Checkpoint(work_dir="/w", overrides={key: "/planted"}), Request(), [])
    assert request == Request()
    assert notices == []


def test_a_kit_cache_is_restored_only_if_the_configuration_names_it(tmp_path: Path) -> None:
    kept = _kept(kit_cache=str(tmp_path))
    (tmp_path / "link").symlink_to(tmp_path)
    request, _ = restore(kept, Request(), [str(tmp_path / "link")])
    assert request.kit_cache == str(tmp_path)
    with pytest.raises(ResumeRefused, match="Add --kit-cache"):
        restore(kept, Request(), ["/elsewhere", "\0"])
    given = Request.from_variables({"kit_cache": "/mine"}, tmp_path)
    assert restore(kept, given, [])[0].kit_cache == "/mine"


def test_changes_of_the_configuration_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "pipeline_config.toml"
    path.write_text("[input]\nkit_version = '108.0'\n[processing]\nmax_extensions = 3\n")
    config = load(path)
    before = config.public()
    before["processing"]["max_extensions"] = 5
    found = Checkpoint(work_dir="/w", kit_version="107.3.3", configuration={**before, "gone": {"key": 1}})
    found.configuration.pop("gone")
    assert changes_since(found, config) == [
        "kit_version: checkpoint 107.3.3, config 108.0",
        "processing.max_extensions: checkpoint 5, config 3",
    ]
    assert changes_since(Checkpoint(work_dir="/w"), config) == []
