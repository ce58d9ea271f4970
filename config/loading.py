"""Load ``pipeline_config.toml``, check it against its JSON Schema, and apply overrides.

The schema (``pipeline_config.schema.json``) is the one place that knows keys, types and defaults. Whatever is wrong
with a configuration ends in a `ConfigError` of one line; no input, however odd, ends in another exception.
"""

from __future__ import annotations

import copy
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import tomli

from stages.storage.ownership import INTERMEDIATE_FOLDERS

_SCHEMA_FILE = Path(__file__).with_name("pipeline_config.schema.json")
_DEFAULT_FILE = Path(__file__).parent.parent / "pipeline_config.toml"
# Far beyond any real configuration, and small enough that reading it by mistake costs nothing.
_MAX_FILE_BYTES = 1 << 20
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# The userinfo of an address; for ssh it is a login name, for http(s) usually a token.
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")
_COMMAND_LINE = "command line"


class ConfigError(Exception):
    """The configuration cannot be used; the message is one line that says where, what and how to mend it."""


class _Hidden:
    """Holds values that may contain secrets: never shown, never pickled, never copied into a report."""

    __slots__ = ("value",)

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "<hidden>"

    def __reduce__(self) -> Any:
        raise TypeError("A loaded configuration holds secrets and is not pickled; pass on the values that are needed.")


