"""The parts of doit that this project uses and that doit does not document, each in one place.

They are those of doit 0.37 and 0.38; ``tests/tasks/test_doit_internals.py`` tells when one of them changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doit import doit_cmd
from doit.task import Task


def command_line_variables() -> dict[str, str]:
    """Return the variables of the command line (``KEY=VALUE``) in their order.

    ``doit.get_var`` reads one variable by name; an unknown name can be told only from all of them
    (``doit_cmd._CMDLINE_VARS``).
    """
    return dict(doit_cmd._CMDLINE_VARS or {})


def set_command_line_variable(name: str, value: str) -> None:
    """Set a variable as if the command line had given it as the last one (``doit_cmd.set_var``)."""
    if doit_cmd._CMDLINE_VARS is None:
        doit_cmd.reset_vars()
    doit_cmd._CMDLINE_VARS.pop(name, None)
    doit_cmd.set_var(name, value)


def options_given(params: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the options that the command line gives (``DefaultUpdate._non_default_keys``)."""
    return frozenset(getattr(params, "_non_default_keys", ()))


def uptodate_checks(task: Task) -> list[Any]:
    """Return the ``uptodate`` callables of a task; ``Task.uptodate`` holds them with their arguments."""
    return [check for check, _, _ in task.uptodate]
