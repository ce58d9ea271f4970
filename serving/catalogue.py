"""One published state of a data set, loaded to answer questions."""

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

# Sizes of the caches: decoded APIs and examples by extension, and vectors by query.
_EXTENSIONS_KEPT = 16
_QUERIES_KEPT = 256


class NotFound(Exception):
    """The data set does not contain the requested item. The message names the closest existing items."""


class Symbol:
    """A class, function, variable, method or attribute of an extension's public API.

    Attributes:
        extension: The extension of the symbol.
        full_name: Its importable name.
        record: Its record in the data set.
        owner: The class that has the member; None for a symbol of a module.
    """

    def __init__(self, extension: str, full_name: str, record: Class | Member, owner: Class | None = None) -> None:
        self.extension = extension
        self.full_name = full_name
        self.record = record
        self.owner = owner


class Catalogue:
    """A data set with its search indexes and their embedding model.

    The constructor loads the indexes and the model. An extension's API is loaded on demand. Only one thread may use an
    instance at a time.

    It is one class because all answers share the loaded indexes and the model.
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
            mode: The search mode; ``lexical`` needs no model.
            options: The ``[embeddings]`` section of the configuration, for an index whose model is a service.
            api_key: The service's key.
            models: Loaded models by full name. Modified: newly loaded models are added.

        Raises:
            StageError: The folder does not contain a complete data set.
            SearchError: An index is incomplete, or its model cannot be used.
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
                except SearchError:  # a quick run builds no index, and not every data set has nodes
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

    # ---- search -----------------------------------------------------------------------------------------------------

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
            k: Maximum number of documents.
            extensions: Ids or patterns of extensions; all if empty.
            category: Search only extensions of this category; all if empty.
            prefix: Prefix of the name.
            only: An additional condition.

        Raises:
            NotFound: The data set has no index of that kind, or no document matches the filters.
            SearchError: The embedding model failed.
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
            raise NotFound(condition.no_match_message(index.facets))
        return numpy.array(rows, dtype=numpy.int64)

    def _of_category(self, category: str, among: tuple[str, ...]) -> tuple[str, ...]:
        wanted = category.strip().lower()
        known = {extension.category for extension in self.extensions.values() if extension.category}
        ids = [name for name, extension in self.extensions.items() if extension.category.lower() == wanted]
        if not ids:
            raise NotFound(f'No extension has the category "{category}". Categories: {", ".join(sorted(known))}.')
        if not among:
            return tuple(ids)
        condition = Filter(among)
        both = tuple(name for name in ids if condition.passes(Facets(name, (name,))))
        if not both:
            raise NotFound(f'None of {", ".join(among)} has the category "{category}".')
        return both

    # ---- lookup -----------------------------------------------------------------------------------------------------

    def extension(self, identifier: str) -> Extension:
        """Return an extension.

        Raises:
            NotFound: No extension has that id.
        """
        found = self.extensions.get(identifier)
        if found is None:
            raise NotFound(f'There is no extension "{identifier}"{_nearest(identifier, self.extensions)}.')
        return found

    def setting(self, path: str) -> tuple[str, Setting]:
        """Return a setting by its path. The leading ``/`` is optional.

        Raises:
            NotFound: No setting has that path.
        """
        for name in (path, f"/{path}"):
            if name in self.settings:
                return name, self.settings[name]
        raise NotFound(f'There is no setting "{path}"{_nearest(path, self.settings)}.')

    def node(self, name: str) -> tuple[str, Node]:
        """Return a node by its name, or by the last part of the name if it is unique.

        Raises:
            NotFound: No node has that name.
        """
        full_name = _full_name(name, self.nodes, ".", "node")
        return full_name, self.nodes[full_name]

    def template(self, name: str) -> Template:
        """Return an app template by its id, or by the last part of the id if it is unique.

        Raises:
            NotFound: No app template has that id.
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
        """Return the symbols that match a reference: one, or several with the same last parts.

        Args:
            reference: ``omni.ui@Window``, ``omni.ui@Window.frame``, or an importable name, ``omni.ui.Window``.

        Raises:
            NotFound: No symbol matches.
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
            raise NotFound(f'No extension has a module for "{name}". Write extension_id@symbol: omni.ui@Window.')
        last = {other.rpartition(".")[2]: other for other in known}
        close = [last[one] for one in difflib.get_close_matches(name.rpartition(".")[2], last, n=3)]
        hint = f"; did you mean {' or '.join(f'{extensions[0]}@{other}' for other in close)}" if close else ""
        raise NotFound(f'{extensions[0]} has no public symbol "{name}"{hint}.')

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
        """Return code examples of or with the symbol, each with its extension, shortest first."""
        own = [one for one in self._examples_of(symbol.extension) if _is_within(one.full_name, symbol.full_name)]
        used = []
        if isinstance(symbol.record, Class):
            used = [one for one in self._examples_of(symbol.extension) if symbol.full_name in one.class_usages]
        found = sorted({one.full_name: one for one in (*used, *own)}.values(), key=lambda one: len(one.source_code))
        return [(symbol.extension, one) for one in found[:most]]


def _full_name(name: str, known: Mapping[str, object], separator: str, noun: str) -> str:
    """Return the known full name for a full name or its last part.

    Raises:
        NotFound: No known name matches, or several do.
    """
    if name in known:
        return name
    found = [full_name for full_name in known if full_name.endswith(f"{separator}{name}")]
    if len(found) == 1:
        return found[0]
    hint = f"; it may be {' or '.join(found[:5])}" if found else _nearest(name, known)
    raise NotFound(f'There is no {noun} "{name}"{hint}.')


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean …`` with the closest known names; empty if no name is close."""
    found = difflib.get_close_matches(word, list(known), n=3)
    return f"; did you mean {' or '.join(found)}" if found else ""


def _is_within(name: str, outer: str) -> bool:
    return name == outer or name.startswith(f"{outer}.")