@dataclass(frozen=True)
class Config:
    """A configuration that has been checked.

    Attributes:
        path: The file it was read from, absolute.
        work_dir: Absolute path of the folder for intermediate results.
        target_dir: Absolute path of the folder for the finished data set.
        log_file: Absolute path of the log file.
        values: Every section with every key, defaults filled in. Holds no secret: ``${NAME}`` is left as it is, a
            literal secret is ``***``, and credentials in an address are replaced. Fit for reports and logs.
        overrides: What was overridden: dotted key to value. Holds no secret: a literal one is refused.
    """

    path: Path
    work_dir: Path
    target_dir: Path
    log_file: Path
    values: dict[str, Any]
    overrides: dict[str, Any]
    _raw: _Hidden = field(repr=False, compare=False)
    _environ: Mapping[str, str] = field(repr=False, compare=False)

    @property
    def workers(self) -> int:
        """Number of worker processes: ``processing.parallel_workers``, or the cores this process may use."""
        chosen: int | None = self.values["processing"]["parallel_workers"]
        if chosen is None and hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return chosen or os.cpu_count() or 1

    def section(self, name: str) -> dict[str, Any]:
        """Return a copy of one section of `values` without its secrets, for up-to-date checks.

        ``${NAME}`` is not expanded: the result does not depend on the environment.
        """
        return {
            key: copy.deepcopy(value)
            for key, value in self.values[name].items()
            if not _property(_schema(), name, key).get("writeOnly")
        }

    def options(self, name: str) -> dict[str, Any]:
        """Return a copy of one section without its secrets, with ``${NAME}`` expanded: the values to work with.

        Raises:
            ConfigError: A variable that a value names is not set. The address of the embedding service counts only
                when that backend is chosen.
        """
        unused = {"endpoint_url"} if name == "embeddings" and self.values[name]["backend"] != "openai" else set()
        return {
            key: self._raw.value[name][key]
            if key in unused
            else self._expand(self._raw.value[name][key], f"{name}.{key}")
            for key in self.section(name)
        }

    def sources(self) -> list[dict[str, Any]]:
        """Return the sources with ``${NAME}`` expanded, paths of this machine absolute and ``…_path`` globs as lists.

        Raises:
            ConfigError: A variable that a value names is not set.
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
        """Return the value of a secret, such as ``embeddings.api_key``, read from the environment at this moment.

        Returns:
            The value; None if it is empty, or if the configuration does not use it (backend ``local``).

        Raises:
            ConfigError: The environment variable that the secret names is not set.
        """
        section, name = key.split(".")
        if key == "embeddings.api_key" and self.values[section]["backend"] != "openai":
            return None
        value: str = self._expand(self._raw.value[section][name], key)
        return value or None

    def public(self) -> dict[str, Any]:
        """Return a copy of `values`, for reports: secrets stand as ``${NAME}``, or ``***`` if written literally."""
        return copy.deepcopy(self.values)

    def _expand(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda match: self._variable(match[1], key), value)
        if isinstance(value, list):
            return [self._expand(item, f"{key}[{number}]") for number, item in enumerate(value)]
        if isinstance(value, dict):
            return {name: self._expand(item, f"{key}.{name}") for name, item in value.items()}
        return value

    def _variable(self, name: str, key: str) -> str:
        value = self._environ.get(name)
        if value is None:
            where = _COMMAND_LINE if key in self.overrides else _shown(self.path)
            raise ConfigError(
                f"{where}: {key}: the environment variable {name} is not set; set it or write a value here."
            )
        if "\0" in value:  # only a mapping that is not the process's environment can hold one
            raise ConfigError(f"{_shown(self.path)}: {key}: the environment variable {name} holds a NUL character.")
        return value


def load(
    path: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Read and check a configuration file.

    Args:
        path: The file; by default ``pipeline_config.toml`` in the project's folder.
        overrides: Values that replace those of the file. A key is dotted (``processing.max_extensions``) or just the
            last part (``max_extensions``). A string is read as the schema says (``"25"``, ``"true"``, a TOML list);
            any other value is taken as it is. Relative paths begin at the file's folder, as they do in the file.
        environ: Where ``${NAME}`` is looked up.

    Raises:
        ConfigError: The file cannot be read or is not valid, or an override is not. One line: file, key, what is
            expected, what was found, the nearest known key.
    """
    path = Path(os.path.abspath(path or _DEFAULT_FILE))
    document = _parse(path)
    _validate(document, _shown(path))
    replaced = _typed_overrides(overrides or {})
    _validate(_nested(replaced), _COMMAND_LINE)
    for (section, key), value in replaced.items():
        document.setdefault(section, {})[key] = value

    raw = _with_defaults(document)
    values = _without_secrets(raw)
    for section, key in replaced:
        if (
            values[section][key] != raw[section][key]
        ):  # a command line is seen in lists of processes and kept in histories
            raise ConfigError(
                f"{_COMMAND_LINE}: {section}.{key}: expected the name of an environment variable, as ${{NAME}}, "
                "found a literal secret, which other users of this machine could read."
            )
    partial = Config(
        path=path,
        work_dir=path,
        target_dir=path,
        log_file=path,
        values=values,
        overrides={f"{section}.{key}": values[section][key] for section, key in replaced},
        _raw=_Hidden(raw),
        _environ=environ,
    )
    for section in values:
        partial.options(section)  # an unset variable is found now, not an hour into the run
    partial.sources()
    folders = partial.options("output")
    work_dir = _absolute(folders["work_dir"], path.parent)
    target_dir = _absolute(folders["target_dir"], path.parent)
    if work_dir == target_dir:
        raise ConfigError(
            f"{_shown(path)}: output.target_dir: expected another folder than output.work_dir, "
            f"found {_quoted(str(work_dir))} for both."
        )
    _refuse_nested(path, work_dir, target_dir)
    return Config(
        path=path,
        work_dir=work_dir,
        target_dir=target_dir,
        log_file=_absolute(partial.options("logging")["log_file"], work_dir),
        values=values,
        overrides=partial.overrides,
        _raw=partial._raw,
        _environ=environ,
    )


