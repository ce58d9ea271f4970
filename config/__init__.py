"""The configuration: loading, validation, overrides, and removal of secrets for display."""

from config.errors import ConfigError
from config.load import Config, load

__all__ = ["Config", "ConfigError", "load"]
