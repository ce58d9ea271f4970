"""The digest of a stage's code."""

from __future__ import annotations

import importlib
import sys

import pytest

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


def test_imports_within_functions_count() -> None:
    assert "stages.retrieval.tokens" in closure("stages.code_examples")
    assert "stages.retrieval.lexical" in closure("stages.faiss")


def test_stages_differ() -> None:
    assert len({code_digest(f"stages.{stage}") for stage in STAGES}) == len(STAGES)


def test_a_stage_does_not_depend_on_the_others() -> None:
    assert "stages.settings" not in closure("stages.extension_data")
