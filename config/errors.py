"""The one error of a configuration."""

from __future__ import annotations


class ConfigError(Exception):
    """The configuration cannot be used; the message is one line that says where, what and how to mend it.

    For a file of the former pipeline it is a line more for each of its keys.
    """
