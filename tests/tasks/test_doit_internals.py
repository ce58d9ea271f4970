"""The undocumented parts of doit in use: a release that changes one fails here."""

from __future__ import annotations

import doit
from doit.cmdparse import DefaultUpdate
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
