"""The HTTP server: address, access control and concurrency limit."""

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
        StageError: The text is not an address with a port.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
        if not host or port is None or parts.path or parts.query or parts.username is not None:
            raise ValueError
    except ValueError as error:
        raise StageError(f'--http: "{text}" is not an address with a port. Example: --http 127.0.0.1:8765') from error
    return host, port


def is_loopback(host: str) -> bool:
    """Return True if an address is reachable only from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(host: str, token: str) -> None:
    """Refuse an address that is reachable from other machines unless clients must send a token.

    Args:
        host: The host to listen on.
        token: The token that clients must send; empty for none.

    Raises:
        StageError: Other machines can reach the address and there is no token, or the token is too short.
    """
    if not token and not is_loopback(host):
        raise StageError(
            f"--http: other machines can reach {host}. Set the environment variable {TOKEN_VARIABLE} to a token that "
            "clients must send (Authorization: Bearer …), or use 127.0.0.1."
        )
    if token and len(token) < _LEAST_TOKEN:
        raise StageError(
            f"{TOKEN_VARIABLE}: the token has {len(token)} characters; at least {_LEAST_TOKEN} are required."
        )


class TokenRequired:
    """ASGI middleware that answers requests without the token with status 401."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Wrap an application."""
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, or refuse it."""
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


class _Limited:
    """ASGI middleware that limits concurrent requests. Other requests wait in their connections."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._slots: asyncio.Semaphore | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        self._slots = self._slots or asyncio.Semaphore(self._most)
        async with self._slots:
            await self._app(scope, receive, send)


def serve(server: MCPServer, host: str, port: int, token: str, ready: Callable[[str], None]) -> None:
    """Serve until the process is stopped.

    The server is stateless: it keeps nothing about a client between two requests.

    Args:
        server: The MCP server.
        host: The host to listen on.
        port: The port to listen on; 0 for any free port.
        token: The token that clients must send; empty for none.
        ready: Called with the address when the server accepts connections.

    Raises:
        StageError: The server cannot listen on the address.
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
    app = _Limited(app, MOST_WAITING)
    if token:
        app = TokenRequired(app, token)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # Longer than clients keep an idle connection. A request on a closing connection would be lost.
        timeout_keep_alive=75,
    )
    with listening:
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listening.getsockname()[1]}{PATH}")
        uvicorn.Server(config).run(sockets=[listening])
