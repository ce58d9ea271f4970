"""The digest of a stage's code."""

from __future__ import annotations

import importlib
import sys

import pytest

from tasks import code_state
from tasks.code_state import closure, code_digest
from tasks.stage_names import STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_the_closure_has_every_module_that_the_import_loads(stage: str) -> None:
    module = f"stages.{stage}"
    importlib.import_module(module)
    names = {
        value.__module__
        for value in vars(sys.modules[module]).values()
        if getattr(value, "__module__", "").startswith("stages.")
    }
    assert names <= closure(module)
    assert module in closure(module)


def test_imports_inside_functions_count() -> None:
    assert "stages.retrieval.tokens" in closure("stages.code_examples")
    assert "stages.retrieval.lexical" in closure("stages.faiss")


def test_stages_differ() -> None:
    assert len({code_digest(f"stages.{stage}") for stage in STAGES}) == len(STAGES)


def test_a_stage_does_not_depend_on_the_others() -> None:
    assert "stages.settings" not in closure("stages.extension_data")


def test_another_grammar_changes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_digest.__wrapped__("stages.extension_data")
    assert any(name.startswith("tree_sitter_python-") for name in code_state._grammars())
    monkeypatch.setattr(code_state, "_grammars", lambda: ("tree_sitter_python-9.9.dist-info",))
    assert code_digest.__wrapped__("stages.extension_data") != before
