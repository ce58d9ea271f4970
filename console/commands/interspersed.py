"""Commands whose options may follow their arguments."""

from __future__ import annotations

import contextlib
import getopt


class InterspersedOptions:
    """A mixin for doit's commands. doit itself stops reading options at the first argument."""

    def parse_execute(self, in_args: list[str]) -> int:
        """Parse and execute, with the options in any place."""
        parser = self.cmdparser  # type: ignore[attr-defined]
        with contextlib.suppress(getopt.GetoptError):  # doit reports the error
            options, words = getopt.gnu_getopt(in_args, parser.get_short(), parser.get_long())
            in_args = [word for option in options for word in option if word] + ["--", *words]
        return int(super().parse_execute(in_args))  # type: ignore[misc]
