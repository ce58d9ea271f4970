from __future__ import annotations

from typing import Any

from doit.task import Task

from tasks.uptodate import Freshness, reasons


def recorded(task: Task) -> dict[str, Any]:
    """Return doit's values for a successful task."""
    values: dict[str, Any] = {}
    for saver in task.value_savers:
        values |= saver()
    return values


def test_changed_and_unchanged_options() -> None:
    values = {"options": {"mode": "regular"}, "targets": {}}
    assert Freshness({"mode": "regular"})(Task("t", None), values)
    other = Freshness({"mode": "tests"})
    task = Task("t", None, uptodate=[other])
    assert not other(task, values)
    assert reasons(task) == ["mode: regular -> tests"]


class Source:
    """An input of a task: its content, and the time of its last change."""

    def __init__(self) -> None:
        self.content, self.time = "a", 1

    def write(self, content: str) -> None:
        self.content = content
        self.time += 1

    def state(self) -> dict[str, Any]:
        return {"content": self.content, "time": self.time}


def test_steady_values_are_not_recorded() -> None:
    source = Source()
    first = Freshness({}, source.state, steady=["time"])
    task = Task("t", None)
    assert not first(task, {})
    values = recorded(task)
    assert values["options"] == {"content": "a"}
    source.write("a")
    assert Freshness({}, source.state, steady=["time"])(Task("t", None), values)


def test_a_steady_value_that_changed_during_the_task_makes_it_run_again() -> None:
    source = Source()
    first = Freshness({}, source.state, steady=["time"])
    task = Task("t", None)
    assert not first(task, {})
    source.write("b")  # the task may have read this
    source.write("a")
    again = Freshness({}, source.state, steady=["time"])
    task_again = Task("t", None, uptodate=[again])
    assert not again(task_again, recorded(task))
    assert reasons(task_again) == ["content: changed while it was read -> a"]
    assert Freshness({}, source.state, steady=["time"])(Task("t", None), recorded(task_again))
