"""Removal of secrets and credentials from a configuration."""

from __future__ import annotations

import re
from typing import Any

from config.schema import config_schema, known_keys, schema_property

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


# The userinfo of a URL: a login name for ssh, usually a token for http(s).
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")


def without_secrets(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a copy for reports. A literal secret becomes ``***``; ``${NAME}`` stays."""
    shown: dict[str, Any] = without_credentials(raw)
    for section, key in known_keys():
        if schema_property(config_schema(), section, key).get("writeOnly") and not only_variables(raw[section][key]):
            shown[section][key] = "***"
    return shown


def only_variables(text: str) -> bool:
    """Return True if a text consists only of ``${NAME}`` references."""
    return not VARIABLE.sub("", text)


def without_credentials(value: Any) -> Any:
    """Return a copy without passwords and tokens in addresses: ``https://me:pw@host`` → ``https://***@host``."""
    if isinstance(value, str):
        return _USERINFO.sub(lambda match: match[0] if _is_login_name(value, match[0][:-1]) else "***@", value)
    if isinstance(value, list):
        return [without_credentials(item) for item in value]
    if isinstance(value, dict):
        return {key: without_credentials(item) for key, item in value.items()}
    return value


def without_userinfo(address: str) -> str:
    """Return an address without its user, password and token."""
    return _USERINFO.sub("", address)


def _is_login_name(address: str, userinfo: str) -> bool:
    if only_variables(userinfo.replace(":", "")):
        return True
    return ":" not in userinfo and not address.lstrip().lower().startswith("http")
