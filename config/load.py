"""Load ``pipeline_config.toml``, validate it, and apply overrides.

Every invalid configuration raises a `ConfigError` of one line. No input raises another exception.
"""

from __future__ import annotations

import copy
import os
import re
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import tomli

from config.errors import ConfigError
from config.explain import one_line, quoted, shown_path
from config.former import former_keys
from config.overrides import COMMAND_LINE, nested, typed_overrides
from config.schema import config_schema, schema_property
from config.secrets import VARIABLE, without_secrets
from config.validate import validate, validate_expanded
from stages.storage.ownership import INTERMEDIATE_FOLDERS

_DEFAULT_FILE = Path(__file__).parent.parent / "pipeline_config.toml"


# Far beyond any real configuration, and small enough to read by mistake.
_MAX_FILE_BYTES = 1 << 20


class _Hidden:
    """A holder of values that may contain secrets. Its ``repr`` hides them, and it cannot be pickled."""

    __slots__ = ("value",)

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "<hidden>"

    def __reduce__(self) -> Any:
        raise TypeError("A loaded configuration holds secrets and is not pickled; pass on the values that are needed.")


@dataclass(frozen=True)
class Config:
    """A valid configuration.

    Attributes:
        path: The configuration file, absolute.
        work_dir: Absolute path of the folder for intermediate results.
        target_dir: Absolute path of the folder for the finished data set.
        log_file: Absolute path of the log file.
        values: Every section with every key, including defaults. Safe for reports and logs: ``${NAME}`` is not
            expanded, a literal secret is ``***``, and credentials in an address are replaced.
        overrides: The overridden values by dotted key, without secrets. A literal secret is refused.
        given: Section and name of each key in the file.
    """

    path: Path
    work_dir: Path
    target_dir: Path
    log_file: Path
    values: dict[str, Any]
    overrides: dict[str, Any]
    given: frozenset[tuple[str, str]]
    _raw: _Hidden = field(repr=False, compare=False)
    _environ: Mapping[str, str] = field(repr=False, compare=False)

    @property
    def workers(self) -> int:
        """Number of worker processes: ``processing.parallel_workers``, or the cores this process may use."""
        chosen: int | None = self.values["processing"]["parallel_workers"]
        if chosen is None and hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return chosen or os.cpu_count() or 1

    @cached_property
    def effective(self) -> dict[str, dict[str, Any]]:
        """`options` of every section. The values may contain secrets: do not show them."""
        return {name: self.options(name) for name in self.values}

    @property
    def uses_service(self) -> bool:
        """True if a service embeds the texts, False if this machine does."""
        return bool(self._expand(self._raw.value["embeddings"]["backend"], "embeddings.backend") == "openai")

    def section(self, name: str) -> dict[str, Any]:
        """Return a copy of a section of `values` without its secrets, for up-to-date checks.

        Does not expand ``${NAME}``, so that the result does not depend on the environment.
        """
        return {
            key: copy.deepcopy(value)
            for key, value in self.values[name].items()
            if not schema_property(config_schema(), name, key).get("writeOnly")
        }

    def options(self, name: str) -> dict[str, Any]:
        """Return a copy of a section without its secrets and with ``${NAME}`` expanded.

        Raises:
            ConfigError: A variable in a value is not set. The address of the embedding service is checked only if
                that backend is selected.
        """
        unused = {"endpoint_url"} if name == "embeddings" and not self.uses_service else set()
        return {
            key: self._raw.value[name][key]
            if key in unused
            else self._expand(self._raw.value[name][key], f"{name}.{key}")
            for key in self.section(name)
        }

    def sources(self) -> list[dict[str, Any]]:
        """Return the sources with ``${NAME}`` expanded, local paths absolute and ``…_path`` globs as lists.

        Raises:
            ConfigError: A variable in a value is not set.
        """
        found = []
        for number, source in enumerate(self._raw.value["input"]["sources"]):
            expanded = self._expand(source, f"input.sources[{number}]")
            for key in ("exts_path", "apps_path"):
                if isinstance(expanded[key], str):
                    expanded[key] = [expanded[key]]
            if source["kind"] == "path":
                expanded["path"] = str(_absolute(expanded["path"], self.path.parent))
            elif source["kind"] == "git" and _is_local(expanded["url"]):
                expanded["url"] = str(_absolute(expanded["url"], self.path.parent))
            found.append(expanded)
        return found

    def secret(self, key: str) -> str | None:
        """Return the value of a secret, such as ``embeddings.api_key``. Reads the environment on each call.

        Returns:
            The value; None if it is empty or unused (backend ``local``).

        Raises:
            ConfigError: The environment variable of the secret is not set.
        """
        section, name = key.split(".")
        if key == "embeddings.api_key" and not self.uses_service:
            return None
        value: str = self._expand(self._raw.value[section][name], key)
        return value or None

    def check_expanded(self) -> None:
        """Expand every variable and validate the results, so that an error shows before the run starts.

        Raises:
            ConfigError: A variable is not set, or a value is invalid.
        """
        rules = config_schema()
        tables = [(name, self._raw.value[name], self.options(name), rules["properties"][name]) for name in self.values]
        tables += [
            (f"input.sources[{number}]", raw, expanded, rules["$defs"][raw["kind"]])
            for number, (raw, expanded) in enumerate(
                zip(self._raw.value["input"]["sources"], self.effective["input"]["sources"], strict=True)
            )
        ]
        for name, raw, expanded, table in tables:
            for key, value in expanded.items():
                if value != raw[key] and (name, key) != ("input", "sources"):
                    validate_expanded(value, table["properties"][key], f"{name}.{key}", self._where(f"{name}.{key}"))

    def public(self) -> dict[str, Any]:
        """Return a copy of `values` for reports. A secret is ``${NAME}``, or ``***`` if written literally."""
        return copy.deepcopy(self.values)

    def _expand(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return VARIABLE.sub(lambda match: self._variable(match[1], key), value)
        if isinstance(value, list):
            return [self._expand(item, f"{key}[{number}]") for number, item in enumerate(value)]
        if isinstance(value, dict):
            return {name: self._expand(item, f"{key}.{name}") for name, item in value.items()}
        return value

    def _variable(self, name: str, key: str) -> str:
        value = self._environ.get(name)
        if value is None:
            raise ConfigError(
                f"{self._where(key)}: {key}: the environment variable {name} is not set; set it or write a value here."
            )
        if "\0" in value:  # possible only in a mapping other than the process's environment
            raise ConfigError(f"{self._where(key)}: {key}: the environment variable {name} holds a NUL character.")
        return value

    def _where(self, key: str) -> str:
        return COMMAND_LINE if key in self.overrides else shown_path(self.path)


def load(
    path: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Read and validate a configuration file.

    Args:
        path: The file; by default ``pipeline_config.toml`` in the project's folder.
        overrides: Values that replace those of the file. A key is dotted (``processing.max_extensions``) or its last
            part (``max_extensions``). A string is converted to the type in the schema (``"25"``, ``"true"``, a TOML
            list). Other values are used unchanged. Paths are relative to the file's folder, as in the file.
        environ: The variables for ``${NAME}``.

    Raises:
        ConfigError: The file cannot be read or is not valid, or an override is not valid. One line: file, key,
            expected value, actual value, closest known key.
    """
    path = Path(os.path.abspath(path or _DEFAULT_FILE))
    document = parse(path)
    _refuse_former(document, path)
    validate(document, shown_path(path))
    given = frozenset((section, key) for section, table in document.items() for key in table)
    replaced = typed_overrides(overrides or {})
    validate(nested(replaced), COMMAND_LINE)
    for (section, key), value in replaced.items():
        document.setdefault(section, {})[key] = value

    raw = _with_defaults(document)
    values = without_secrets(raw)
    for section, key in replaced:
        if values[section][key] != raw[section][key]:  # command lines show up in process lists and shell histories
            raise ConfigError(
                f"{COMMAND_LINE}: {section}.{key}: expected the name of an environment variable, as ${{NAME}}, "
                "found a literal secret, which other users of this machine could read."
            )
    partial = Config(
        path=path,
        work_dir=path,
        target_dir=path,
        log_file=path,
        values=values,
        overrides={f"{section}.{key}": values[section][key] for section, key in replaced},
        given=given,
        _raw=_Hidden(raw),
        _environ=environ,
    )
    partial.check_expanded()
    _refuse_limit_without_price(path, values["embeddings"])
    folders = partial.effective["output"]
    work_dir = _absolute(folders["work_dir"], path.parent)
    target_dir = _absolute(folders["target_dir"], path.parent)
    if work_dir == target_dir:
        raise ConfigError(
            f"{shown_path(path)}: output.target_dir: expected another folder than output.work_dir, "
            f"found {quoted(str(work_dir))} for both."
        )
    _refuse_nested(path, work_dir, target_dir)
    return Config(
        path=path,
        work_dir=work_dir,
        target_dir=target_dir,
        log_file=_absolute(partial.effective["logging"]["log_file"], work_dir),
        values=values,
        overrides=partial.overrides,
        given=given,
        _raw=partial._raw,
        _environ=environ,
    )


def _refuse_former(document: dict[str, Any], path: Path) -> None:
    """Refuse a configuration of the former pipeline.

    Raises:
        ConfigError: It is one. The message has a line per former key with its replacement.
    """
    found = former_keys(document)
    if found:
        keys = "a key" if len(found) == 1 else f"{len(found)} keys"
        lines = [
            f"{shown_path(path)}: {keys} of the former pipeline. This command writes the new file: "
            f"doit config migrate {shlex.quote(shown_path(path))} > new.toml",
            *(f"{one_line(key)}: {now}" for key, now in found),
        ]
        raise ConfigError("\n  ".join(lines))


def _refuse_limit_without_price(path: Path, values: dict[str, Any]) -> None:
    if values["max_cost"] is not None and values["price_per_million_tokens"] is None:
        raise ConfigError(
            f"{shown_path(path)}: embeddings.max_cost: expected embeddings.price_per_million_tokens beside it, "
            "found no such key: without a price, the cost is unknown."
        )


def _refuse_nested(path: Path, work_dir: Path, target_dir: Path) -> None:
    """Refuse a folder that lies in a part of the other one that the pipeline replaces or removes.

    Raises:
        ConfigError: The folders are nested in this way.
    """
    if target_dir.is_relative_to(work_dir):
        name = target_dir.relative_to(work_dir).parts[0]
        if name in INTERMEDIATE_FOLDERS:
            raise ConfigError(
                f"{shown_path(path)}: output.target_dir: expected a folder outside of {quoted(str(work_dir / name))}, "
                f"where intermediate results lie, found {quoted(str(target_dir))}."
            )
    elif work_dir.is_relative_to(target_dir):
        name = work_dir.relative_to(target_dir).parts[0]
        if re.fullmatch(r"[0-9]+\.[0-9]+", name):
            raise ConfigError(
                f"{shown_path(path)}: output.work_dir: expected a folder outside of {quoted(str(target_dir / name))}, "
                f"which each run replaces completely, found {quoted(str(work_dir))}."
            )


def parse(path: Path) -> dict[str, Any]:
    """Return the contents of a TOML file without validation.

    Raises:
        ConfigError: The file cannot be read or is not TOML.
    """
    text = read_text(path)
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        message = error.msg[:1].lower() + error.msg[1:]
        raise ConfigError(f"{shown_path(path)}:{error.lineno}: not valid TOML ({one_line(message)}).") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, hundreds of nested lists
        raise ConfigError(f"{shown_path(path)}: not usable as TOML ({one_line(str(error))}).") from None


def read_text(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        ConfigError: The file cannot be read, is not text, or is empty.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ConfigError(f"{shown_path(path)}: expected a TOML file, found a folder.")
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{shown_path(path)}: expected a TOML file, found a device or pipe.")
        if status.st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{shown_path(path)}: expected at most {_MAX_FILE_BYTES} bytes, found {status.st_size}.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"{shown_path(path)}: there is no such file; name another one with --config or config=."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{shown_path(path)}: cannot be read ({reason}).") from None
    try:
        text = data.decode("utf-8-sig")  # editors on Windows write a BOM, which TOML does not allow
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"0x{data[error.start]:02x}"
        raise ConfigError(f"{shown_path(path)}:{line}: expected UTF-8, found the byte {found}.") from None
    if not text.strip():
        raise ConfigError(f"{shown_path(path)}: expected a configuration, found an empty file.")
    return text


def _with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """Return a valid document with defaults for missing keys."""
    schema = config_schema()
    filled: dict[str, Any] = {
        section: {
            key: copy.deepcopy(document.get(section, {}).get(key, rule["default"]))
            for key, rule in table["properties"].items()
        }
        for section, table in schema["properties"].items()
    }
    filled["input"]["sources"] = [
        {
            key: copy.deepcopy(source.get(key, rule.get("default")))
            for key, rule in schema["$defs"][source["kind"]]["properties"].items()
        }
        for source in filled["input"]["sources"]
    ]
    return filled


def _is_local(url: str) -> bool:
    """Return True if git treats the address as a path: no scheme, no ``host:path``, no option."""
    return ":" not in url.split("/", 1)[0] and not url.startswith("-")


def _absolute(path: str, folder: Path) -> Path:
    return Path(os.path.abspath(folder / os.path.expanduser(path)))
