"""The tasks that a command line names: by name, by pattern, or by the path of a target.

doit learns the names of subtasks only in the middle of a run. Patterns and paths are therefore resolved before the
run, against the tasks that follow from the last ``preparation``.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from doit.exceptions import InvalidCommand
from doit.task import Task

from tasks.stage_names import stage_of

MERGE = "@merge"


@dataclass(frozen=True)
class Folders:
    """The project folder, which targets are relative to, and the folder where the command was started; absolute."""

    project: Path
    started_in: Path


def resolve(
    words: Sequence[str],
    names: Iterable[str],
    tasks: Callable[[], list[Task]],
    folders: Folders,
    commands: Iterable[str] = (),
) -> list[str]:
    """Return the names of the tasks that the words of a command line select.

    Args:
        words: Names, patterns and paths of targets.
        names: The names that need no lookup: the stages.
        tasks: Returns all currently known tasks.
        folders: The folders that paths are relative to.
        commands: The names of commands, to suggest for a misspelt word.

    Raises:
        InvalidCommand: A word matches no task.
    """
    names = list(names)
    if all(word in names for word in words):
        return list(words)
    known = tasks()
    by_name = {task.name: task for task in known}
    targets = {os.path.abspath(folders.project / target): task.name for task in known for target in task.targets}
    selected: list[str] = []
    for word in words:
        if word in by_name or word in names:
            found = [word]
        elif "*" in word:
            found = fnmatch.filter(by_name, word)
        else:
            paths = (os.path.abspath(folder / word) for folder in (folders.started_in, folders.project))
            found = [targets[path] for path in paths if path in targets][:1]
            found = found or _not_made_yet(word, by_name, folders)
        if not found:
            raise InvalidCommand(_unknown(word, by_name, commands))
        selected += [name for name in found if name not in selected]
    return selected


def _not_made_yet(word: str, by_name: dict[str, Task], folders: Folders) -> list[str]:
    """Return the name of a subtask, or the stage of a target, that only the next ``preparation`` will create."""
    stage = stage_of(word)
    if ":" in word and stage in by_name and not any(name.startswith(f"{stage}:") for name in by_name):
        return [word]
    for folder in (folders.started_in, folders.project):
        path = Path(os.path.abspath(folder / word))
        owners = {
            stage_of(task.name)
            for task in by_name.values()
            if ":" in task.name
            for target in task.targets
            if path.parent == Path(os.path.abspath(folders.project / target)).parent
        }
        if len(owners) == 1:
            return sorted(owners)
    return []


def _unknown(word: str, by_name: dict[str, Task], commands: Iterable[str]) -> str:
    meant = {command: f"doit {command}" for command in commands} | {name: name for name in by_name}
    near = difflib.get_close_matches(word, meant, n=1, cutoff=0.6)
    hint = f" Did you mean {meant[near[0]]}?" if near else ""
    return f"there is no task or target {word!r}.{hint} doit list --all shows the tasks."


def with_merges(selected: Iterable[str], tasks: Iterable[Task]) -> list[str]:
    """Return the selection, with the merge task of each stage that has a selected subtask."""
    merges = {task.name for task in tasks if task.name.endswith(f":{MERGE}")}
    found: list[str] = []
    for name in selected:
        found.append(name)
        merge = f"{stage_of(name)}:{MERGE}"
        if ":" in name and merge in merges and merge not in found:
            found.append(merge)
    return found


def members(selected: Iterable[str], tasks: Iterable[Task]) -> list[Task]:
    """Return the selected tasks and the subtasks of selected groups, without tasks that have no actions."""
    chosen = set(selected)
    return [task for task in tasks if task.actions and (task.name in chosen or stage_of(task.name) in chosen)]
