"""Outputs: what a run tells machines."""

from console.outputs.delivery import not_started

__all__ = ["not_started"]
