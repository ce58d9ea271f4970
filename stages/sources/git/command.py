"""Run ``git`` without hooks and other features that could run a repository's code."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from stages.failures import StageError
from stages.sources.configured import GitSource

_SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})
SAFE_REF = re.compile(r"(?!-)(?!.*(?:\.\.|@\{|//))[^\x00-\x20\x7f~^:?*\[\\]+(?<![/.])")
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")
# Variables that would point git at another repository, for example if a git hook started this run.
_FOREIGN_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "protocol.ext.allow=never",
    "advice.detachedHead=false",
    "gc.auto=0",
    "core.longpaths=true",
)
_NETWORK = re.compile(
    r"could not resolve|unable to (?:access|connect)|connection|timed? ?out|unreachable|read from remote|hung up",
    re.IGNORECASE,
)
_MISSING_REF = re.compile(r"couldn't find remote ref|not our ref|no such ref|unadvertised object", re.IGNORECASE)
LAST_LINES = 20

logger = logging.getLogger(__name__)


def masked(url: str) -> str:
    """Return an address without the user name and password in it."""
    return _USERINFO.sub("", url)


def check(source: GitSource) -> None:
    """Refuse an address or ref that git could take for an option or a command.

    Raises:
        StageError: The address or ref is refused; the message names the allowed forms.
    """
    url, ref = source.url, source.branch
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    # `ext::sh -c …` runs a program.
    transport = re.match(r"[A-Za-z0-9+.\-]*::", url)
    odd = not url.isprintable() or (" " in url and not local_path(url))
    if not url or url.startswith("-") or odd or transport or (scheme and scheme not in _SCHEMES):
        raise StageError(
            f"input.sources: url: {masked(url)!r} is refused. Give the address of a git repository with"
            f" {', '.join(sorted(_SCHEMES))}, as user@host:path, or the path of a local repository."
        )
    if ref is not None and not SAFE_REF.fullmatch(ref):
        raise StageError(f"input.sources: branch: {ref!r} is refused. Give the name of a branch or tag, or a commit.")


class GitError(Exception):
    """git failed.

    Attributes:
        lines: The last lines of its output, without secrets.
        reason: Its first error message.
        missing_ref: True if the branch, tag or commit does not exist.
        network: True if the repository cannot be reached.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = [line for line in lines if line.strip()]
        errors = [line for line in self.lines if line.startswith(("fatal:", "error:"))]
        # The first error is the cause. The others are its consequences.
        self.reason = (errors or self.lines[-1:] or ["git printed no message"])[0].strip()
        text = "\n".join(errors or self.lines)
        self.missing_ref = bool(_MISSING_REF.search(text))
        self.network = bool(_NETWORK.search(text)) and not self.missing_ref
        super().__init__(self.reason)


def run_git(folder: Path, *arguments: str, with_large_files: bool, progress: bool = False) -> str:
    """Run git in a folder and return its standard output.

    Args:
        folder: The clone.
        arguments: The arguments after ``git`` and its options.
        with_large_files: True to fetch the files behind LFS pointers.
        progress: True to log git's progress.

    Raises:
        GitError: git fails.
        StageError: git is not installed.
    """
    command = ["git", *options(), "-C", str(folder), *arguments]
    environment = git_environment()
    environment["GIT_CEILING_DIRECTORIES"] = str(folder.parent)
    if not with_large_files:
        environment["GIT_LFS_SKIP_SMUDGE"] = "1"
    try:
        with subprocess.Popen(
            command, env=environment, stdin=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None and process.stderr is not None  # noqa: S101 - both are pipes
            lines: deque[str] = deque(maxlen=LAST_LINES)
            reader = threading.Thread(target=_follow, args=(process.stderr, lines, progress))
            reader.start()
            output = process.stdout.read().decode("utf-8", "replace")
            reader.join()
    except FileNotFoundError as error:
        raise StageError("git is not installed; install it and run again.") from error
    if process.returncode:
        raise GitError([masked(line) for line in lines])
    return output


def options() -> list[str]:
    """Return the git options that disable hooks and other unneeded features."""
    return [part for setting in _SETTINGS for part in ("-c", setting)]


def git_environment() -> dict[str, str]:
    """Return the environment that git runs in."""
    environment = {key: value for key, value in os.environ.items() if key not in _FOREIGN_VARIABLES}
    environment["GIT_ALLOW_PROTOCOL"] = "file:git:http:https:ssh"
    # `GitError` parses the messages.
    environment["LC_ALL"] = "C"
    if not sys.stdin or not sys.stdin.isatty():
        # No user can answer a prompt.
        environment["GIT_TERMINAL_PROMPT"] = "0"
    return environment


def local_path(url: str) -> str:
    """Return the path in an address that git takes for a path; else empty."""
    if url.startswith("file://"):
        from urllib.request import url2pathname

        return url2pathname(url.removeprefix("file://"))
    return url if ":" not in url.split("/", 1)[0] else ""


def _follow(stream: Any, lines: deque[str], progress: bool) -> None:
    """Collect the lines of a stream, and log git's progress every few seconds."""
    last_logged = time.monotonic()
    pending = b""
    while chunk := stream.read1(65_536):
        parts = re.split(rb"[\r\n]", pending + chunk)
        pending = parts.pop()
        for part in parts:
            line = part.decode("utf-8", "replace")
            if not re.search(r"\d+%", line):
                lines.append(line)
            elif progress and time.monotonic() - last_logged > 5:
                last_logged = time.monotonic()
                logger.info("git: %s", line.strip())
    if pending:
        lines.append(pending.decode("utf-8", "replace"))
