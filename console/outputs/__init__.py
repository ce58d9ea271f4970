"""Outputs: what a run tells machines."""

from console.outputs.run_outputs import not_started

__all__ = ["not_started"]
