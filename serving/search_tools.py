"""The tools that search a data set. They return Markdown of limited length.

A tool that the Kit MCP server of kit-usd-agents also has keeps its name and arguments, so that prompts for that server
work here too. Additional arguments have a default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from serving.arguments import MOST_RESULTS, name_of, names_of, query_of, tokens_of, within
from serving.budget import DEFAULT_TOKENS, fitted
from serving.catalogue import SEARCHED, Catalogue, NotFound, Predicate
from serving.rendering import NO_NODES, NO_TEMPLATES, example_part, extension_line, node_part, setting_line
from stages.retrieval.filters import Facets
from stages.retrieval.search import Hit


def search_kit_extensions(
    catalogue: Catalogue,
    query: str,
    *,
    top_k: int = 10,
    category: str = "",
    prefix: str = "",
    max_tokens: int = DEFAULT_TOKENS,
) -> str:
    """Find extensions of Kit by purpose: "viewport camera", "undo and redo".

    Returns ids, versions, descriptions, dependencies and the size of the API, best first.
    """
    hits = _hits(catalogue, "extensions", query, top_k, category=category, prefix=prefix)
    return _found(catalogue, hits, f"extensions of Kit {catalogue.kit_version}", max_tokens)


def search_kit_code_examples(
    catalogue: Catalogue,
    query: str,
    *,
    top_k: int = 10,
    extension: str = "",
    category: str = "",
    prefix: str = "",
    max_tokens: int = DEFAULT_TOKENS,
) -> str:
    """Find code for a task in the sources of extensions: "open a usd stage".

    Returns whole functions with their file and line.
    """
    hits = _hits(catalogue, "code_examples", query, top_k, extension=extension, category=category, prefix=prefix)
    return _found(catalogue, hits, "code examples", max_tokens)


def search_kit_test_examples(
    catalogue: Catalogue, query: str, *, top_k: int = 10, extension: str = "", max_tokens: int = DEFAULT_TOKENS
) -> str:
    """Find test code: "test that a window opens"."""
    try:
        hits = _hits(catalogue, "code_examples", query, top_k, extension=extension, only=_is_of_tests)
    except NotFound:
        if extension:
            raise
        hits = []
    if not hits:
        return (
            "This data set has no matching test examples. To collect tests, set "
            'processing.code_examples_scan_mode to "tests" or "all".'
        )
    return _found(catalogue, hits, "test examples", max_tokens)


def _is_of_tests(facets: Facets) -> bool:
    return any(part in {"test", "tests"} or part.startswith("test_") for part in facets.name.split("."))


def search_kit_settings(
    catalogue: Catalogue,
    query: str,
    *,
    top_k: int = 20,
    prefix_filter: str | None = None,
    type_filter: str | None = None,
    extension: str = "",
    max_tokens: int = DEFAULT_TOKENS,
) -> str:
    """Find settings by name or purpose, with type, default and extensions: "async rendering"."""
    wanted = (type_filter or "").strip().lower()

    def is_of_type(facets: Facets) -> bool:
        setting = catalogue.settings.get(facets.name)
        return setting is not None and setting.type == wanted

    prefix = name_of(prefix_filter or "", "prefix_filter")
    only = is_of_type if wanted else None
    hits = _hits(catalogue, "settings", query, top_k, extension=extension, prefix=prefix, only=only)
    if not hits and wanted:
        types = sorted({setting.type for setting in catalogue.settings.values()})
        return f'No matching setting has the type "{wanted}". Types: {", ".join(types)}.'
    return _found(catalogue, hits, "settings", max_tokens)


def search_kit_nodes(
    catalogue: Catalogue,
    query: str,
    *,
    top_k: int = 10,
    extension: str = "",
    category: str = "",
    max_tokens: int = DEFAULT_TOKENS,
) -> str:
    """Find OmniGraph nodes by purpose, with their ports: "multiply two matrices"."""
    if not catalogue.nodes:
        return NO_NODES
    wanted = category.strip().lower()

    def is_of_category(facets: Facets) -> bool:
        node = catalogue.nodes.get(facets.name)
        return node is not None and any(wanted in one.lower() for one in node.categories)

    hits = _hits(catalogue, "nodes", query, top_k, extension=extension, only=is_of_category if wanted else None)
    return _found(catalogue, hits, "nodes", max_tokens)


def search_kit_knowledge(catalogue: Catalogue, query: str, *, top_k: int = 5, max_tokens: int = DEFAULT_TOKENS) -> str:
    """Search extensions, code, settings and nodes together, for a question that no other tool covers."""
    hits: list[Hit] = []
    for kind in SEARCHED:
        try:
            hits += _hits(catalogue, kind, query, top_k)
        except NotFound:
            continue
    best = sorted(hits, key=lambda hit: (-hit.score, hit.kind, hit.id))[:top_k]
    return _found(catalogue, best, "results", max_tokens)


def search_kit_app_templates(
    catalogue: Catalogue, query: str, *, top_k: int = 5, category_filter: str = "", max_tokens: int = DEFAULT_TOKENS
) -> str:
    """Find templates for a new app: "streaming viewer"."""
    plain = query_of(query)
    if not catalogue.templates:
        return NO_TEMPLATES
    wanted = category_filter.strip().lower()
    scored = [
        (template.score(plain), template)
        for template in catalogue.templates.values()
        if wanted in f"{template.id}\n{template.readme}".lower()
    ]
    best = sorted((item for item in scored if item[0] > 0), key=lambda item: (-item[0], item[1].id))
    parts = [
        f"## {template.id}\n{', '.join(template.kit_files)}\n{template.readme[:600].strip()}"
        for _, template in best[: within(top_k, 1, MOST_RESULTS, "top_k")]
    ]
    return _listed(parts, "app templates", max_tokens)


def _hits(
    catalogue: Catalogue,
    kind: str,
    query: str,
    top_k: int,
    *,
    extension: str = "",
    category: str = "",
    prefix: str = "",
    only: Predicate | None = None,
) -> list[Hit]:
    """Return the best hits of a kind, for the arguments of a tool. See `Catalogue.search`."""
    return catalogue.search(
        kind,
        query_of(query),
        k=within(top_k, 1, MOST_RESULTS, "top_k"),
        extensions=names_of(extension, "extension"),
        category=name_of(category, "category"),
        prefix=name_of(prefix, "prefix"),
        only=only,
    )


# Kind of documents → the text of a hit.
_PARTS: dict[str, Callable[[Catalogue, Hit], str]] = {
    "extensions": extension_line,
    "code_examples": lambda _, hit: example_part(hit),
    "settings": lambda catalogue, hit: setting_line(catalogue, hit.id),
    "nodes": lambda catalogue, hit: node_part(catalogue, hit.id, in_full=False),
}


def _found(catalogue: Catalogue, hits: Sequence[Hit], nouns: str, max_tokens: int) -> str:
    return _listed([_PARTS[hit.kind](catalogue, hit) for hit in hits], nouns, max_tokens)


def _listed(parts: Sequence[str], nouns: str, max_tokens: int) -> str:
    budget = tokens_of(max_tokens)
    if not parts:
        return f"No {nouns} were found."
    return fitted(f"{nouns[0].upper()}{nouns[1:]}, best first: {len(parts)}.", parts, budget)
