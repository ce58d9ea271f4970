"""Machine-readable outputs of a run."""

from console.outputs.delivery import not_started

__all__ = ["not_started"]
