"""Git sources: cloned shallow with the real ``git``, updated rather than repeated, built where configured.

Credentials, ssh and proxies are git's own business. Of what a repository's author or a configuration file could make
git do, everything beyond fetching and checking out is switched off: other transports, hooks, submodules.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stages.failures import StageError
from stages.storage.jsonfile import write_json

_SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})
_SAFE_REF = re.compile(r"(?!-)(?!.*(?:\.\.|@\{|//))[^\x00-\x20\x7f~^:?*\[\\]+(?<![/.])")
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")
# Variables that would point git at another repository, such as that of a hook which started this run.
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
_LAST_LINES = 20
_BUILD_TIMEOUT_SECONDS = 7200

logger = logging.getLogger(__name__)


def masked(url: str) -> str:
    """Return an address without the user name and password in it."""
    return _USERINFO.sub("", url)


def check(source: dict[str, Any]) -> None:
    """Refuse an address or ref that git could take for something else than an address or ref.

    Raises:
        StageError: It is refused; the message says what is allowed.
    """
    url, ref = source["url"], source.get("branch")
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    # `ext::sh -c …` and the like name a program to run.
    transport = re.match(r"[A-Za-z0-9+.\-]*::", url)
    odd = not url.isprintable() or (" " in url and not _local_path(url))
    if not url or url.startswith("-") or odd or transport or (scheme and scheme not in _SCHEMES):
        raise StageError(
            f"input.sources: url: {masked(url)!r} is refused. Give the address of a git repository with"
            f" {', '.join(sorted(_SCHEMES))}, as user@host:path, or the path of a local repository."
        )
    if ref is not None and not _SAFE_REF.fullmatch(ref):
        raise StageError(f"input.sources: branch: {ref!r} is refused. Give the name of a branch or tag, or a commit.")


def fetch(source: dict[str, Any], *, work_dir: Path, update: bool) -> tuple[Path, str]:
    """Bring a repository to the work directory, checked out and built.

    A clone that is complete is used as it is; with ``update``, for a local repository, or if it should hold another
    ref, it is brought up to date. A clone that was killed half-way is taken up again. Files that a build made are kept.

    Args:
        source: ``url``; ``branch`` (branch, tag or commit), ``build_command``, ``build_timeout_seconds``.
        work_dir: The clone is made below ``sources`` in it, the build's log below ``logs``.
        update: Ask the remote for a newer commit.

    Returns:
        The folder of the clone, and the commit that is checked out.

    Raises:
        StageError: git is missing or fails, or the build does.
    """
    check(source)
    clone = _Clone(source, work_dir)
    try:
        commit = clone.commit(update=update)
        clone.build(commit)
    except OSError as error:
        where = error.filename or clone.folder
        raise StageError(
            f"{clone.name}: {where}: {error.strerror or error}. Make room or mend the permissions, and run again; the"
            " clone is taken up where it is."
        ) from error
    return clone.folder, commit


def local_commit(source: dict[str, Any]) -> str:
    """Return the commit that a local repository's ref is at; empty for a remote one, and if git cannot tell."""
    path = _local_path(source["url"])
    if not path or not os.path.isdir(path):
        return ""
    ref = source.get("branch") or "HEAD"
    if not _SAFE_REF.fullmatch(ref):
        return ""
    command = [
        "git",
        *_options(),
        "-C",
        path,
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        f"{ref}^{{commit}}",
    ]
    try:
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class _Clone:
    def __init__(self, source: dict[str, Any], work_dir: Path) -> None:
        self.url: str = source["url"]
        self.ref: str | None = source.get("branch")
        self.command: list[str] = list(source.get("build_command") or [])
        self.timeout: int = source.get("build_timeout_seconds") or _BUILD_TIMEOUT_SECONDS
        self.name = masked(self.url)
        stem = re.sub(r"[^A-Za-z0-9._-]", "-", self.name.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git"))[
            :60
        ].lstrip(".-")
        key = hashlib.sha256(f"{self.name}\0{self.ref or ''}".encode()).hexdigest()[:12]
        self.folder = work_dir / "sources" / f"git-{stem or 'repository'}-{key}"
        self.state_file = self.folder.with_name(f"{self.folder.name}.json")
        self.log = work_dir / "logs" / f"build-{self.folder.name}.log"

    # --- cloning ---------------------------------------------------------------------------------------------------

    def commit(self, *, update: bool) -> str:
        """Return the commit that is checked out, after fetching what is wanted and is not there."""
        state = self.state()
        if state.get("commit") and not update and not _local_path(self.url) and self.head() == state["commit"]:
            logger.info("%s: the clone is there; the network is not used", self.name)
            return str(state["commit"])
        if not (self.folder / ".git" / "HEAD").is_file():
            # Not even begun: git would find a repository further up.
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self.git("init", "--quiet", "--template=")
        try:
            return self.fetched(state)
        except _GitError as error:
            if error.missing_ref or error.network or not state.get("begun"):
                raise StageError(self.explained(error)) from error
            logger.warning("%s: the clone is damaged and made anew (%s)", self.name, error.reason)
            self.forget()
            self.folder.mkdir(parents=True)
            self.git("init", "--quiet", "--template=")
        try:
            return self.fetched({})
        except _GitError as error:
            raise StageError(self.explained(error)) from error

    def fetched(self, state: dict[str, Any]) -> str:
        self.remove_stale_locks()
        if not state.get("begun"):
            write_json(self.state_file, {**state, "begun": True})
        logger.info("%s: fetching %s", self.name, self.ref or "the default branch")
        self.fetch_ref()
        commit = self.git("rev-parse", "--verify", "FETCH_HEAD^{commit}").strip()
        self.check_out(commit)
        write_json(self.state_file, {**self.state(), "begun": True, "commit": commit})
        return commit

    def fetch_ref(self) -> None:
        # A path would be copied as a whole; an address is asked for one commit only.
        path = _local_path(self.url)
        url = f"file://{quote(os.path.abspath(path))}" if path else self.url
        fetch = [
            "fetch",
            "--progress",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-commit-graph",
            "--update-shallow",
        ]
        try:
            self.git(*fetch, "--depth=1", "--end-of-options", url, self.ref or "HEAD", progress=True)
        except _GitError as error:
            if not (error.missing_ref and self.ref and _COMMIT.fullmatch(self.ref)):
                raise
            # An abbreviated commit, or a server that gives out the tips of its refs alone: look among all of them.
            self.git(
                *fetch,
                "--end-of-options",
                url,
                "+refs/heads/*:refs/remotes/origin/*",
                "+refs/tags/*:refs/tags/*",
                progress=True,
            )
            commit = self.git("rev-parse", "--verify", "--end-of-options", f"{self.ref}^{{commit}}").strip()
            (self.folder / ".git" / "FETCH_HEAD").write_text(f"{commit}\n")

    def check_out(self, commit: str) -> None:
        if self.head() == commit and self.state().get("commit") == commit:
            return
        self.git("checkout", "--quiet", "--force", "--detach", commit)
        if (self.folder / ".gitmodules").exists():
            logger.warning("%s: its submodules are not fetched; a build_command may do so", self.name)

    def head(self) -> str:
        if not (self.folder / ".git" / "HEAD").is_file():
            return ""
        try:
            return self.git("rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
        except _GitError:
            return ""

    def forget(self) -> None:
        _remove_tree(self.folder)
        self.state_file.unlink(missing_ok=True)

    def remove_stale_locks(self) -> None:
        """Remove the locks of a git that was killed; the run has the work directory for itself."""
        for lock in (self.folder / ".git").rglob("*.lock"):
            lock.unlink(missing_ok=True)

    def state(self) -> dict[str, Any]:
        try:
            state = json.loads(self.state_file.read_bytes())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def git(self, *arguments: str, progress: bool = False) -> str:
        """Run git in the clone and return its standard output.

        Raises:
            _GitError: It fails.
        """
        command = ["git", *_options(), "-C", str(self.folder), *arguments]
        environment = _environment()
        environment["GIT_CEILING_DIRECTORIES"] = str(self.folder.parent)
        if not self.command:
            # Nothing is built, so the large files behind LFS pointers are of no use.
            environment["GIT_LFS_SKIP_SMUDGE"] = "1"
        try:
            with subprocess.Popen(
                command, env=environment, stdin=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process:
                assert process.stdout is not None and process.stderr is not None  # noqa: S101 - both are pipes
                lines: deque[str] = deque(maxlen=_LAST_LINES)
                reader = threading.Thread(target=_follow, args=(process.stderr, lines, progress))
                reader.start()
                output = process.stdout.read().decode("utf-8", "replace")
                reader.join()
        except FileNotFoundError as error:
            raise StageError("git is not installed; install it and run again.") from error
        if process.returncode:
            raise _GitError([masked(line) for line in lines])
        return output

    def explained(self, error: _GitError) -> str:
        ref = f"branch {self.ref!r}" if self.ref else "the default branch"
        if error.missing_ref:
            return f"{self.name}: there is no {ref}. Correct `branch` in [[input.sources]], and run again."
        if error.network:
            return (
                f"{self.name}: the repository cannot be reached ({error.reason}). Check the network, the address and"
                " git's credentials, and run again; the clone is taken up where it is."
            )
        return (
            f"{self.name}: git failed ({error.reason}). Correct [[input.sources]] or mend the repository, and run"
            " again."
        )

    # --- building --------------------------------------------------------------------------------------------------

    def build(self, commit: str) -> None:
        """Run the build command in the clone, unless it has been run for this commit.

        Raises:
            StageError: It cannot be started, fails, or takes too long.
        """
        wanted = {"commit": commit, "command": self.command}
        if not self.command or self.state().get("built") == wanted:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        logger.info("%s: building; output goes to %s", self.name, self.log)
        shown = " ".join(self.command)
        with self.log.open("wb") as log:
            try:
                process = subprocess.Popen(
                    self.command,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise StageError(
                    f"{self.name}: build_command {shown!r} cannot be started ({error.strerror or error}). Correct it in"
                    " [[input.sources]], and run again; the clone is kept."
                ) from error
            code = _wait(process, self.timeout)
        if code is None:
            raise StageError(
                f"{self.name}: the build {shown!r} did not end in {self.timeout} seconds and was stopped. Raise"
                f" build_timeout_seconds, or see what it was at. {self._end_of_log()}"
            )
        if code:
            raise StageError(
                f"{self.name}: the build {shown!r} failed (exit code {code}). Mend it and run again; the clone is kept."
                f" {self._end_of_log()}"
            )
        write_json(self.state_file, {**self.state(), "built": wanted})

    def _end_of_log(self) -> str:
        lines = self.last_lines()
        return f"The last lines of {self.log}:\n{lines}" if lines else f"It printed nothing into {self.log}."

    def last_lines(self) -> str:
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, os.path.getsize(self.log) - 16_384))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"    {line}" for line in lines[-_LAST_LINES:])


