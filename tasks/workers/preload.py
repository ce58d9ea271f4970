"""Imported once by the fork server: loads the vocabulary that most configurations count tokens with."""

from __future__ import annotations

from stages.retrieval import tokens

tokens.count("", "cl100k_base")
