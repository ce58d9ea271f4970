"""The evaluation of strings: its cost depends only on the size of the file."""

from __future__ import annotations

import ast

import pytest

from stages.setting_scan import calls, strings
from stages.setting_scan.scopes import Bindings


def steps_of(text: str) -> tuple[int, int]:
    """Return the number of steps for a file, and its number of nodes."""
    tree = ast.parse(text)
    names = Bindings()
    names.collect(tree)
    uses = calls._Uses("a.py", names)
    uses.records()
    return uses.strings.steps, sum(1 for _ in ast.walk(tree))


HOSTILE = {
    "a string that grows": "s = get_settings()\ndef f(rows):\n    html = ''\n"
    + "".join(f"    html = html + '<tr>{number}' + str(rows)\n" for number in range(60)),
    "a name that goes round": "s = get_settings()\ndef f(self, node):\n"
    + "    node = node.parent; self.parent = node; node.get('a')\n" * 60,
    "a string that doubles": "s = get_settings()\nx = '/exts/a/b'\n" + "x = x + x\ns.get(x)\n" * 60,
    "a choice of choices": "s = get_settings()\nx = '/exts/a/b'\n" + "x = (x if s else x) or x\ns.get(x)\n" * 60,
    "functions that call one another": "s = get_settings()\n"
    + "".join(f"def f{n}():\n    return f{(n + 1) % 20}() + f{(n + 2) % 20}()\n" for n in range(20))
    + "s.get(f0())\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_step_limit_grows_with_the_nodes(text: str) -> None:
    steps, nodes = steps_of(text)
    assert steps < 2 * (strings.MAX_DEPTH + 1) * nodes * strings.MAX_VALUES
    assert steps < strings.MAX_STEPS


def test_a_file_above_the_limit_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strings, "MAX_STEPS", 10)
    warned: list[str] = []
    text = HOSTILE["a string that grows"] + "s.get('/exts/a/b')\n"
    calls.python_uses(ast.parse(text), file="a.py", source=text, warn=warned.append)
    assert len(warned) == 1
    assert "more than 10 steps" in warned[0]
