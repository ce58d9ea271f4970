"""The undocumented parts of doit in use: a release that changes one fails here."""

from __future__ import annotations

import doit
import pytest
from doit.cmdparse import DefaultUpdate
from doit.control import TaskControl
from doit.doit_cmd import DoitMain
from doit.task import Task

from tasks import doit_internals


def test_the_variables_of_a_command_line_in_their_order() -> None:
    assert DoitMain(config_filenames=()).process_args(["b=1", "word", "a=2", "b=3"]) == ["word"]
    assert doit_internals.command_line_variables() == {"b": "3", "a": "2"}
    doit_internals.set_command_line_variable("b", "4")
    assert list(doit_internals.command_line_variables().items()) == [("a", "2"), ("b", "4")]
    assert doit.get_var("b") == "4"


def test_the_options_on_the_command_line() -> None:
    params = DefaultUpdate({"resume": False})
    assert doit_internals.options_given(params) == frozenset()
    params["resume"] = True
    assert doit_internals.options_given(params) == {"resume"}


def test_the_checks_of_a_task() -> None:
    def check(task: object, values: object) -> bool:
        return bool(task or values)

    assert doit_internals.uptodate_checks(Task("a", None, uptodate=[check])) == [check]


def test_the_makers_of_a_tasks_files_are_those_that_doit_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    def makers() -> dict[str, list[str]]:
        tasks = [
            Task("a", None, targets=["a1", "a2"]),
            Task("b", None, file_dep=["a2", "source"], targets=["b1"]),
            Task("merge", None, file_dep=["a1", "a2", "b1", "other"], task_dep=["b"]),
        ]
        return {name: sorted(task.task_dep) for name, task in TaskControl(tasks).tasks.items()}

    # Restores doit's own after the test.
    monkeypatch.setattr(TaskControl, "add_implicit_task_dep", staticmethod(TaskControl.add_implicit_task_dep))
    theirs = makers()
    doit_internals.look_up_makers_in_sets()
    assert makers() == theirs == {"a": [], "b": ["a"], "merge": ["a", "b"]}
    assert TaskControl.add_implicit_task_dep is doit_internals._add_makers
