"""The error class of the configuration."""

from __future__ import annotations


class ConfigError(Exception):
    """The configuration cannot be used. The message is one line: the place, the problem and the remedy.

    For a file of the former pipeline, the message has one more line per former key.
    """
