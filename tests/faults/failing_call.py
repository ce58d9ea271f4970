"""Runs doit in this process and makes the n-th call of an ``os`` function fail.

    python failing_call.py NAME N FAULT [doit's arguments]

FAULT is an errno's name, ``kill`` (the process is killed before the call) or ``killed-after``; N = 0: none fails. The
number of calls that were made goes to the file that COUNT_FILE names.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from typing import Any


def install(name: str, number: int, fault: str) -> None:
    """Replace a function of ``os`` with a version that counts its calls and fails at the n-th."""
    original = getattr(os, name)
    guard = threading.Lock()
    calls = 0

    def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        with guard:
            calls += 1
            hit = calls == number
            with open(os.environ["COUNT_FILE"], "w") as stream:
                stream.write(str(calls))
        if hit and fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if hit and fault != "killed-after":
            code = getattr(errno, fault)
            raise OSError(code, os.strerror(code))
        result = original(*args, **kwargs)
        if hit:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, name, counting)


if __name__ == "__main__":
    install(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    sys.path[0] = os.getcwd()
    from doit.__main__ import main

    sys.argv = ["doit", *sys.argv[4:]]
    main()
