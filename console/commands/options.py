"""Options that several commands have, in the form of doit's ``cmd_options``."""

from __future__ import annotations

from typing import Any

OPT_JSON: dict[str, Any] = {
    "name": "as_json",
    "short": "",
    "long": "json",
    "type": bool,
    "default": False,
    "help": "print JSON",
}
OPT_MODE: dict[str, Any] = {
    "name": "mode",
    "short": "",
    "long": "mode",
    "type": str,
    "default": "hybrid",
    "choices": (("hybrid", "both"), ("vector", "by meaning"), ("lexical", "by words; needs no model")),
    "help": "search by meaning (vector), by words (lexical) or by both (hybrid)",
}
