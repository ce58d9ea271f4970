"""Make a shallow clone, resume an interrupted one, and update an existing one."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from stages.failures import StageError
from stages.sources.configured import GitSource
from stages.sources.git.build import run_build
from stages.sources.git.command import (
    SAFE_REF,
    GitError,
    check,
    git_environment,
    local_path,
    masked,
    options,
    run_git,
)
from stages.storage.jsonfile import write_json

_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")

logger = logging.getLogger(__name__)


def fetch(source: GitSource, *, work_dir: Path, update: bool) -> tuple[Path, str]:
    """Clone a repository into the work directory, check it out and build it.

    A complete clone is used unchanged. It is updated with ``update``, for a local repository, or for another ref. An
    interrupted clone is resumed. Files made by a build are kept.

    Args:
        source: The repository.
        work_dir: The clone goes below its ``sources``, the build's log below its ``logs``.
        update: True to ask the remote for a newer commit.

    Returns:
        The folder of the clone, and the commit that is checked out.

    Raises:
        StageError: git is missing, git fails, or the build fails.
    """
    check(source)
    clone = _Clone(source, work_dir)
    try:
        commit = clone.commit(update=update)
        clone.build(commit)
    except OSError as error:
        where = error.filename or clone.folder
        raise StageError(
            f"{clone.name}: {where}: {error.strerror or error}. Make room or correct the permissions, and run again;"
            " the clone is resumed."
        ) from error
    return clone.folder, commit


def local_commit(source: GitSource) -> str:
    """Return the commit of a local repository's ref; empty for a remote repository, and if git fails."""
    path = local_path(source.url)
    if not path or not os.path.isdir(path):
        return ""
    ref = source.branch or "HEAD"
    if not SAFE_REF.fullmatch(ref):
        return ""
    command = [
        "git",
        *options(),
        "-C",
        path,
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        f"{ref}^{{commit}}",
    ]
    try:
        done = subprocess.run(command, env=git_environment(), capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class _Build(msgspec.Struct, frozen=True):
    """A successful build: the commit and the command."""

    commit: str
    command: list[str]


class _State(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a clone, stored in a file beside it.

    Attributes:
        begun: True once a fetch has begun.
        commit: The commit that is checked out; empty before the first checkout.
        built: The last successful build; None if there was none.
    """

    begun: bool = False
    commit: str = ""
    built: _Build | None = None


class _Clone:
    def __init__(self, source: GitSource, work_dir: Path) -> None:
        self.url = source.url
        self.ref = source.branch
        self.command = source.build_command
        self.timeout = source.build_timeout_seconds
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
        """Check out the configured ref, fetch it if necessary, and return its commit."""
        state = self.state()
        if state.commit and not update and not local_path(self.url) and self.head() == state.commit:
            logger.info("%s: already cloned; the network is not used", self.name)
            return state.commit
        if not (self.folder / ".git" / "HEAD").is_file():
            # Without `.git` in the folder, git would use a repository above it.
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self.git("init", "--quiet", "--template=")
        try:
            return self.fetch(state)
        except GitError as error:
            if error.missing_ref or error.network or not state.begun:
                raise StageError(self.error_message(error)) from error
            logger.warning("%s: the clone is damaged; cloning again (%s)", self.name, error.reason)
            self.remove()
            self.folder.mkdir(parents=True)
            self.git("init", "--quiet", "--template=")
        try:
            return self.fetch(_State())
        except GitError as error:
            raise StageError(self.error_message(error)) from error

    def fetch(self, state: _State) -> str:
        self.remove_stale_locks()
        if not state.begun:
            self.save_state(state, begun=True)
        logger.info("%s: fetching %s", self.name, self.ref or "the default branch")
        self.fetch_ref()
        commit = self.git("rev-parse", "--verify", "FETCH_HEAD^{commit}").strip()
        self.check_out(commit)
        self.save_state(self.state(), begun=True, commit=commit)
        return commit

    def fetch_ref(self) -> None:
        # git copies a whole repository from a path, but only one commit from a URL.
        path = local_path(self.url)
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
        except GitError as error:
            if not (error.missing_ref and self.ref and _COMMIT.fullmatch(self.ref)):
                raise
            # An abbreviated commit, or a server that only serves the tips of its refs: fetch all refs.
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
        if self.head() == commit and self.state().commit == commit:
            return
        self.git("checkout", "--quiet", "--force", "--detach", commit)
        if (self.folder / ".gitmodules").exists():
            logger.warning("%s: submodules are not fetched; a build_command can fetch them", self.name)

    def head(self) -> str:
        if not (self.folder / ".git" / "HEAD").is_file():
            return ""
        try:
            return self.git("rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
        except GitError:
            return ""

    def remove(self) -> None:
        _remove_tree(self.folder)
        self.state_file.unlink(missing_ok=True)

    def remove_stale_locks(self) -> None:
        """Remove the locks of a git process that was killed. No other run uses the work directory."""
        for lock in (self.folder / ".git").rglob("*.lock"):
            lock.unlink(missing_ok=True)

    def state(self) -> _State:
        try:
            return msgspec.json.decode(self.state_file.read_bytes(), type=_State)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return _State()

    def save_state(self, state: _State, **changes: Any) -> None:
        write_json(self.state_file, msgspec.structs.replace(state, **changes))

    def git(self, *arguments: str, progress: bool = False) -> str:
        # Only a build needs the large files behind LFS pointers.
        return run_git(self.folder, *arguments, with_large_files=bool(self.command), progress=progress)

    def error_message(self, error: GitError) -> str:
        ref = f"branch {self.ref!r}" if self.ref else "the default branch"
        if error.missing_ref:
            return f"{self.name}: there is no {ref}. Correct `branch` in [[input.sources]], and run again."
        if error.network:
            return (
                f"{self.name}: the repository cannot be reached ({error.reason}). Check the network, the address and"
                " git's credentials, and run again; the clone is resumed."
            )
        return (
            f"{self.name}: git failed ({error.reason}). Correct [[input.sources]] or repair the repository, and run"
            " again."
        )

    # --- building --------------------------------------------------------------------------------------------------

    def build(self, commit: str) -> None:
        """Run the build command in the clone, unless it has succeeded for this commit.

        Raises:
            StageError: The command cannot be started, fails, or takes too long.
        """
        requested = _Build(commit, self.command)
        if not self.command or self.state().built == requested:
            return
        run_build(self.command, name=self.name, folder=self.folder, log=self.log, timeout=self.timeout)
        self.save_state(self.state(), built=requested)


def _remove_tree(folder: Path) -> None:
    """Remove a clone, including git's read-only object files."""

    def writable(function: Any, path: str, _error: Any) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        function(path)

    if folder.is_dir():
        shutil.rmtree(folder, onerror=writable)
