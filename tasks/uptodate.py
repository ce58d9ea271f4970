"""The up-to-date check of a task besides its file_deps: its options, its code version, and its targets."""

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
    """The ``uptodate`` entry of every task.

    doit's database stores the options and code version of a successful task, and the state of its targets. The task
    is up to date while both are unchanged.

    Attributes:
        options: The options of the task, as JSON.
        reasons: Why the last check found the task out of date, as text.
        forgotten: Why the run dropped the task's record; empty if it did not.
    """

    # doit would otherwise inspect the signature for every task.
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
        """Create the check.

        Args:
            options: Options known before the run.
            checked: Returns more options. Called at each check.
            always: Why the task is never up to date; empty if it may be.
            steady: Keys of ``checked`` whose values must not change while the task runs. They are compared before and
                after the task. If one differs, the task read changing input, and runs again in the next run.
            recorded: Called after a success. Returns the values to record instead of those of ``checked``: the input
                that the task actually read. The task itself, or another process, may have changed it during the run.
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
        """Return True if the task is up to date. doit itself checks file_deps and missing targets."""
        if self._checked is not None:
            found = self._checked()
            self._before = {name: found.pop(name) for name in self._steady}
            self.options = {**self.options, **found}
        known = values.get("targets", {})
        task.value_savers.append(
            lambda: {"options": self._made_with(), "targets": file_state.states_of_targets(task.targets, known)}
        )
        self.reasons = [self._always] if self._always else []
        if "options" not in values:
            unmade = self.forgotten or "it has no recorded result"
            self.reasons.append(unmade if not values else "it was made by another version")
            for target in task.targets:
                file_state.note_unchanged(target, None)
        else:
            self.reasons += option_changes(values["options"], self.options)
            self.reasons += _changed_targets(known, task.targets)
        if self.reasons:
            file_state.observe(task.file_dep)  # otherwise doit compares each file, which observes it
        return not self.reasons

    def _made_with(self) -> dict[str, Any]:
        """Return the options to record. They are invalidated if a steady value changed while the task ran."""
        if self._steady and self._checked is not None:
            after = self._checked()
            if any(after[name] != self._before[name] for name in self._steady):
                return {
                    **self.options,
                    **dict.fromkeys(after.keys() - set(self._steady), file_state.CHANGED_WHILE_READ),
                }
        return {**self.options, **self._recorded()} if self._recorded is not None else self.options


class PinnedFreshness(Freshness):
    """The check of a task before the ``--start`` stage. The task always counts as up to date."""

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
                changes.append("the extension's entry in extensions.json changed")
            else:
                changes.append(f"{key}: {_shown(old)} -> {_shown(new)}")
    return changes


def reasons(task: Task) -> list[str]:
    """Return why a checked task is not up to date: options and targets, else file_deps."""
    found: list[str] = []
    for check in uptodate_checks(task):
        if isinstance(check, Freshness):
            found += check.reasons
    if found:
        return found
    found = [f"{target} is missing" for target in task.targets if not os.path.exists(target)]
    return found or [f"{name} changed" for name in sorted(task.dep_changed or ())]


def _changed_targets(states: dict[str, Any], targets: list[str]) -> list[str]:
    found = []
    for target in targets:
        try:
            status = os.stat(target)
        except OSError:
            file_state.note_unchanged(target, None)
            continue  # doit itself reports a missing target
        state = states.get(target)
        if state is None or file_state.differs(target, status, state):
            found.append(f"{target} changed since the task wrote it")
            file_state.note_unchanged(target, None)
        else:
            file_state.note_unchanged(target, status)
    return found


def _shown(value: Any) -> str:
    return "none" if value is _MISSING or value is None else str(value)