def _refuse_nested(path: Path, work_dir: Path, target_dir: Path) -> None:
    """Refuse two folders of which one lies where the pipeline replaces or removes whole folders of the other.

    Raises:
        ConfigError: They lie so.
    """
    if target_dir.is_relative_to(work_dir):
        name = target_dir.relative_to(work_dir).parts[0]
        if name in INTERMEDIATE_FOLDERS:
            raise ConfigError(
                f"{_shown(path)}: output.target_dir: expected a folder outside of {_quoted(str(work_dir / name))}, "
                f"where intermediate results lie, found {_quoted(str(target_dir))}."
            )
    elif work_dir.is_relative_to(target_dir):
        name = work_dir.relative_to(target_dir).parts[0]
        if re.fullmatch(r"[0-9]+\.[0-9]+", name):
            raise ConfigError(
                f"{_shown(path)}: output.work_dir: expected a folder outside of {_quoted(str(target_dir / name))}, "
                f"which is replaced as a whole, found {_quoted(str(work_dir))}."
            )


def _parse(path: Path) -> dict[str, Any]:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ConfigError(f"{_shown(path)}: expected a TOML file, found a folder.")
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{_shown(path)}: expected a TOML file, found a device or pipe.")
        if status.st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{_shown(path)}: expected at most {_MAX_FILE_BYTES} bytes, found {status.st_size}.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"{_shown(path)}: there is no such file; name another one with --config or config=."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{_shown(path)}: cannot be read ({reason}).") from None
    try:
        text = data.decode("utf-8-sig")  # editors on Windows write a BOM, which TOML does not allow
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{_shown(path)}:{line}: expected UTF-8, found the byte 0x{data[error.start]:02x}.") from None
    if not text.strip():
        raise ConfigError(f"{_shown(path)}: expected a configuration, found an empty file.")
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        message = error.msg[:1].lower() + error.msg[1:]
        raise ConfigError(f"{_shown(path)}:{error.lineno}: not valid TOML ({_one_line(message)}).") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; hundreds of nested lists
        raise ConfigError(f"{_shown(path)}: not usable as TOML ({_one_line(str(error))}).") from None


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = orjson.loads(_SCHEMA_FILE.read_bytes())
    return schema


