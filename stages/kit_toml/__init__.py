"""Kit's dialect of TOML: ``extension.toml`` and ``.kit`` files."""

from stages.kit_toml.combine import Statement, combine
from stages.kit_toml.document import loads, parse, parse_lenient
from stages.kit_toml.filters import DEFAULT_CONFIG, DEFAULT_PLATFORM, matches_target
from stages.kit_toml.lexer import MAX_BYTES, MAX_ERRORS
from stages.kit_toml.model import Document, KitTomlError, Leaf

__all__ = [
    "DEFAULT_CONFIG",
    "DEFAULT_PLATFORM",
    "MAX_BYTES",
    "MAX_ERRORS",
    "Document",
    "KitTomlError",
    "Leaf",
    "Statement",
    "combine",
    "loads",
    "matches_target",
    "parse",
    "parse_lenient",
]
