"""The command line that resumes a failed run."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence

_SCRIPTS = ("data_collection_pipeline.py", "run_pipeline.py")
_DROPPED = ("--force", "--resume", "--clear-checkpoint", "--show-checkpoint", "--dry-run")
_DROPPED_WITH_VALUE = ("--start",)
_DROPPED_VARIABLES = ("force", "resume", "start")


def resume_command(argv: Sequence[str], executable: str, search_path: str | None = None) -> str:
    """Return the command that resumes a run started with ``argv``; empty if another program started it.

    Args:
        argv: The command line, including the program's name.
        executable: The running Python. The command names it if the search path has none.
        search_path: The search path of the shell; by default ``PATH``.
    """
    program, *words = argv
    name = os.path.basename(program)
    if name in _SCRIPTS:
        start = [_script_python(executable, search_path), os.path.relpath(program)]
    elif name == "doit":
        start = [_shown_program(program, search_path)]
    elif name == "__main__.py" and os.path.basename(os.path.dirname(program)) == "doit":
        start = [_shown_program(executable, search_path), "-m", "doit"]
    else:
        return ""
    return shlex.join([*start, *_kept(words), "--resume"])


def _kept(words: Sequence[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for word in words:
        option, _, value = word.partition("=")
        if skip or word in _DROPPED or (option in _DROPPED_VARIABLES and value):
            skip = False
        elif option in _DROPPED_WITH_VALUE:
            skip = not value
        else:
            kept.append(word)
    return kept


def _script_python(executable: str, search_path: str | None) -> str:
    """Return the Python to type before a script. Any Python works: a script switches to the project's environment."""
    names = (name for name in ("python", "python3") if shutil.which(name, path=search_path))
    return next(names, None) or _shown_program(executable, search_path)


def _shown_program(program: str, search_path: str | None) -> str:
    """Return a program's name if a shell finds that program by it, else its path."""
    for name in dict.fromkeys((os.path.basename(program), "python" if "python" in os.path.basename(program) else "")):
        found = shutil.which(name, path=search_path) if name else None
        if found is not None and os.path.abspath(found) == os.path.abspath(program):
            return name
        if found is not None and name == "python" and os.path.dirname(found) == os.path.dirname(program):
            return name
    relative = os.path.relpath(program)
    return program if relative.startswith("..") else relative


def current_resume_command() -> str:
    """Return the command that resumes the run of this process."""
    return resume_command(sys.argv, sys.executable)