def _property(schema: dict[str, Any], section: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = schema["properties"][section]["properties"][key]
    return found


def _known_keys() -> list[tuple[str, str]]:
    return [(section, key) for section, table in _schema()["properties"].items() for key in table["properties"]]


def _with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """Return a valid document with every key."""
    schema = _schema()
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


def _without_secrets(raw: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = _without_credentials(raw)
    for section, key in _known_keys():
        if _property(_schema(), section, key).get("writeOnly") and not _only_variables(raw[section][key]):
            shown[section][key] = "***"
    return shown


def _only_variables(text: str) -> bool:
    return not _VARIABLE.sub("", text)


def _without_credentials(value: Any) -> Any:
    """Return a copy in which no address holds a password or token: ``https://me:pw@host`` → ``https://***@host``."""
    if isinstance(value, str):
        return _USERINFO.sub(lambda match: match[0] if _is_login_name(value, match[0][:-1]) else "***@", value)
    if isinstance(value, list):
        return [_without_credentials(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_credentials(item) for key, item in value.items()}
    return value


def _is_login_name(address: str, userinfo: str) -> bool:
    if _only_variables(userinfo.replace(":", "")):
        return True
    return ":" not in userinfo and not address.lstrip().lower().startswith("http")


def _is_local(url: str) -> bool:
    """Whether git takes the address for a path: no scheme, no ``host:path``, no option."""
    return ":" not in url.split("/", 1)[0] and not url.startswith("-")


def _absolute(path: str, folder: Path) -> Path:
    return Path(os.path.abspath(folder / os.path.expanduser(path)))


# --- overrides -------------------------------------------------------------------------------------------------------


def _typed_overrides(overrides: Mapping[str, object]) -> dict[tuple[str, str], Any]:
    typed: dict[tuple[str, str], Any] = {}
    for name, value in overrides.items():
        target = _find_key(name)
        typed[target] = _typed(value, target) if isinstance(value, str) else value
    return typed


def override_key(name: str) -> str:
    """Return the full key (``processing.max_extensions``) of a full key or of the last part of one.

    Raises:
        ConfigError: There is no such key, or several keys end so.
    """
    return ".".join(_find_key(name))


def _find_key(name: str) -> tuple[str, str]:
    found = [(section, key) for section, key in _known_keys() if name in (key, f"{section}.{key}")]
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(f"{section}.{key}" for section, key in found)
        raise ConfigError(f"{_COMMAND_LINE}: {_one_line(name)}: expected {choices}.")
    raise ConfigError(f"{_COMMAND_LINE}: {_unknown(name)}")


def _typed(text: str, target: tuple[str, str]) -> Any:
    """Return the value that the text of a command line stands for; text that fits no type is left to validation."""
    kinds = _property(_schema(), *target)["type"]
    if "boolean" in kinds:
        return {"true": True, "false": False}.get(text.lower(), text)
    if "string" not in kinds:
        try:
            parsed = tomli.loads(f"value = {text}")
        except (ValueError, RecursionError):
            return text
        return parsed["value"] if len(parsed) == 1 else text
    return text


def _nested(flat: dict[tuple[str, str], Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for (section, key), value in flat.items():
        nested.setdefault(section, {})[key] = value
    return nested


# --- validation ------------------------------------------------------------------------------------------------------


def _validate(document: dict[str, Any], where: str) -> None:
    """Check a document, complete or not, against the schema.

    Raises:
        ConfigError: The first thing that is wrong, unknown keys before all else.
    """
    for key, value in _leaves(document, ""):
        if isinstance(value, str) and "\0" in value:
            raise ConfigError(f"{where}: {key}: expected text, found a NUL character in it.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where}: {key}: expected a finite value, found {value}.")
    if _conforms(document, _schema()):
        return
    errors = list(_validator().iter_errors(document))
    if errors:
        order = ("additionalProperties", "required")
        first = min(errors, key=lambda error: order.index(error.validator) if error.validator in order else len(order))
        others = f" ({len(errors) - 1} more after this one.)" if len(errors) > 1 else ""
        raise ConfigError(f"{where}: {_explained(first)}{others}")


def _validator() -> Any:
    """Return the full validator: JSON Schema 2020-12, in which as in TOML 25.0 is no whole number."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    whole = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    strict: Any = extend(Draft202012Validator, type_checker=whole)  # type: ignore[no-untyped-call]
    return strict(_schema())


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def _conforms(value: Any, rule: dict[str, Any]) -> bool:
    """Whether a value is plainly valid by the part of JSON Schema that this project's schema uses.

    Importing jsonschema takes as long as everything else in a run that has nothing to do, and the configuration of
    nearly every run is valid: so jsonschema is left to judge and explain what does not conform here.

    Raises:
        KeyError: The rule has a keyword that only jsonschema knows.
    """
    return all(_KEYWORDS[name](value, limit, rule) for name, limit in rule.items())


def _has_type(value: Any, limit: str | list[str], _: Any) -> bool:
    kinds = [limit] if isinstance(limit, str) else limit
    return any(type(value) in _TYPES[kind] for kind in kinds)


def _has_properties(value: Any, limit: dict[str, Any], _: Any) -> bool:
    return not isinstance(value, dict) or all(
        _conforms(item, limit[key]) for key, item in value.items() if key in limit
    )


# Keyword → whether a value keeps to it, given its operand and the whole rule that it stands in.
_KEYWORDS: dict[str, Callable[[Any, Any, dict[str, Any]], bool]] = {
    "type": _has_type,
    "properties": _has_properties,
    "additionalProperties": lambda value, _, rule: value.keys() <= rule["properties"].keys(),
    "required": lambda value, limit, _: all(key in value for key in limit),
    "items": lambda value, limit, _: not isinstance(value, list) or all(_conforms(item, limit) for item in value),
    "enum": lambda value, limit, _: value in limit,
    "const": lambda value, limit, _: bool(value == limit),
    "minimum": lambda value, limit, _: not isinstance(value, int | float) or value >= limit,
    "exclusiveMinimum": lambda value, limit, _: not isinstance(value, int | float) or value > limit,
    "maximum": lambda value, limit, _: not isinstance(value, int | float) or value <= limit,
    "minLength": lambda value, limit, _: not isinstance(value, str) or len(value) >= limit,
    "pattern": lambda value, limit, _: not isinstance(value, str) or re.search(limit, value) is not None,
    "not": lambda value, limit, _: not _conforms(value, limit),
    "allOf": lambda value, limit, _: all(_conforms(value, part) for part in limit),
    "if": lambda value, limit, rule: not _conforms(value, limit) or _conforms(value, rule["then"]),
    "then": lambda *_: True,  # read with "if"
    "$ref": lambda value, limit, _: _conforms(value, _schema()["$defs"][limit.rpartition("/")[2]]),
}
_KEYWORDS |= dict.fromkeys(
    ("$schema", "$defs", "title", "description", "examples", "default", "x-expected", "writeOnly"), lambda *_: True
)


def _explained(error: Any) -> str:
    key = _dotted(error.absolute_path)
    if error.validator == "additionalProperties":
        unknown = next(name for name in error.instance if name not in error.schema["properties"])
        return _unknown(_dotted([*error.absolute_path, unknown]), error.schema["properties"])
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{key}: expected {_expected(error.schema['properties'][missing])} as {missing}, found no such key."
    found = "another value" if error.schema.get("writeOnly") else _found(error.instance)
    return f"{key}: expected {_expected(error.schema)}, found {found}."


def _unknown(name: str, siblings: Mapping[str, Any] | None = None) -> str:
    """Say that a dotted key is unknown and which known one is nearest.

    Args:
        name: The key, as it is shown.
        siblings: The keys that its table knows, if the table itself is known.
    """
    import difflib

    table, _, last = name.rpartition(".")
    known = {f"{section}.{key}": key for section, key in _known_keys()}
    if siblings is not None and table:
        known |= {f"{table}.{key}": key for key in siblings}
    elif siblings is not None:
        known |= {section: section for section in siblings}

    def likeness(candidate: str) -> tuple[float, float]:
        ratio = difflib.SequenceMatcher(None, last, known[candidate]).ratio()
        return ratio, difflib.SequenceMatcher(None, name, candidate).ratio()

    return f"{_one_line(name)}: unknown key; the nearest known key is {max(known, key=likeness)}."


def _expected(rule: dict[str, Any]) -> str:
    """Word what a schema allows."""
    if "$ref" in rule:
        rule = _schema()["$defs"][rule["$ref"].rpartition("/")[2]]
    if "x-expected" in rule:
        return str(rule["x-expected"])
    if "enum" in rule:
        return "one of " + ", ".join(_quoted(value) for value in rule["enum"])
    kind = rule["type"] if isinstance(rule["type"], str) else rule["type"][0]
    if kind == "number":
        return f"a number above {rule['exclusiveMinimum']} and up to {rule['maximum']}"
    if kind == "integer":
        return f"a whole number from {rule['minimum']} to {rule['maximum']}"
    words = {"string": "a string", "boolean": "true or false", "array": "a list of strings", "object": "a table"}
    return words[kind] + (" that is not empty" if rule.get("minLength") else "")


def _found(value: Any) -> str:
    """Word what a file holds, without credentials and on one short line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _shortened(repr(value)) if isinstance(value, float) or value.bit_length() < 4096 else "a huge number"
    if isinstance(value, str):
        return f"the string {_quoted(_shortened(str(_without_credentials(value))))}"
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else f"a value of type {type(value).__name__}"


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{_key_text(name)}".lstrip("."))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{key}[{number}]")
    else:
        yield key, value


def _dotted(parts: Any) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{_key_text(part)}"
    return text.lstrip(".") or "the file"


def _key_text(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _quoted(_shortened(name))


def _quoted(text: str) -> str:
    return '"' + _one_line(text).replace('"', '\\"') + '"'


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _shown(path: Path) -> str:
    return _one_line(str(path))
