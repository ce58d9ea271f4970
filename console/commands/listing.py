"""``doit list`` in the order of the stages, and ``doit help`` with the commands in groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doit.cmd_help import Help
from doit.cmd_list import List, opt_sort

# Heading → commands. What is in none of them, such as those of extras, comes last.
GROUPS: dict[str, tuple[str, ...]] = {
    "Run": ("run", "dry-run", "checkpoint", "config"),
    "Use the data set": ("search", "serve", "report", "verify", "diff"),
    "Look at the tasks": ("list", "info", "help", "tabcompletion"),
    "Start afresh": ("clean", "forget", "ignore", "reset-dep"),
}
_PURPOSES = {
    "clean": "remove what the pipeline made, or what some stages made",
    "forget": "forget that tasks succeeded; their files stay",
    "ignore": "leave a task out of all runs until it is forgotten",
    "reset-dep": "take the files as they are for what the tasks have read",
    "info": "show what a task reads and makes, and whether it is up to date",
    "list": "list the stages; --all lists their tasks",
    "help": "show this, or how a command or task is used",
    "tabcompletion": "print a completion script for bash or zsh",
}


class ListCommand(List):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that takes the place of doit's ``list``."""

    name = "list"
    doc_purpose = _PURPOSES["list"]
    cmd_options = tuple(
        {**option, "default": "definition"} if option["name"] == opt_sort["name"] else option
        for option in List.cmd_options
    )


class HelpCommand(Help):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that takes the place of doit's ``help``."""

    name = "help"
    doc_purpose = _PURPOSES["help"]

    def print_usage(self, cmds: Mapping[str, Any]) -> None:
        """Print the commands in groups."""
        lines = ["Collects what Omniverse Kit extensions offer into a searchable data set, in eight stages.", ""]
        lines += [f"  {self.bin_name} [STAGE|TASK|TARGET …] [OPTION …] [KEY=VALUE …]", ""]
        grouped = [name for names in GROUPS.values() for name in names]
        groups = {**GROUPS, "Other commands, doit's own": tuple(sorted(set(cmds) - set(grouped)))}
        for heading, names in groups.items():
            lines.append(heading)
            lines += [f"  {name:<15} {_purpose(name, cmds[name])}" for name in names if name in cmds]
            lines.append("")
        lines.append(f"{self.bin_name} help COMMAND or TASK says more; the pages are in docs/.")
        print("\n".join(lines))


def _purpose(name: str, command: Any) -> str:
    return str(_PURPOSES.get(name) or command.doc_purpose)
