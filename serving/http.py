"""The HTTP server: its addresses, and access control."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stages.failures import StageError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/mcp"
TOKEN_VARIABLE = "KIT_SERVE_TOKEN"  # noqa: S105  the name of a variable
MOST_WAITING = 64
_LEAST_TOKEN = 16


def address_of(text: str) -> tuple[str, int]:
    """Return host and port of ``127.0.0.1:8765`` or ``[::1]:8765``.

    Raises:
        StageError: It is no such address.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
        if not host or port is None or parts.path or parts.query or parts.username is not None:
            raise ValueError
    except ValueError as error:
        raise StageError(f'--http: "{text}" is no address and port. Example: --http 127.0.0.1:8765') from error
    return host, port


def is_loopback(host: str) -> bool:
    """Return True if only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(host: str, token: str) -> None:
    """Refuse an address that other machines could reach without a token.

    Args:
        host: Where the server is to listen.
        token: The token that clients must send; empty for none.

    Raises:
        StageError: The address is not this machine's alone and there is no token, or it can be guessed.
    """
    if not token and not is_loopback(host):
        raise StageError(
            f"--http: {host} can be reached from other machines. Set the environment variable {TOKEN_VARIABLE} to a "
            "token that clients send as Authorization: Bearer …, or use 127.0.0.1."
        )
    if token and len(token) < _LEAST_TOKEN:
        raise StageError(
            f"{TOKEN_VARIABLE}: the token has {len(token)} characters; at least {_LEAST_TOKEN} are needed."
        )


class TokenRequired:
    """ASGI middleware that answers 401 to whoever does not send the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Wrap an application."""
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if hmac.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b"A token is required: Authorization: Bearer ...\n"})


class _Patient:
    """ASGI middleware that limits concurrent requests. The others wait in their connections."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._seats: asyncio.Semaphore | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        self._seats = self._seats or asyncio.Semaphore(self._most)
        async with self._seats:
            await self._app(scope, receive, send)


def serve(server: MCPServer, host: str, port: int, token: str, ready: Callable[[str], None]) -> None:
    """Serve until the process is stopped.

    Each request stands alone: no state is kept for a client between two of them.

    Args:
        server: The MCP server.
        host: Where to listen.
        port: Where to listen; 0 for any that is free.
        token: The token that clients must send; empty for none.
        ready: Called with the address when the server accepts connections.

    Raises:
        StageError: The address cannot be listened on.
    """
    import uvicorn

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise StageError(f"--http: cannot listen on {host}:{port} ({error.strerror or error}).") from error
    app: ASGIApp = server.streamable_http_app(
        streamable_http_path=PATH, json_response=True, stateless_http=True, host=host
    )
    app = _Patient(app, MOST_WAITING)
    if token:
        app = TokenRequired(app, token)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # Longer than clients keep an idle connection: who sends on one that is being closed loses the question.
        timeout_keep_alive=75,
    )
    with listening:
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listening.getsockname()[1]}{PATH}")
        uvicorn.Server(config).run(sockets=[listening])
