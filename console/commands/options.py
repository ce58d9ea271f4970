"""Options of several commands, in the form of doit's ``cmd_options``."""

from __future__ import annotations

from tasks.command_option import option

OPT_JSON = option("as_json", "print JSON", bool, long="json")
OPT_MODE = option(
    "mode",
    "search by meaning (vector), by words (lexical) or by both (hybrid)",
    default="hybrid",
    choices=(("hybrid", "both"), ("vector", "by meaning"), ("lexical", "by words; needs no model")),
)
