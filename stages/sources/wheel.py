"""Wheel sources: fetched from the configured package index, checked, and unpacked without being installed."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from stages.failures import StageError
from stages.sources import zip_archive as archives
from stages.sources.configured import WheelSource
from stages.storage.jsonfile import UMASK

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*([0-9A-Za-z][0-9A-Za-z.!+_-]*)")
# Used in the second attempt: the tags of wheels for Kit's Python on Linux.
_KIT_TAGS = ["--platform", "manylinux_2_35_x86_64", "--python-version", "3.11", "--implementation", "cp"]
_KIT_TAGS += ["--abi", "cp311", "--abi", "none"]
_TIMEOUT_SECONDS = 1800
_NETWORK = re.compile(
    r"connection|timed? ?out|name resolution|could not resolve|not known|unreachable|proxy|ssl|certificate|max retries",
    re.IGNORECASE,
)

logger = logging.getLogger(__name__)


def fetch(
    source: WheelSource, *, work_dir: Path, cache_dir: Path | None, limits: Mapping[str, int]
) -> tuple[Path, str]:
    """Unpack a wheel into the work directory. Download it if necessary.

    An unpacked wheel is not fetched again, and a wheel in the download cache is not downloaded again. Any number of
    runs may share one cache.

    Args:
        source: The wheel.
        work_dir: The wheel is unpacked below its ``sources``.
        cache_dir: The shared download cache; None for the user's cache folder.
        limits: ``max_archive_bytes`` and ``max_archive_files``.

    Returns:
        The folder with the wheel's content, and the wheel's SHA-256.

    Raises:
        StageError: The wheel cannot be fetched, has another SHA-256, or is refused.
    """
    name, version = _pinned(source.requirement)
    expected = (source.sha256 or "").lower()
    slug = f"{re.sub(r'[-_.]+', '-', name).lower()}-{version}"
    if expected:
        folder = work_dir / "sources" / f"wheel-{slug}-{expected[:16]}"
        if folder.is_dir():
            return folder, expected
    if cache_dir is None:
        import platformdirs

        cache_dir = Path(platformdirs.user_cache_dir("kit-extension-pipeline"))
    try:
        wheel, digest = _cached(source.requirement, expected, cache_dir / "wheels" / slug)
        folder = work_dir / "sources" / f"wheel-{slug}-{digest[:16]}"
        if not folder.is_dir():
            logger.info("Unpacking %s", wheel.name)
            archives.unpack(
                wheel,
                folder,
                max_bytes=limits.get("max_archive_bytes", archives.DEFAULT_MAX_BYTES),
                max_files=limits.get("max_archive_files", archives.DEFAULT_MAX_FILES),
            )
    except archives.ArchiveError as error:
        raise StageError(f"{source.requirement}: the wheel is refused: {error}.") from error
    except OSError as error:
        where = error.filename or work_dir
        raise StageError(
            f"{source.requirement}: {where}: {error.strerror or error}. No partial files are left. Make room or"
            " correct the permissions, and run again."
        ) from error
    return folder, digest


def _pinned(requirement: str) -> tuple[str, str]:
    match = _REQUIREMENT.fullmatch(requirement.strip())
    if match is None:
        raise StageError(
            f"input.sources: requirement: {requirement!r} is not a pinned requirement such as 'isaaclab==2.3.2'."
        )
    return match[1], match[2]


def _cached(requirement: str, expected: str, folder: Path) -> tuple[Path, str]:
    """Return a wheel in the cache and its SHA-256. Downloads the wheel if it is missing or incomplete."""
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        for wheel in sorted(folder.glob("*.whl")):
            digest = _sha256(wheel)
            if digest == (expected or _recorded(wheel)):
                logger.info("%s: taken from the download cache", requirement)
                return wheel, digest
        # Any existing file is incomplete, stale, or not the requested one.
        shutil.rmtree(folder, ignore_errors=True)
        return _download(requirement, expected, folder)


def _download(requirement: str, expected: str, folder: Path) -> tuple[Path, str]:
    logger.info("%s: downloading from the package index", requirement)
    temporary = Path(tempfile.mkdtemp(prefix=".tmp-", suffix=".part", dir=folder.parent))
    try:
        error = _pip(requirement, temporary, [])
        if error:
            error = _pip(requirement, temporary, _KIT_TAGS)
        if error:
            raise StageError(_error_message(requirement, error))
        wheel = next(iter(sorted(temporary.glob("*.whl"))))
        digest = _sha256(wheel)
        if expected and digest != expected:
            raise StageError(
                f"{requirement}: the package index gave a wheel with SHA-256 {digest}, but sha256 in [[input.sources]]"
                f" is {expected}. It was not unpacked. Correct sha256, or find out why the file changed."
            )
        _record(wheel).write_text(digest)
        temporary.chmod(0o777 & ~UMASK)
        temporary.rename(folder)
        return folder / wheel.name, digest
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _pip(requirement: str, folder: Path, tags: list[str]) -> str:
    """Run ``pip download``. Return its error output if it fails."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--dest", str(folder), *tags, "--", requirement]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_TIMEOUT_SECONDS,
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        return f"connection timed out: pip did not finish in {_TIMEOUT_SECONDS} seconds"
    if done.returncode == 0 and not any(folder.glob("*.whl")):
        return "pip downloaded no wheel"
    return "" if done.returncode == 0 else done.stderr.strip() or done.stdout.strip() or "pip failed"


def _error_message(requirement: str, error: str) -> str:
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1])
    if "No module named pip" in error:
        return f"{requirement}: pip is missing for {sys.executable}; install it (python -m ensurepip) and run again."
    if _NETWORK.search(error):
        return (
            f"{requirement}: the package index cannot be reached ({last}). Check the network and pip's configuration"
            " (pip config list), and run again."
        )
    return (
        f"{requirement}: the package index has no such wheel ({last}). Correct the requirement in [[input.sources]], or"
        " configure an index that has it (pip config set global.index-url …)."
    )


def _record(wheel: Path) -> Path:
    return wheel.with_name(wheel.name + ".sha256")


def _recorded(wheel: Path) -> str:
    try:
        return _record(wheel).read_text(errors="replace").strip()
    except OSError:
        return ""


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
