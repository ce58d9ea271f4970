#!/usr/bin/env python3
"""Check the checkpoint system end to end: real runs of the real pipeline on a few synthetic extensions.

python test_checkpoint_system.py       print the result; exit code 1 and the reason if a check fails
python test_checkpoint_system.py -v    print each check as well
"""

from __future__ import annotations

import bootstrap  # isort: skip  # noqa: F401 - it prepares the process for all other imports

import contextlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.stage_names import STAGES
from tests.project import Project, Run, make_project

# The failures are real: a file is in the place of the stage's folder.
BLOCKED = {"code_examples": "work/code_examples", "faiss": "work/faiss_databases"}


class CheckFailed(Exception):
    """A failed check, with the output of the run."""


def expect(holds: bool, statement: str, run: Run) -> None:
    """Raise `CheckFailed` unless a statement about a run holds."""
    if not holds:
        raise CheckFailed(f"{statement}\n--- output of the run (exit code {run.code}) ---\n{run.output}")


def fail_at(project: Project, stage: str, *arguments: str) -> Run:
    """Run the pipeline with a stage that cannot succeed."""
    blocker = project.path / BLOCKED[stage]
    blocker.parent.mkdir(parents=True, exist_ok=True)
    blocker.write_text("in the way")
    run = project.run("data_collection_pipeline.py", *arguments)
    blocker.unlink()
    expect(run.code == 1, f"a run that fails at {stage} exits with 1", run)
    expect(f"Pipeline failed at stage: {stage}" in run.output, "the failed stage is named", run)
    expect("You can resume from this point using: --resume" in run.output, "the output shows how to resume", run)
    return run


def check_checkpoint_after_each_stage(project: Project) -> None:
    """The checkpoint is saved after each stage, and kept if a stage fails."""
    for stage in BLOCKED:
        run = fail_at(project, stage)
        found = project.checkpoint() or {"completed_stages": "no checkpoint", "failure": {"stage": ""}}
        done = list(STAGES[: STAGES.index(stage)])
        completed = found["completed_stages"]
        expect(completed == done, f"the completed stages are {done}, not {completed}", run)
        expect(found["failure"]["stage"] == stage, "the checkpoint names the failed stage", run)


def check_restored_values(project: Project) -> None:
    """The snapshot holds the values that the stages detected."""
    found = project.checkpoint()
    run = project.run("data_collection_pipeline.py", "--show-checkpoint")
    snapshot = found["config_snapshot"] if found else {}
    expect(snapshot.get("kit_version") == "107.3.3", "the snapshot holds the Kit version", run)
    expect(snapshot.get("kit_cache_path") == str(project.extensions), "the snapshot holds the Kit cache", run)
    expect(snapshot.get("work_dir") == str(project.work), "the snapshot holds the work directory", run)


def check_resume(project: Project) -> None:
    """Resume skips the completed stages, and clears the checkpoint when all stages are complete."""
    run = project.run("data_collection_pipeline.py", "--resume")
    expect(run.code == 0, "a resumed run succeeds", run)
    for number, stage in enumerate(STAGES, 1):
        skipped = f"[{number}/8] {stage}: up to date" in run.output
        expect(skipped == (number < 7), f"{stage} {'is skipped' if number < 7 else 'runs'} on resume", run)
    expect(project.checkpoint() is None, "the checkpoint is cleared on success", run)


def check_force(project: Project) -> None:
    """Force runs every stage, and gives the same data."""
    before = project.data_digest()
    run = project.run("data_collection_pipeline.py", "--force")
    expect(run.code == 0, "a forced run succeeds", run)
    expect("up to date" not in run.output, "a forced run runs every stage", run)
    expect(project.data_digest() == before and bool(before), "a forced run gives the same data", run)


CHECKS: tuple[Callable[[Project], None], ...] = (
    check_checkpoint_after_each_stage,
    check_restored_values,
    check_resume,
    check_force,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run all checks and return the exit code."""
    verbose = "-v" in (sys.argv[1:] if argv is None else argv)
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print("Testing Checkpoint/Resume System")
    print("...", flush=True)
    with tempfile.TemporaryDirectory(prefix="checkpoint-system-") as folder:
        project = make_project(Path(folder).resolve(), count=2)
        for check in CHECKS:
            try:
                check(project)
            except CheckFailed as error:
                print(f"❌ {check.__doc__} This does not hold: {error}", file=sys.stderr)
                return 1
            if verbose:
                print(f"  {check.__doc__}", file=sys.stderr)
    print("✅ All tests passed!")
    print()
    print("Checkpoint/resume system working correctly:")
    print("  - Checkpoints saved after each stage")
    print("  - Resume skips completed stages")
    print("  - Checkpoint cleared on success")
    return 0


if __name__ == "__main__":
    sys.exit(main())
