"""Runs the final assembly in this process and kills it before the n-th file operation.

    python killed_assembly.py N WORK_DIR TARGET_DIR

N = 0: it is not killed. The number of calls goes to standard output. NO_EXCHANGE=1: names cannot be exchanged.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

EVENTS = {"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.utime", "ctypes.dlsym", "os.scandir"}


def main() -> None:
    from stages import final_assembly
    from stages.publishing import data_set, manifest  # imported first: only file operations of the assembly count
    from stages.storage import folder_swap

    del data_set, manifest
    number, calls, watched = int(sys.argv[1]), 0, True
    if os.environ.get("NO_EXCHANGE"):
        folder_swap.exchange = lambda first, second: False

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal calls
        if watched and event in EVENTS:
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    final_assembly.assemble(Path(sys.argv[2]), Path(sys.argv[3]), mode="regular", with_search=True)
    watched = False
    sys.stdout.write(f"{calls}\n")


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    main()
