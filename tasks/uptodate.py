"""Whether a task is up to date beyond its file_deps: its options, its version, and its targets as it left them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Collection
from typing import Any

from doit.task import Task

from tasks import file_state
from tasks.doit_internals import uptodate_checks

_MISSING = object()


class Freshness:
    """The one ``uptodate`` entry of every task.

    What a task was made with (its options and the version of its stage) and what its targets were when it succeeded
    are kept in doit's database among the task's values. It is up to date while both are the same.

    Attributes:
        options: What the task is made with, as JSON.
        reasons: After a check, why the task is not up to date, for people.
        forgotten: Why the run has forgotten what was recorded of the task; empty if it has not.
    """

    # Found out by doit for each task otherwise, at some cost.
    __signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("task", "values")]
    )

    def __init__(
        self,
        options: dict[str, Any],
        checked: Callable[[], dict[str, Any]] | None = None,
        always: str = "",
        *,
        steady: Collection[str] = (),
        recorded: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        """Remember what a task is made with.

        Args:
            options: What is known before the run.
            checked: Called at each check for more.
            always: Why the task is never up to date; empty if it may be.
            steady: Names of what ``checked`` returns that is compared only with what it returns when the task has
                succeeded. If they differ, the task has read what was changing, and runs again the next time.
            recorded: Called when the task has succeeded for values to record in place of those of ``checked``: what
                the task has seen, which its own changes, or others' during the task, make differ from what was there
                before it.
        """
        self.options = options
        self.reasons: list[str] = []
        self.forgotten = ""
        self._checked = checked
        self._always = always
        self._steady = steady
        self._recorded = recorded
        self._before: dict[str, Any] = {}

    def __call__(self, task: Task, values: dict[str, Any]) -> bool:
        """Return whether the task is up to date; file_deps and missing targets are doit's part."""
        if self._checked is not None:
            found = self._checked()
            self._before = {name: found.pop(name) for name in self._steady}
            self.options = {**self.options, **found}
        known = values.get("targets", {})
        file_state.note_present(())
        task.value_savers.append(lambda: {"options": self._made_with(), "targets": _states(task.targets, known)})
        self.reasons = [self._always] if self._always else []
        if "options" not in values:
            unmade = self.forgotten or "it has not been made before"
            self.reasons.append(unmade if not values else "it was made by another version")
        else:
            self.reasons += option_changes(values["options"], self.options)
            self.reasons += _changed_targets(known, task.targets)
        if self.reasons:
            file_state.observe(task.file_dep)  # else doit now compares each of them, which observes it
        return not self.reasons

    def _made_with(self) -> dict[str, Any]:
        """Return what to record: the options, spoilt if what was to be steady changed while the task ran."""
        if self._steady and self._checked is not None:
            after = self._checked()
            if any(after[name] != self._before[name] for name in self._steady):
                return {
                    **self.options,
                    **dict.fromkeys(after.keys() - set(self._steady), file_state.CHANGED_WHILE_READ),
                }
        return {**self.options, **self._recorded()} if self._recorded is not None else self.options


class PinnedFreshness(Freshness):
    """A task before the stage that a run was told to start from: taken as it is, never run and never recorded."""

    def __init__(self) -> None:
        super().__init__({})

    def __call__(self, task: Task, values: dict[str, Any]) -> bool:
        """Return True."""
        return True


def option_changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a line for each option whose value changed, such as ``mode: regular -> tests``."""
    changes = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key, _MISSING), now.get(key, _MISSING)
        if old != new:
            if key == "extension":
                changes.append("its entry in extensions.json changed")
            else:
                changes.append(f"{key}: {_shown(old)} -> {_shown(new)}")
    return changes


def reasons(task: Task) -> list[str]:
    """Return why a task that has been checked is not up to date: options, targets, then file_deps."""
    found: list[str] = []
    for check in uptodate_checks(task):
        if isinstance(check, Freshness):
            found += check.reasons
    if found:
        return found
    found = [f"{target} is missing" for target in task.targets if not os.path.exists(target)]
    return found or [f"{name} changed" for name in sorted(task.dep_changed or ())]


def _states(targets: list[str], known: dict[str, Any]) -> dict[str, Any]:
    return {
        target: file_state.state_of(target, known.get(target), racy_check=False)
        for target in targets
        if os.path.exists(target)
    }


def _changed_targets(states: dict[str, Any], targets: list[str]) -> list[str]:
    found, present = [], []
    for target in targets:
        state = states.get(target)
        try:
            status = os.stat(target)
        except OSError:
            continue  # doit itself says that a target is missing
        present.append(target)
        if state is None or file_state.differs(target, status, state):
            found.append(f"{target} is not as it was left")
    file_state.note_present(present)
    return found


def _shown(value: Any) -> str:
    return "none" if value is _MISSING or value is None else str(value)
