"""The stages, in order, and how a run that did not succeed exits."""

from __future__ import annotations

import difflib

# In the order in which they run; dodo.py has a task creator for each. A task creator without a name here is no stage.
STAGES: tuple[str, ...] = (
    "pull_repo_exts",
    "preparation",
    "extension_data",
    "code_examples",
    "settings",
    "embeddings",
    "faiss",
    "final_assembly",
)
PRE_STAGES = STAGES[:2]
EXIT_FAILED = 1
EXIT_NOT_STARTED = 2


class UnknownStage(ValueError):
    """A name that is no stage; the message has the list and the nearest name."""


def position(name: str) -> int:
    """Return the index of a stage in `STAGES`.

    Raises:
        UnknownStage: There is no such stage.
    """
    if name in STAGES:
        return STAGES.index(name)
    near = difflib.get_close_matches(name, STAGES, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UnknownStage(f"there is no stage {name!r}. The stages are: {', '.join(STAGES)}.{hint}")


def stage_of(task_name: str) -> str:
    """Return the stage that a task or subtask belongs to: the part before the first colon."""
    return task_name.split(":", 1)[0]
