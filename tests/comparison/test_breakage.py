"""The kinds and rules of breakages, compared with griffe's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import griffe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparison.breakage import BreakageKind, of_classes, of_functions
from comparison.records import Argument, Class, Function

KINDS = {
    "positional-only": "positional_only",
    "positional or keyword": "positional_or_keyword",
    "variadic positional": "variadic",
    "keyword-only": "keyword_only",
    "variadic keyword": "variadic_keyword",
}
STARS = {"variadic": "*", "variadic_keyword": "**"}


def module(code: str) -> griffe.Module:
    return griffe.visit("made", filepath=None, code=code)  # type: ignore[arg-type]


def record(code: str) -> Function:
    """Return a function in the form of a data set."""
    found: Any = module(code)["f"]
    arguments = []
    for parameter in found.parameters:
        kind = KINDS[parameter.kind.value]
        default = None if kind in STARS or parameter.default is None else str(parameter.default)
        annotation = None if parameter.annotation is None else str(parameter.annotation)
        arguments.append(Argument(STARS.get(kind, "") + parameter.name, kind, annotation, default))
    returned = None if found.returns is None else str(found.returns)
    return Function("f", "made.f", arguments, return_type=returned)


def griffes(old: str, new: str) -> list[tuple[str, str]]:
    found = []
    for breakage in griffe.find_breaking_changes(module(old), module(new)):
        value: Any = breakage.new_value if breakage.old_value is None else breakage.old_value
        is_parameter = "arameter" in breakage.kind.value
        found.append((breakage.kind.value, value.name if is_parameter else ""))
    return sorted(found)


def ours(old: str, new: str) -> list[tuple[str, str]]:
    return sorted((found.kind.value, found.name.lstrip("*")) for found in of_functions(record(old), record(new)))


@st.composite
def functions(draw: st.DrawFn) -> str:
    """Return the code of a function with a few parameters of any kind."""
    names = draw(st.permutations(["a", "b", "c", "d"]))[: draw(st.integers(0, 4))]
    cuts = sorted(draw(st.tuples(*[st.integers(0, len(names))] * 2)))
    groups = [names[start:end] for start, end in pairwise([0, *cuts, len(names)])]
    parts: list[str] = []
    has_default = False
    for index, group in enumerate(groups):
        for name in group:
            has_default = draw(st.booleans()) or (has_default and index < 2)
            parts.append(f"{name}={draw(st.integers(1, 2))}" if has_default else name)
        if index == 0 and group:
            parts.append("/")
        if index == 1:
            variadic = draw(st.booleans())
            if variadic or groups[2]:
                parts.append("*args" if variadic else "*")
    if draw(st.booleans()):
        parts.append("**kwargs")
    return f"def f({', '.join(parts)}){draw(st.sampled_from(['', ' -> int', ' -> str']))}: ..."


@settings(max_examples=400, deadline=None)
@given(functions(), functions())
def test_breakages_of_random_signatures_equal_griffes(old: str, new: str) -> None:
    assert ours(old, new) == griffes(old, new), f"{old}\n{new}"


def test_the_kinds_equal_griffes() -> None:
    theirs = {kind.name: kind.value for kind in griffe.BreakageKind}
    # griffe is about to drop this rule, and callers cannot rely on a value.
    theirs.pop("ATTRIBUTE_CHANGED_VALUE", None)
    assert {kind.name: kind.value for kind in BreakageKind} == theirs


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        ("def f(a): ...", "def f(a, b): ...", ["PARAMETER_ADDED_REQUIRED"]),
        ("def f(a, b): ...", "def f(b, a): ...", ["PARAMETER_MOVED", "PARAMETER_MOVED"]),
        ("def f(a=1): ...", "def f(a): ...", ["PARAMETER_CHANGED_REQUIRED"]),
        ("def f(a, b): ...", "def f(a, *, b): ...", ["PARAMETER_CHANGED_KIND"]),
        ("def f(a, b): ...", "def f(a, *args, **kwargs): ...", []),
        ("def f(a) -> None: ...", "def f(a): ...", []),
        ("def f(a) -> int: ...", "def f(a): ...", ["RETURN_CHANGED_TYPE"]),
        ("def f(a: int): ...", "def f(a: str, b=1): ...", []),
    ],
)
def test_known_changes_of_a_signature(old: str, new: str, kinds: list[str]) -> None:
    assert [found.kind.name for found in of_functions(record(old), record(new))] == kinds


def test_a_removed_base_class_is_named() -> None:
    found = of_classes(Class("A", "m.A", ["m.B", "m.C"]), Class("A", "m.A", ["m.B"]))
    assert [(one.kind, one.name) for one in found] == [(BreakageKind.CLASS_REMOVED_BASE, "m.C")]
    assert of_classes(Class("A", "m.A", ["m.B"]), Class("A", "m.A", ["m.C"])) == []
