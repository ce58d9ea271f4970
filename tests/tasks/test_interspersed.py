"""Options of doit's commands after, before and between the arguments."""

from __future__ import annotations

from typing import Any

import pytest
from doit.cmd_base import Command
from doit.cmdparse import CmdParseError

from tasks.interspersed import InterspersedOptions


class Show(InterspersedOptions, Command):  # type: ignore[misc]
    name = "show"
    cmd_options = (
        {"name": "loud", "short": "l", "long": "loud", "type": bool, "default": False, "inverse": "quiet"},
        {"name": "start", "short": "s", "long": "start", "type": str, "default": "first"},
    )

    def execute(self, params: Any, args: list[str]) -> int:
        self.seen = params["loud"], params["start"], args
        return 0


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (["a", "b"], (False, "first", ["a", "b"])),
        (["a", "--loud", "b"], (True, "first", ["a", "b"])),
        (["a", "--start", "x", "b", "-l"], (True, "x", ["a", "b"])),
        (["a", "--start=x"], (False, "x", ["a"])),
        (["a", "-sx", "-l"], (True, "x", ["a"])),
        (["a", "--start", "", "b"], (False, "", ["a", "b"])),
        (["-s", "", "b"], (False, "", ["b"])),
        (["-l", "a", "--quiet"], (False, "first", ["a"])),
        (["a", "--", "--loud"], (False, "first", ["a", "--loud"])),
        (["--", "-l", "b"], (False, "first", ["-l", "b"])),
    ],
)
def test_options_are_read_in_any_position(words: list[str], seen: tuple[bool, str, list[str]]) -> None:
    command = Show()
    assert command.parse_execute(words) == 0
    assert command.seen == seen


@pytest.mark.parametrize("words", [["a", "--nothing"], ["--nothing", "a"], ["a", "-x"], ["a", "--start"]])
def test_a_wrong_option_is_an_error_in_any_position(words: list[str]) -> None:
    with pytest.raises(CmdParseError, match=r"^option -\S+ .*; doit help show shows the options\.$"):
        Show().parse_execute(words)
