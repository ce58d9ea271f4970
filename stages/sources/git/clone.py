"""Clone a repository shallow, take up a clone that was killed half-way, and update rather than repeat it."""

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
    """Bring a repository to the work directory, checked out and built.

    A clone that is complete is used as it is; with ``update``, for a local repository, or if it should hold another
    ref, it is brought up to date. A clone that was killed half-way is taken up again. Files that a build made are kept.

    Args:
        source: The repository.
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


def local_commit(source: GitSource) -> str:
    """Return the commit that a local repository's ref is at; empty for a remote one, and if git cannot tell."""
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
    """A build that has succeeded: the command, and the commit that it ran for."""

    commit: str
    command: list[str]


class _State(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a clone is, in the file beside it.

    Attributes:
        begun: True once something was fetched into it.
        commit: The commit that is checked out; empty until it is.
        built: The last build that succeeded; None if there was none.
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
        """Check out the requested revision, fetching it if missing, and return its commit."""
        state = self.state()
        if state.commit and not update and not local_path(self.url) and self.head() == state.commit:
            logger.info("%s: the clone is there; the network is not used", self.name)
            return state.commit
        if not (self.folder / ".git" / "HEAD").is_file():
            # Not even begun: git would find a repository further up.
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self.git("init", "--quiet", "--template=")
        try:
            return self.fetched(state)
        except GitError as error:
            if error.missing_ref or error.network or not state.begun:
                raise StageError(self.explained(error)) from error
            logger.warning("%s: the clone is damaged and made anew (%s)", self.name, error.reason)
            self.forget()
            self.folder.mkdir(parents=True)
            self.git("init", "--quiet", "--template=")
        try:
            return self.fetched(_State())
        except GitError as error:
            raise StageError(self.explained(error)) from error

    def fetched(self, state: _State) -> str:
        self.remove_stale_locks()
        if not state.begun:
            self.remember(state, begun=True)
        logger.info("%s: fetching %s", self.name, self.ref or "the default branch")
        self.fetch_ref()
        commit = self.git("rev-parse", "--verify", "FETCH_HEAD^{commit}").strip()
        self.check_out(commit)
        self.remember(self.state(), begun=True, commit=commit)
        return commit

    def fetch_ref(self) -> None:
        # A path would be copied as a whole; an address is asked for one commit only.
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
            logger.warning("%s: its submodules are not fetched; a build_command may do so", self.name)

    def head(self) -> str:
        if not (self.folder / ".git" / "HEAD").is_file():
            return ""
        try:
            return self.git("rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
        except GitError:
            return ""

    def forget(self) -> None:
        _remove_tree(self.folder)
        self.state_file.unlink(missing_ok=True)

    def remove_stale_locks(self) -> None:
        """Remove the locks of a git that was killed; the run has the work directory for itself."""
        for lock in (self.folder / ".git").rglob("*.lock"):
            lock.unlink(missing_ok=True)

    def state(self) -> _State:
        try:
            return msgspec.json.decode(self.state_file.read_bytes(), type=_State)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return _State()

    def remember(self, state: _State, **changes: Any) -> None:
        write_json(self.state_file, msgspec.structs.replace(state, **changes))

    def git(self, *arguments: str, progress: bool = False) -> str:
        # Where nothing is built, the large files behind LFS pointers are of no use.
        return run_git(self.folder, *arguments, with_large_files=bool(self.command), progress=progress)

    def explained(self, error: GitError) -> str:
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
        wanted = _Build(commit, self.command)
        if not self.command or self.state().built == wanted:
            return
        run_build(self.command, name=self.name, folder=self.folder, log=self.log, timeout=self.timeout)
        self.remember(self.state(), built=wanted)


def _remove_tree(folder: Path) -> None:
    """Remove a clone, including git's read-only object files."""

    def writable(function: Any, path: str, _error: Any) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        function(path)

    if folder.is_dir():
        shutil.rmtree(folder, onerror=writable)
