from __future__ import annotations

from pathlib import Path

import pytest
from doit.exceptions import InvalidCommand
from doit.task import Task

from checkpoint.selection import Folders, members, resolve, with_merges

TASKS = [
    Task("pull_repo_exts", ["true"], targets=["out/sources.json"]),
    Task("settings", None, has_subtask=True),
    Task("settings:omni.ui", ["true"], targets=["out/settings/by/omni.ui.json"]),
    Task("settings:omni.kit", ["true"], targets=["out/settings/by/omni.kit.json"]),
    Task("settings:@merge", ["true"], targets=["out/settings/setting_summary.json"]),
    Task("faiss", None, has_subtask=True),
]
STAGES = ["pull_repo_exts", "settings", "faiss"]
FOLDERS = Folders(Path("/project"), Path("/project/out"))


def _resolve(*words: str) -> list[str]:
    return resolve(words, STAGES, lambda: TASKS, FOLDERS)


def test_stages_need_no_lookup() -> None:
    def never() -> list[Task]:
        raise AssertionError("no task is looked up")

    assert resolve(["settings", "faiss"], STAGES, never, FOLDERS) == ["settings", "faiss"]


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("settings:omni.ui", ["settings:omni.ui"]),
        ("settings:omni.*", ["settings:omni.ui", "settings:omni.kit"]),
        ("out/sources.json", ["pull_repo_exts"]),
        ("sources.json", ["pull_repo_exts"]),
        ("/project/out/settings/setting_summary.json", ["settings:@merge"]),
        ("settings/by/omni.new.json", ["settings"]),
        ("faiss:extensions", ["faiss:extensions"]),
    ],
)
def test_a_word_selects_tasks(word: str, names: list[str]) -> None:
    assert _resolve(word) == names


def test_a_task_that_is_named_twice_is_selected_once() -> None:
    assert _resolve("settings:omni.kit", "settings:omni.*") == ["settings:omni.kit", "settings:omni.ui"]


@pytest.mark.parametrize("word", ["setings", "settings:omni.new", "nothing:*", "out/none.json", "\0", ""])
def test_an_unknown_word_is_an_error(word: str) -> None:
    with pytest.raises(InvalidCommand, match=r"there is no task or target .* doit list --all shows the tasks"):
        _resolve(word)


def test_the_error_names_the_closest_task() -> None:
    with pytest.raises(InvalidCommand, match=r"Did you mean settings\?"):
        _resolve("setings")


def test_a_subtask_also_selects_the_merge_of_its_stage() -> None:
    assert with_merges(["settings:omni.ui", "settings:omni.kit"], TASKS) == [
        "settings:omni.ui",
        "settings:@merge",
        "settings:omni.kit",
    ]
    assert with_merges(["pull_repo_exts", "faiss:extensions"], TASKS) == ["pull_repo_exts", "faiss:extensions"]


def test_members_are_the_selected_tasks_with_actions() -> None:
    assert [task.name for task in members(["settings"], TASKS)] == [
        "settings:omni.ui",
        "settings:omni.kit",
        "settings:@merge",
    ]
    assert [task.name for task in members(["settings:omni.ui", "faiss"], TASKS)] == ["settings:omni.ui"]
