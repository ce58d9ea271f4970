"""The evaluation resolves known values, ends on every input, and calls the given functions."""

from __future__ import annotations

import pytest

from stages.sources.lua import LONGEST, UNKNOWN, Builtin, Evaluation, Table, Value, is_known


def seen(code: str, names: dict[str, Value] | None = None) -> list[Value]:
    """Return the first argument of each call of ``see``."""
    found: list[Value] = []

    def see(arguments: list[Value]) -> Value:
        found.append(arguments[0] if arguments else None)
        return None

    def builtin(name: str) -> Builtin | None:
        return see if name == "see" else None

    Evaluation(names or {}, builtin).run(code.encode())
    return found


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("see('a')", "a"),
        ('see("a" .. "b" .. "c")', "abc"),
        ("local a = 'x' see(a)", "x"),
        ("local a, b = 'x', 'y' see(b)", "y"),
        ("t = {k = 'v'} see(t.k)", "v"),
        ("t = {'a', 'b'} see(t[2])", "b"),
        ("t = {} t.k = 'v' see(t['k'])", "v"),
        ("see(nothing or 'x')", "x"),
        ("see(given and 'x')", "x"),
        ("see((given))", "g"),
        ("see(string.format('%s/%s', 'a', given))", "a/g"),
        ("see(('a.b'):gsub('%.', '/'))", "a/b"),
        ("see(compute())", None),
        ("see('a' .. compute())", f"a{UNKNOWN}"),
        ("function f(x) see(x) end f('y')", "y"),
        ("see [[long]]", "long"),
    ],
)
def test_values(code: str, value: Value) -> None:
    assert seen(code, {"given": "g"}) == [value]


def test_all_branches_and_all_items_are_read() -> None:
    assert seen("if compute() then see('a') elseif x then see('b') else see('c') end") == ["a", "b", "c"]
    assert seen("for _, item in ipairs({'a', 'b'}) do see(item) end") == ["a", "b"]


def test_constant_fields_keep_their_values() -> None:
    names: dict[str, Value] = {"t": Table(fields={"a": "1", "b": "2"}, constant=frozenset({"a"}))}
    assert seen("t.a = 'x' t.b = 'y' see(t.a) see(t.b)", names) == ["1", "y"]


def test_the_work_is_bounded() -> None:
    # Two loops of 400 items each exceed the step limit: nothing after them is read.
    loops = "for _, a in ipairs(t) do for _, b in ipairs(t) do y = a .. b end end"
    assert seen(f"t = {{{'1,' * 400}}} see('before') {loops} see('after')") == ["before"]
    # A function that calls itself is followed a few calls deep.
    assert 0 < len(seen("function f() see('x') f() end f()")) < 100
    # A repeatedly doubled string soon becomes unknown, and so does a value that is nested too deeply.
    (doubled,) = seen("a = 'x'" + " a = a .. a" * 64 + " see(a)")
    assert isinstance(doubled, str)
    assert len(doubled) <= LONGEST
    assert not is_known(doubled)
    assert seen("see(" + "(" * 500 + "1" + ")" * 500 + ")") == [None]


def test_a_string_with_an_unknown_part_is_not_known() -> None:
    assert is_known("a/b")
    assert not is_known(f"a{UNKNOWN}")
