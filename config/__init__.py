"""The configuration: loading, validation, overrides and the values that may be shown."""

from config.errors import ConfigError
from config.load import Config, load

__all__ = ["Config", "ConfigError", "load"]
