"""The configuration of a command that needs no tasks."""

from __future__ import annotations

from config import Config, load
from tasks.doit_internals import command_line_variables, started_in


def configuration() -> Config:
    """Return the configuration for the ``KEY=VALUE`` of the command line, which doit removes from the arguments.

    Raises:
        ConfigError: A value or the configuration file is wrong.
    """
    variables = command_line_variables()
    named = variables.pop("config", "")
    return load(started_in() / named if named else None, variables)
