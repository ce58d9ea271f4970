"""A real pseudo terminal, and the screen of a program on it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte


def run_on_terminal(
    command: Sequence[str],
    *,
    cwd: os.PathLike[str],
    environ: Mapping[str, str],
    columns: int = 100,
    lines: int = 40,
    look: Callable[[pyte.Screen], None] = lambda screen: None,
    timeout: float = 120.0,
) -> tuple[int, pyte.Screen]:
    """Run a program on a terminal of some size and return its exit code and the last screen.

    Args:
        command: The program and its arguments.
        cwd: Its working directory.
        environ: Its environment.
        columns: Width in characters.
        lines: Height in characters.
        look: Called with the screen each time something was written.
        timeout: Seconds after which the program is killed.
    """
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=dict(environ))
    os.close(theirs)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        ready, _, _ = select.select([ours], [], [], 0.2)
        if ready:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            stream.feed(data)
            look(screen)
        elif process.poll() is not None:
            break
    process.kill() if process.poll() is None else None
    os.close(ours)
    return process.wait(), screen
