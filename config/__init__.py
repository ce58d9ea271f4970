"""The configuration: loading, validation, overrides and the values that may be shown."""

from config.loading import Config, ConfigError, load

__all__ = ["Config", "ConfigError", "load"]
