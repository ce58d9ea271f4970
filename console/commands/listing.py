"""``doit list`` in the order of the stages, and ``doit help`` with the commands in groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doit.cmd_help import Help
from doit.cmd_list import List, opt_sort

# Heading → commands. Commands that are not listed here, such as those of extras, come last.
GROUPS: dict[str, tuple[str, ...]] = {
    "Run": ("run", "dry-run", "checkpoint", "config"),
    "Use the data set": ("search", "serve", "report", "verify", "diff"),
    "Look at the tasks": ("list", "info", "help", "tabcompletion"),
    "Start afresh": ("clean", "forget", "ignore", "reset-dep"),
}
_PURPOSES = {
    "clean": "remove the files that the pipeline, or some of its stages, made",
    "forget": "forget that tasks succeeded; their files stay",
    "ignore": "leave a task out of all runs until it is forgotten",
    "reset-dep": "treat the current files as the inputs of the last run",
    "info": "show a task's inputs and outputs, and whether it is up to date",
    "list": "list the stages; --all lists their tasks",
    "help": "show this list, or the help of a command or task",
    "tabcompletion": "print a completion script for bash or zsh",
}


class ListCommand(List):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that replaces doit's ``list``."""

    name = "list"
    doc_purpose = _PURPOSES["list"]
    cmd_options = tuple(
        {**option, "default": "definition"} if option["name"] == opt_sort["name"] else option
        for option in List.cmd_options
    )


class HelpCommand(Help):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that replaces doit's ``help``."""

    name = "help"
    doc_purpose = _PURPOSES["help"]

    def print_usage(self, cmds: Mapping[str, Any]) -> None:
        """Print the commands in groups."""
        lines = ["Collects API docs, code examples and settings of Omniverse Kit extensions into a data set.", ""]
        lines += [f"  {self.bin_name} [STAGE|TASK|TARGET …] [OPTION …] [KEY=VALUE …]", ""]
        grouped = [name for names in GROUPS.values() for name in names]
        groups = {**GROUPS, "Other commands, doit's own": tuple(sorted(set(cmds) - set(grouped)))}
        for heading, names in groups.items():
            lines.append(heading)
            lines += [f"  {name:<15} {_purpose(name, cmds[name])}" for name in names if name in cmds]
            lines.append("")
        lines.append(f"{self.bin_name} help COMMAND (or TASK) shows details. The documentation is in docs/.")
        print("\n".join(lines))


def _purpose(name: str, command: Any) -> str:
    return str(_PURPOSES.get(name) or command.doc_purpose)
