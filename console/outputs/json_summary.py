"""The JSON summary of a run."""

from __future__ import annotations

import json
from typing import Any

from checkpoint.progress import RunOutcome, StageProgress

SCHEMA_VERSION = 1


def summary(outcome: RunOutcome) -> dict[str, Any]:
    """Return the JSON summary of a run. The keys are documented. A ``schema_version`` only ever gains keys."""
    return {
        "schema_version": SCHEMA_VERSION,
        "result": outcome.result,
        "message": outcome.message,
        "seconds": round(outcome.seconds, 3),
        **outcome.places,
        "stages": [
            {
                "name": stage.name,
                "state": state_of(stage, outcome),
                "why": stage.left_out or stage.not_checked or None,
                "seconds": round(stage.seconds, 3),
                "tasks": stage.total,
                "ran": stage.ran,
                "up_to_date": stage.up_to_date,
                "failed": stage.failed,
                "warnings": stage.warnings,
            }
            for stage in outcome.stages
        ],
        "failures": [
            {"task": item.task, "stage": item.stage, "type": item.kind, "message": item.message}
            for item in outcome.failures
        ],
        "notices": [{"level": level, "message": message} for level, message in outcome.notices],
        "warnings": [{"stage": item.stage, **item.warning, "path": item.path or None} for item in outcome.warnings],
    }


def summary_text(outcome: RunOutcome) -> str:
    """Return `summary` as ASCII text, which prints in any encoding."""
    return json.dumps(summary(outcome), indent=2) + "\n"


def state_of(stage: StageProgress, outcome: RunOutcome) -> str:
    """Return a stage's final state. No stage of a finished run is ``running``."""
    state = stage.state
    if state in ("running", "waiting"):
        state = "not reached" if state == "waiting" else outcome.result if outcome.failed else "stopped"
    return state.replace(" ", "-")
