"""Options of doit's commands, as doit reads them."""

from __future__ import annotations

import pytest
from doit.cmdparse import CmdOption, CmdParse

from tasks.command_option import option

OPTIONS = (
    option("dry_run", "do nothing", bool, "n"),
    option("names", "a name", list, long="name"),
    option("mode", "how", choices=(("fast", ""), ("", ""))),
    option("k", "how many", int, "k", long="", default=3),
)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ([], (False, [], "", 3)),
        (["--dry-run", "--name", "a", "--name=b", "--mode", "fast", "-k", "7"], (True, ["a", "b"], "fast", 7)),
        (["-n"], (True, [], "", 3)),
    ],
)
def test_doit_reads_it(words: list[str], values: tuple[object, ...]) -> None:
    parsed, _ = CmdParse([CmdOption(each) for each in OPTIONS]).parse(words)
    assert tuple(parsed[name] for name in ("dry_run", "names", "mode", "k")) == values
