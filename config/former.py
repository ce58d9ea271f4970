"""The keys of the former data-collection pipeline, and their replacements.

The former pipeline is that of NVIDIA's kit-usd-agents: ``data_collection_pipeline.py`` and a ``pipeline_config.toml``
with the same sections. It embedded only with NVIDIA's service, and built every repository that it cloned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Keys of the former [[input.repo]]. exts_path was a folder of the build. has_version has no replacement.
REPO_KEYS = ("url", "branch", "exts_path", "has_version", "app_template_path")
# Key → its replacement, as the rest of a sentence.
FORMER_KEYS: dict[str, str] = {
    "input.repo": 'now one [[input.sources]] table per repository, with kind = "git"; the build now runs only if '
    "build_command names it",
    "input.repo_url": 'now url of an [[input.sources]] table with kind = "git"',
    "input.branch": 'now branch of an [[input.sources]] table with kind = "git"',
    "input.kit_cache_path": 'now path of an [[input.sources]] table with kind = "path"',
    "input.exts_path": 'now path of an [[input.sources]] table with kind = "path"',
    "input.exts_paths": 'now one [[input.sources]] table per folder, with kind = "path" and path',
    "input.app_template_path": "now app_template_path of the [[input.sources]] table whose folder holds the templates",
    "embeddings.nvidia_api_key": 'now embeddings.api_key, with backend = "openai"',
    "faiss": "no longer read: only embeddings.hnsw_above affects the index",
}


def former_keys(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the former keys of a document with their replacements; empty if there are none."""
    return list(_found(document))


def replacement_of(key: str) -> str:
    """Return the replacement of a former key, given in full or by its last part; empty if it is not a former key."""
    for former, now in FORMER_KEYS.items():
        if key and key in (former, former.partition(".")[2]):
            return now
    return ""


def _found(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for section, table in document.items():
        if section in FORMER_KEYS:
            keys = list(table) if isinstance(table, Mapping) else []
            yield from ((f"{section}.{key}", FORMER_KEYS[section]) for key in keys)
            if not keys:
                yield section, FORMER_KEYS[section]
        elif isinstance(table, Mapping):
            yield from (
                (f"{section}.{key}", FORMER_KEYS[f"{section}.{key}"])
                for key in table
                if f"{section}.{key}" in FORMER_KEYS
            )
