"""Convert a configuration of the former pipeline to this pipeline's form. Keeps comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli
import tomlkit
from tomlkit import TOMLDocument
from tomlkit.container import Container
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, InlineTable, Item, Table, Trivia

from config.errors import ConfigError
from config.explain import one_line, quoted, shown_path
from config.former import FORMER_KEYS, REPO_KEYS, former_keys
from config.load import parse, read_text
from config.schema import config_schema, known_keys
from config.secrets import only_variables, without_credentials, without_userinfo
from config.validate import validate

# The build command that the former pipeline ran in every clone.
_BUILD = ["./repo.sh", "build", "-r"]
# The output folder of that build, which `exts_path` of the former [[input.repo]] is relative to.
_BUILT = "_build/*/release/"
_SCAN_MODES = {"test": "tests"}


@dataclass
class Migration:
    """A converted configuration.

    Attributes:
        text: The new file.
        changed: A line for each moved or changed key.
        not_converted: A line for each key that could not be converted, with the reason.
    """

    text: str = ""
    changed: list[str] = field(default_factory=list)
    not_converted: list[str] = field(default_factory=list)


def migrate(path: Path) -> Migration:
    """Return the converted configuration of the former pipeline.

    Copies no secret: a literal key is replaced by the name of its variable.

    Raises:
        ConfigError: The file cannot be read or is not TOML.
    """
    parse(path)  # raises this project's error, with the line number
    try:
        document = tomlkit.parse(read_text(path))
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise ConfigError(f"{shown_path(path)}: not usable as TOML ({one_line(str(error))}).") from None
    if any(key is not None and key.is_dotted() for key, _ in document.body):
        document = tomlkit.parse(tomlkit.dumps(document.unwrap()))  # merges split sections
    migration = _Conversion().run(document)
    return migration if migration.changed or migration.not_converted else Migration(read_text(path))


class _Conversion:
    """A running conversion. Keeps the order of sections, keys and comments."""

    def __init__(self) -> None:
        self.result = Migration()

    def run(self, document: TOMLDocument) -> Migration:
        known = config_schema()["properties"]
        new = tomlkit.document()
        for key, item in document.body:
            name = key.key if key is not None else ""
            if key is None:
                new.add(item)
            elif name in FORMER_KEYS:
                inner = [f"{name}.{one}" for one in item] if isinstance(item, Table) else [name]
                self.result.not_converted += [f"{one_line(one)}: {FORMER_KEYS[name]}." for one in inner]
            elif name not in known:
                self.result.not_converted.append(f"[{one_line(name)}]: not a section of this pipeline.")
            elif not isinstance(item, Table):
                self.result.not_converted.append(f"{name}: expected a table such as [{name}].")
            else:
                new.append(name, self._section(name, item))
        former = {name for name, _ in former_keys(document.unwrap())}
        if former and not former & {"embeddings.nvidia_api_key"}:
            self._embed_by_service(new)
        self._report_relative(new.unwrap())
        self.result.text = tomlkit.dumps(new).strip("\n") + "\n"
        self._check()
        return self.result

    def _check(self) -> None:
        try:
            validate(tomli.loads(self.result.text), "the new file")
        except (ConfigError, tomli.TOMLDecodeError) as error:
            self.result.not_converted.append(f"{error} Correct this before you use the file.")

    def _report_relative(self, document: dict[str, Any]) -> None:
        folders = [(f"output.{key}", document.get("output", {}).get(key)) for key in ("work_dir", "target_dir")]
        sources = document.get("input", {}).get("sources", [])
        folders += [(f"input.sources[{number}].path", source.get("path")) for number, source in enumerate(sources)]
        if not (self.result.changed or self.result.not_converted):
            return
        relative = [key for key, path in folders if isinstance(path, str) and not path.startswith(("/", "~", "${"))]
        if relative:
            self._changed(f"{', '.join(relative)}: paths are now relative to the folder of the new file.")

    def _embed_by_service(self, new: TOMLDocument) -> None:
        """Select the service backend: the former pipeline used NVIDIA's service, even if a file did not name it."""
        if "embeddings" not in new:
            new.add(tomlkit.nl())
            new.add("embeddings", tomlkit.table())
        table: Any = new["embeddings"]
        if "backend" not in table:
            table.add("backend", "openai")
            self._changed('embeddings.backend = "openai": the former pipeline always embedded with NVIDIA\'s service.')

    def _changed(self, line: str) -> None:
        self.result.changed.append(line)

    # --- sections and keys -------------------------------------------------------------------------------------------

    def _section(self, section: str, table: Table) -> Table:
        new = Table(Container(), table.trivia, False, table.is_super_table(), table.name, table.display_name)
        sources = self._sources(table) if section == "input" else []
        own = table.get("sources") if sources else None
        inline = own is not None and not isinstance(own, AoT)
        if inline:
            given = table.unwrap()["sources"]  # tomlkit gives a boolean as one of Python's, which has no unwrap
            if self._is_valid({"input": {"sources": given}}):
                sources = [tomlkit.item(source) for source in given] + sources
        for key, item in table.value.body:
            if key is None:
                new.value.append(None, item)
            elif section == "input" and (f"input.{key.key}" in FORMER_KEYS or (inline and key.key == "sources")):
                # Tables follow all plain values. Values after a table would belong to it.
                if sources and isinstance(item, AoT | Table) and (own is None or inline):
                    _add_sources(new, sources)
                    sources = []
            else:
                for name, value in self._key(section, key.key, item):
                    new.add(name, value)
        if sources:
            _add_sources(new, sources)
        return new

    def _key(self, section: str, name: str, item: Item) -> Iterator[tuple[str, Item]]:
        """Yield the new names and values of a key."""
        dotted, value = f"{section}.{name}", item.unwrap()
        if dotted == "embeddings.nvidia_api_key":
            self._changed('embeddings.nvidia_api_key is now embeddings.api_key, and embeddings.backend is "openai".')
            yield "backend", tomlkit.string("openai")
            yield "api_key", self._api_key(item)
        elif dotted == "embeddings.endpoint_url" and value == "":
            self._changed('embeddings.endpoint_url = "" is left out: the default is NVIDIA\'s address.')
        elif dotted == "processing.code_examples_scan_mode" and value in _SCAN_MODES:
            self._changed(f"{dotted} is now {quoted(_SCAN_MODES[value])}.")
            yield name, _in_place_of(item, _SCAN_MODES[value])
        elif (section, name) not in known_keys():
            self.result.not_converted.append(f"{one_line(dotted)}: not a key of this pipeline.")
        elif self._is_valid({section: {name: value}}):
            yield name, item

    def _is_valid(self, document: dict[str, Any]) -> bool:
        try:
            validate(document, "")
        except ConfigError as error:
            self.result.not_converted.append(str(error).removeprefix(": "))
            return False
        return True

    def _api_key(self, item: Item) -> Item:
        text = item.unwrap()
        if isinstance(text, str) and only_variables(text):
            return _in_place_of(item, text)
        self.result.not_converted.append(
            "embeddings.nvidia_api_key: the file contains the key itself, which is not copied. Set the environment "
            "variable NVIDIA_API_KEY, which embeddings.api_key now names."
        )
        return _in_place_of(item, "${NVIDIA_API_KEY}")

    # --- sources -----------------------------------------------------------------------------------------------------

    def _sources(self, table: Table) -> list[Table]:
        """Return the sources for the former keys of ``[input]``."""
        found: list[Table | None] = []
        values = table.unwrap()
        repos, branch = table.get("repo"), values.get("branch")
        if isinstance(repos, str):
            found.append(self._git(_repository(repos, None if "repo_url" in values else branch), "input.repo"))
        elif repos is not None:
            for number, repo in enumerate(repos if isinstance(repos, list) else [repos]):
                found.append(self._git(_repository(repo) if _is_text(repo) else repo, f"input.repo[{number}]"))
        if "repo_url" in values:
            found.append(self._git(_repository(values["repo_url"], branch), "input"))
        elif branch is not None and not isinstance(repos, str):
            self.result.not_converted.append(
                f"input.branch: {FORMER_KEYS['input.branch']}; the file has no repo_url for it."
            )
        for key in ("kit_cache_path", "exts_path", "exts_paths"):
            value = values.get(key, [])
            found += [self._folder(one, key) for one in (value if isinstance(value, list) else [value])]
        if "app_template_path" in values:
            self.result.not_converted.append(f"input.app_template_path: {FORMER_KEYS['input.app_template_path']}.")
        return [source for source in found if source is not None]

    def _folder(self, folder: Any, key: str) -> Table | None:
        new = tomlkit.table()
        new.add("kind", "path")
        new.add("path", folder)
        if not self._is_valid({"input": {"sources": [new.unwrap()]}}):
            return None
        self._changed(f'input.{key} is now path of an [[input.sources]] table with kind = "path".')
        return new

    def _git(self, repo: Any, where: str) -> Table | None:
        """Return the source for a former repository, with its comments."""
        if not isinstance(repo, Table | InlineTable) or not _is_text(repo.unwrap().get("url")):
            self.result.not_converted.append(
                f"{where}: expected an address, or a table with a url, for an [[input.sources]] table."
            )
            return None
        body: list[tuple[str, Item]] = [("kind", tomlkit.item("git"))]
        end = 1  # insert new keys after the last key, before the comment of the next table
        for key, item in repo.value.body:
            if key is None:
                body += [("", item)] if isinstance(repo, Table) else []
                continue
            name, value = key.key, item.unwrap()
            if name == "has_version":
                self._changed(f"{where}.has_version is left out: the pipeline looks for a Kit version in every source.")
            elif name not in REPO_KEYS:
                self.result.not_converted.append(f"{one_line(f'{where}.{name}')}: not a key of this pipeline.")
            elif name == "url" and without_credentials(value) != value:
                self.result.not_converted.append(
                    f"{where}.url: its credentials are not copied. Give them to git (a credential helper)."
                )
                body.append((name, _in_place_of(item, without_userinfo(value))))
                end = len(body)
            elif self._is_valid({"input": {"sources": [{"kind": "git", "url": "x", name: value}]}}):
                if name == "exts_path" and isinstance(value, str):
                    value = _BUILT + value.strip("/")
                body.append((name, _in_place_of(item, value)))
                end = len(body)
        if "exts_path" not in dict(body):
            body.insert(end, ("exts_path", tomlkit.item(f"{_BUILT}exts")))  # the former default
            end += 1
        body.insert(end, ("build_command", tomlkit.item(_BUILD)))
        new = Table(Container(), Trivia(), True)
        if isinstance(repo, Table):
            new.trivia.comment_ws, new.trivia.comment = repo.trivia.comment_ws, repo.trivia.comment
        for name, item in body:
            new.value.append(name or None, item)
        self._changed(
            f'{where} is now an [[input.sources]] table with kind = "git". Its build_command is the build that the '
            "former pipeline always ran."
        )
        return new


def _add_sources(table: Table, sources: list[Table]) -> None:
    """Add sources at the end of the table, or after its existing sources."""
    found: Any = table["sources"] if "sources" in table else tomlkit.aot()
    for source in sources:
        found.append(source)
    if "sources" not in table:
        table.append("sources", found)


def _repository(url: Any, branch: Any = None) -> Table:
    """Return a former repository as a table."""
    table = tomlkit.table()
    table.add("url", url)
    if branch is not None:
        table.add("branch", branch)
    return table


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _in_place_of(old: Item, value: Any) -> Item:
    """Return a new value with the comment of the old one."""
    new: Item = tomlkit.item(value)
    new.trivia.comment_ws, new.trivia.comment = old.trivia.comment_ws, old.trivia.comment
    return new
