"""A parsed command line: flags, and configuration values that replace those of the file.

Each flag is an option of ``doit run`` and a doit variable of the same name (``doit --resume``, ``doit resume=1``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from config.errors import ConfigError
from config.overrides import override_key

_YES_OR_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
# Flags that control the amount of work. The checkpoint stores them for a resume, together with `RESTORED_KEYS`.
_KEPT_FLAGS = ("quick", "kit_cache")
# Configuration values that a resume restores. They control only the amount of work.
RESTORED_KEYS = (
    "processing.max_extensions",
    "processing.include_source_code",
    "output.keep_intermediates",
)


@dataclass(frozen=True)
class Request:
    """A parsed command line.

    Attributes:
        config: The configuration file, relative to the folder where the command was started.
        resume: Continue after the last complete stage.
        force: Clean and forget the selected tasks first.
        start: The first stage to run.
        end: The last stage to run.
        update: Let git sources look for a newer commit.
        no_cache: Ignore the embedding cache and embed every text again.
        quick: Skip embeddings and FAISS.
        kit_cache: A Kit cache that replaces the configured sources.
        quiet: Print only warnings and errors.
        verbose: Print each task that runs.
        json: Print a JSON summary on standard output, and all else on standard error.
        junit: A JUnit file to write; relative to where the command was started.
        annotations: ``1``: print GitHub annotations for warnings and failures; ``0``: do not; empty: only if GitHub's
            runner reads the output.
        report: An HTML page to write after the run; relative to where the command was started. ``-`` for
            ``report.html`` in the work directory.
        yes: Spend more than ``embeddings.max_cost``.
        strict: End with exit code 1 if a file was left out because of an internal error.
        overrides: Configuration values by full key (``processing.max_extensions``), as text.
        given: Names of the flags on the command line, also of those set to their default.
    """

    config: str = ""
    resume: bool = False
    force: bool = False
    start: str = ""
    end: str = ""
    update: bool = False
    no_cache: bool = False
    quick: bool = False
    kit_cache: str = ""
    quiet: bool = False
    verbose: bool = False
    json: bool = False
    junit: str = ""
    annotations: str = ""
    report: str = ""
    yes: bool = False
    strict: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    @classmethod
    def from_variables(cls, variables: Mapping[str, str], started_in: Path) -> Request:
        """Return the request of some doit variables. The last of several spellings of a key wins.

        Args:
            variables: Flags, and configuration values by full key or by the last part of it.
            started_in: The folder that ``kit_cache`` is relative to.

        Raises:
            ConfigError: A flag has a wrong value, or a name is neither a flag nor a key.
        """
        flags: dict[str, Any] = {}
        overrides: dict[str, str] = {}
        for name, text in variables.items():
            if name in FLAGS:
                flags[name] = _yes_or_no(name, text) if FLAGS[name] == "bool" else text
            else:
                key = override_key(name)
                overrides.pop(key, None)
                overrides[key] = text
        if flags.get("annotations"):
            _yes_or_no("annotations", flags["annotations"])
        if flags.get("kit_cache"):
            flags["kit_cache"] = os.path.abspath(started_in / flags["kit_cache"])
        return cls(**flags, overrides=overrides, given=frozenset(flags))

    @property
    def kept(self) -> dict[str, Any]:
        """The values to save in the checkpoint: all overrides, and the flags that control the amount of work."""
        return {**self.overrides, **{name: getattr(self, name) for name in _KEPT_FLAGS if getattr(self, name)}}


FLAGS = {item.name: str(item.type) for item in fields(Request) if item.name not in ("overrides", "given")}


def _yes_or_no(name: str, text: str) -> bool:
    if text.lower() not in _YES_OR_NO:
        raise ConfigError(f"command line: {name}: expected 1 or 0, found {text!r}.")
    return _YES_OR_NO[text.lower()]
