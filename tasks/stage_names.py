"""The stages, in order, and the exit codes of a run that did not succeed."""

from __future__ import annotations

import difflib

# In running order. dodo.py has a task creator for each. A task creator that is not listed here is not a stage.
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
    """A name is not a stage. The message lists the stages and the closest name."""


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
