"""The undocumented parts of doit that this project uses.

They match doit 0.37 and 0.38. ``tests/tasks/test_doit_internals.py`` fails when one of them changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doit import control, doit_cmd, get_initial_workdir
from doit.control import ExecNode, TaskDispatcher
from doit.task import Task


def command_line_variables() -> dict[str, str]:
    """Return the variables of the command line (``KEY=VALUE``), in order (``doit_cmd._CMDLINE_VARS``).

    ``doit.get_var`` reads a single variable by name, so it cannot detect unknown names.
    """
    return dict(doit_cmd._CMDLINE_VARS or {})


def started_in() -> Path:
    """Return the folder where the command was started, which paths of the command line are relative to."""
    return Path(get_initial_workdir() or ".")


def set_command_line_variable(name: str, value: str) -> None:
    """Set a variable as if it were the last one on the command line (``doit_cmd.set_var``)."""
    if doit_cmd._CMDLINE_VARS is None:
        doit_cmd.reset_vars()
    doit_cmd._CMDLINE_VARS.pop(name, None)
    doit_cmd.set_var(name, value)


def options_given(params: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the options set on the command line (``DefaultUpdate._non_default_keys``)."""
    return frozenset(getattr(params, "_non_default_keys", ()))


def uptodate_checks(task: Task) -> list[Any]:
    """Return the ``uptodate`` callables of a task; ``Task.uptodate`` holds them with their arguments."""
    return [check for check, _, _ in task.uptodate]


class _InOrder(dict[ExecNode, None]):
    """A set that iterates in the order of addition."""

    def add(self, node: ExecNode) -> None:
        """Add a task."""
        self[node] = None


class _InOrderDispatcher(TaskDispatcher):  # type: ignore[misc]
    def _gen_node(self, parent: ExecNode | None, task_name: str) -> ExecNode | None:
        node: ExecNode | None = super()._gen_node(parent, task_name)
        if node is not None:
            node.waiting_me = _InOrder()
        return node


def start_in_order() -> None:
    """Let doit start the tasks that waited for the same task in the order of their creation (``TaskDispatcher``).

    doit itself keeps them in a set, and starts them in a random order. The stages create their longest tasks first.
    """
    control.TaskDispatcher = _InOrderDispatcher
