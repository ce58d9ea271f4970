"""Kit's dialect of TOML: ``extension.toml`` and ``.kit`` files."""

from stages.kit_toml.combine import Given, combine
from stages.kit_toml.document import (
    DEFAULT_CONFIG,
    DEFAULT_PLATFORM,
    MAX_BYTES,
    MAX_ERRORS,
    Document,
    KitTomlError,
    Leaf,
    loads,
    matches_target,
    parse,
    salvage,
)

__all__ = [
    "DEFAULT_CONFIG",
    "DEFAULT_PLATFORM",
    "MAX_BYTES",
    "MAX_ERRORS",
    "Document",
    "Given",
    "KitTomlError",
    "Leaf",
    "combine",
    "loads",
    "matches_target",
    "parse",
    "salvage",
]
