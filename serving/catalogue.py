"""One generation of a data set, loaded for answering."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from comparison.api import resolve_alias
from comparison.data_set import DataSet
from comparison.records import Api, Class, Example, Extension, Member, Node, Setting
from serving.templates import Template, templates_in
from stages.failures import StageError
from stages.retrieval import backends as embedding_backends
from stages.retrieval.filters import Facets, Filter
from stages.retrieval.search import Hit, Index, Mode, SearchError, find_index
from stages.retrieval.tokens import count

SEARCHED = ("extensions", "code_examples", "settings", "nodes")

Predicate = Callable[[Facets], bool]

# APIs and examples of so many extensions stay decoded, and so many sets of rows and vectors of queries are kept.
_EXTENSIONS_KEPT = 16
_QUERIES_KEPT = 256


class NotFound(Exception):
    """There is no such thing in the data set; the message names the nearest that there are."""


class Symbol:
    """A class, function, variable, method or attribute of an extension's public API.

    Attributes:
        extension: The extension it is of.
        full_name: Its importable name.
        record: Its record in the data set.
        owner: The class it is a member of; None if it is no member.
    """

    def __init__(self, extension: str, full_name: str, record: Class | Member, owner: Class | None = None) -> None:
        self.extension = extension
        self.full_name = full_name
        self.record = record
        self.owner = owner


class Catalogue:
    """A data set with its search indexes and the model that they were made with.

    The indexes and the model are loaded at once, an extension's API when it is asked for. It is used by one thread at a
    time.

    It is one class because every answer draws on the same loaded indexes and model.
    """

    def __init__(
        self,
        folder: Path,
        *,
        mode: Mode = "hybrid",
        options: dict[str, Any] | None = None,
        api_key: str | None = None,
        models: dict[str, Any] | None = None,
    ) -> None:
        """Load the data set.

        Args:
            folder: The data set's folder.
            mode: How is searched; ``lexical`` needs no model.
            options: The ``[embeddings]`` section of the configuration, for an index whose model is behind a service.
            api_key: The service's key.
            models: Models that are loaded already, by their full name; new ones are added.

        Raises:
            StageError: The folder holds no data set, or one that is not whole.
            SearchError: An index is not whole, or its model cannot be used.
        """
        self.data_set = DataSet(folder)
        self.mode: Mode = mode
        self._models = {} if models is None else models
        self._indexes: dict[str, Index] = {}
        self._used: dict[str, str] = {}
        try:
            for kind in SEARCHED:
                try:
                    found = find_index(folder, kind)
                except SearchError:  # a quick run builds none, and not every data set has nodes
                    continue
                self._indexes[kind] = index = Index(found, kind)
                self._used[kind] = index.model
                if mode != "lexical" and index.count and index.model not in self._models:
                    remote = options if index.metadata.get("backend") != "local" else None
                    try:
                        self._models[index.model] = index.backend(remote, api_key)
                    except StageError as error:
                        raise SearchError(str(error)) from error
        except BaseException:
            self.close()
            raise
        self._symbols_of = lru_cache(_EXTENSIONS_KEPT)(self._symbols)
        self._examples_of = lru_cache(_EXTENSIONS_KEPT)(self.data_set.examples)
        self._api_of = lru_cache(_EXTENSIONS_KEPT)(self.data_set.api)
        self._aliases_of = lru_cache(_EXTENSIONS_KEPT)(self.data_set.aliases)
        self._vector = lru_cache(_QUERIES_KEPT)(self._embedded)
        self._warm_up()

    def _warm_up(self) -> None:
        """Preload the data that the first answer needs."""
        count("")
        for kind, index in self._indexes.items():
            if self.mode != "lexical" and index.count and index.metadata.get("backend") == "local":
                self._vector(self._used[kind], "warm up")

    def close(self) -> None:
        """Close the files of the indexes."""
        for index in self._indexes.values():
            index.__exit__()
        self._indexes = {}

    @property
    def kit_version(self) -> str:
        """The full Kit version."""
        return self.data_set.kit_version

    @property
    def extensions(self) -> dict[str, Extension]:
        """All extensions by id."""
        return self.data_set.extensions

    @cached_property
    def settings(self) -> dict[str, Setting]:
        """All settings by path."""
        return self.data_set.settings()

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """All nodes by name; empty if the data set has none."""
        return self.data_set.nodes()

    @cached_property
    def templates(self) -> dict[str, Template]:
        """All app templates by id; empty if the data set has none."""
        return templates_in(self.data_set.folder / "app_templates")

    # ---- searching --------------------------------------------------------------------------------------------------

    def search(
        self,
        kind: str,
        query: str,
        *,
        k: int,
        extensions: Iterable[str] = (),
        category: str = "",
        prefix: str = "",
        only: Predicate | None = None,
    ) -> list[Hit]:
        """Return the best ``k`` documents of a kind.

        Args:
            kind: One of `SEARCHED`.
            query: Any text that is not blank.
            k: How many at most.
            extensions: Ids or patterns of extensions; all if empty.
            category: Of extensions of this category alone.
            prefix: How the name begins.
            only: A further condition.

        Raises:
            NotFound: The data set has no index of that kind, or the filters leave nothing to search in.
            SearchError: The model cannot be asked.
        """
        index = self._indexes.get(kind)
        if index is None:
            raise NotFound(f"This data set has no search index for {kind.replace('_', ' ')}.")
        chosen = tuple(extensions)
        if category:
            chosen = self._of_category(category, chosen)
        rows = self._rows(index, Filter(chosen, prefix), only)
        vector = None
        if self.mode != "lexical" and index.count:
            vector = self._vector(self._used[kind], query)
        return index.search(query, vector, k=k, mode=self.mode, rows=rows)

    def _embedded(self, model: str, query: str) -> Any:
        try:
            return embedding_backends.embed_query(self._models[model], query)
        except StageError as error:
            raise SearchError(str(error)) from error

    def _rows(self, index: Index, condition: Filter, only: Predicate | None) -> Any:
        if not condition and only is None:
            return None
        import numpy

        rows = [
            row
            for row, facets in enumerate(index.facets)
            if (not condition or condition.passes(facets)) and (only is None or only(facets))
        ]
        if not rows and condition:
            raise NotFound(condition.why_nothing(index.facets))
        return numpy.array(rows, dtype=numpy.int64)

    def _of_category(self, category: str, among: tuple[str, ...]) -> tuple[str, ...]:
        wanted = category.strip().lower()
        known = {extension.category for extension in self.extensions.values() if extension.category}
        ids = [name for name, extension in self.extensions.items() if extension.category.lower() == wanted]
        if not ids:
            raise NotFound(f'No extension is of the category "{category}". Categories: {", ".join(sorted(known))}.')
        if not among:
            return tuple(ids)
        condition = Filter(among)
        both = tuple(name for name in ids if condition.passes(Facets(name, (name,))))
        if not both:
            raise NotFound(f'None of {", ".join(among)} is of the category "{category}".')
        return both

    # ---- looking up -------------------------------------------------------------------------------------------------

    def extension(self, identifier: str) -> Extension:
        """Return an extension.

        Raises:
            NotFound: There is none of that id.
        """
        found = self.extensions.get(identifier)
        if found is None:
            raise NotFound(f'There is no extension "{identifier}"{_nearest(identifier, self.extensions)}.')
        return found

    def setting(self, path: str) -> tuple[str, Setting]:
        """Return a setting by its path; the ``/`` at its beginning may be left out.

        Raises:
            NotFound: There is none of that path.
        """
        for name in (path, f"/{path}"):
            if name in self.settings:
                return name, self.settings[name]
        raise NotFound(f'There is no setting "{path}"{_nearest(path, self.settings)}.')

    def node(self, name: str) -> tuple[str, Node]:
        """Return a node by its name, or by the last part of it if that is unique.

        Raises:
            NotFound: There is none of that name.
        """
        full_name = _full_name(name, self.nodes, ".", "node")
        return full_name, self.nodes[full_name]

    def template(self, name: str) -> Template:
        """Return an app template by its id, or by the last part of it if that is unique.

        Raises:
            NotFound: There is none of that id.
        """
        return self.templates[_full_name(name, self.templates, "/", "app template")]

    def api(self, extension: str) -> Api:
        """Return an extension's public API.

        Raises:
            NotFound: There is no such extension.
        """
        self.extension(extension)
        return self._api_of(extension)

    def symbols(self, reference: str) -> list[Symbol]:
        """Return the symbols that a reference may mean: one, or several that end alike.

        Args:
            reference: ``omni.ui@Window``, ``omni.ui@Window.frame``, or an importable name, ``omni.ui.Window``.

        Raises:
            NotFound: There is none.
        """
        owner, mark, name = reference.partition("@")
        name = (name if mark else owner).strip()
        if mark:
            self.extension(owner.strip())
        extensions = [owner.strip()] if mark else self.data_set.extensions_with(f"{name}.")
        known: list[str] = []
        for extension in extensions:
            there = self._symbols_of(extension)
            full_name = name if name in there else resolve_alias(name, self._aliases_of(extension))
            if full_name in there:
                return [there[full_name]]
            ending = [symbol for other, symbol in there.items() if other.endswith(f".{name}")]
            if ending:
                return ending
            known += there
        if not extensions:
            raise NotFound(f'"{name}" is in no extension\'s modules. Write it as extension_id@symbol: omni.ui@Window.')
        last = {other.rpartition(".")[2]: other for other in known}
        close = [last[one] for one in difflib.get_close_matches(name.rpartition(".")[2], last, n=3)]
        told = f"; did you mean {' or '.join(f'{extensions[0]}@{other}' for other in close)}" if close else ""
        raise NotFound(f'{extensions[0]} has no public symbol "{name}"{told}.')

    def _symbols(self, extension: str) -> dict[str, Symbol]:
        api = self._api_of(extension)
        found: dict[str, Symbol] = {}
        for class_ in api.classes.values():
            found.setdefault(class_.full_name, Symbol(extension, class_.full_name, class_))
            for name, member in class_.members.items():
                full_name = f"{class_.full_name}.{name}"
                found.setdefault(full_name, Symbol(extension, full_name, member, class_))
        for function in api.methods:
            found.setdefault(function.full_name, Symbol(extension, function.full_name, function))
        for variable in api.variables:
            found.setdefault(variable.full_name, Symbol(extension, variable.full_name, variable))
        return found

    def examples_with(self, symbol: Symbol, most: int = 3) -> list[tuple[str, Example]]:
        """Return code examples that are the symbol's own, or use the class; shortest first, with their extension."""
        own = [one for one in self._examples_of(symbol.extension) if _is_within(one.full_name, symbol.full_name)]
        used = []
        if isinstance(symbol.record, Class):
            used = [one for one in self._examples_of(symbol.extension) if symbol.full_name in one.class_usages]
        found = sorted({one.full_name: one for one in (*used, *own)}.values(), key=lambda one: len(one.source_code))
        return [(symbol.extension, one) for one in found[:most]]


def _full_name(name: str, known: Mapping[str, object], separator: str, noun: str) -> str:
    """Return the one of some names that is, or ends in, a name.

    Raises:
        NotFound: There is none, or several end in it.
    """
    if name in known:
        return name
    found = [full_name for full_name in known if full_name.endswith(f"{separator}{name}")]
    if len(found) == 1:
        return found[0]
    told = f"; it may be {' or '.join(found[:5])}" if found else _nearest(name, known)
    raise NotFound(f'There is no {noun} "{name}"{told}.')


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean …?`` without the mark, with the nearest of some names; empty if none is near."""
    found = difflib.get_close_matches(word, list(known), n=3)
    return f"; did you mean {' or '.join(found)}" if found else ""


def _is_within(name: str, outer: str) -> bool:
    return name == outer or name.startswith(f"{outer}.")
