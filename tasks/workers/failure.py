"""An exception of a worker, on its way to the process that waits for it."""

from __future__ import annotations

import pickle
import traceback
from typing import NamedTuple

from stages.failures import StageError


class Failure(NamedTuple):
    """A pickled exception (empty if it cannot be pickled) and its traceback."""

    error: bytes
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return the failure for the exception that is being handled."""
        try:
            return cls(pickle.dumps(error), traceback.format_exc())
        except Exception:
            return cls(b"", traceback.format_exc())

    def rebuilt(self) -> Exception:
        """Return the exception. Its notes contain the traceback, except for a `StageError`."""
        try:
            error = pickle.loads(self.error)  # noqa: S301 - from this project's code on its own worker
        except Exception:
            error = RuntimeError(self.traceback.strip().splitlines()[-1])
        if not isinstance(error, StageError):
            error.add_note(f"On the worker:\n{self.traceback}")
        return error  # type: ignore[no-any-return]
