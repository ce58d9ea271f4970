"""The undocumented parts of doit in use: a release that changes one fails here."""

from __future__ import annotations

import doit
import pytest
from doit import control
from doit.cmdparse import DefaultUpdate
from doit.control import TaskControl, TaskDispatcher
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


def test_tasks_that_waited_for_the_same_task_start_in_the_order_of_their_creation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"{(7 * number) % 50:02}" for number in range(50)]
    monkeypatch.setattr(control, "TaskDispatcher", TaskDispatcher)  # restores doit's own after the test
    doit_internals.start_in_order()
    tasks = TaskControl([*(Task(name, None, task_dep=["first"]) for name in names), Task("first", None)])
    tasks.process(None)
    started = []
    dispatcher = tasks.task_dispatcher().generator
    node = next(dispatcher)
    assert node.task.name == "first"
    node.run_status = "run"
    assert dispatcher.send(None) == "hold on"
    node.run_status = "done"
    node = dispatcher.send(node)
    while node is not None:
        started.append(node.task.name)
        node = next(dispatcher, None)
    assert started == names