class _GitError(Exception):
    def __init__(self, lines: list[str]) -> None:
        self.lines = [line for line in lines if line.strip()]
        told = [line for line in self.lines if line.startswith(("fatal:", "error:"))]
        # The first complaint says what is wrong, those after it what could not be done therefore.
        self.reason = (told or self.lines[-1:] or ["git said nothing"])[0].strip()
        text = "\n".join(told or self.lines)
        self.missing_ref = bool(_MISSING_REF.search(text))
        self.network = bool(_NETWORK.search(text)) and not self.missing_ref
        super().__init__(self.reason)


def _options() -> list[str]:
    return [part for setting in _SETTINGS for part in ("-c", setting)]


def _environment() -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key not in _FOREIGN_VARIABLES}
    environment["GIT_ALLOW_PROTOCOL"] = "file:git:http:https:ssh"
    # Messages are read here.
    environment["LC_ALL"] = "C"
    if not sys.stdin or not sys.stdin.isatty():
        # Nobody is there to answer.
        environment["GIT_TERMINAL_PROMPT"] = "0"
    return environment


def _local_path(url: str) -> str:
    """Return the path that an address stands for, if git would take it for one; else nothing."""
    if url.startswith("file://"):
        from urllib.request import url2pathname

        return url2pathname(url.removeprefix("file://"))
    return url if ":" not in url.split("/", 1)[0] else ""


def _follow(stream: Any, lines: deque[str], progress: bool) -> None:
    """Collect the lines of a stream, and log what git says of its progress every few seconds."""
    told = time.monotonic()
    pending = b""
    while chunk := stream.read1(65_536):
        parts = re.split(rb"[\r\n]", pending + chunk)
        pending = parts.pop()
        for part in parts:
            line = part.decode("utf-8", "replace")
            if not re.search(r"\d+%", line):
                lines.append(line)
            elif progress and time.monotonic() - told > 5:
                told = time.monotonic()
                logger.info("git: %s", line.strip())
    if pending:
        lines.append(pending.decode("utf-8", "replace"))


def _wait(process: subprocess.Popen[bytes], timeout: int) -> int | None:
    """Wait for a build; stop it and all that it started if it takes too long or the run is interrupted."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
        break


def _remove_tree(folder: Path) -> None:
    """Remove a clone; git makes its object files read-only."""

    def writable(function: Any, path: str, _error: Any) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        function(path)

    if folder.is_dir():
        shutil.rmtree(folder, onerror=writable)
