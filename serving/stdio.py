"""The server over standard input and output. It reads only as fast as it answers and as the client reads."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any, cast

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server

from serving.server import Dispatcher

# The longest wait for the last answers after the client has closed standard input.
_LAST_ANSWERS_SECONDS = 30


class _OpenRequests:
    """The ids of the requests without an answer."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._all_answered = anyio.Event()

    def received(self, line: str) -> None:
        """Take note of a line from the client."""
        message = _json_object(line)
        if "method" in message and "id" in message:
            self._ids.add(json.dumps(message["id"]))
        elif message.get("method") == "notifications/cancelled" and isinstance(message.get("params"), dict):
            self._remove(message["params"].get("requestId"))

    def sent(self, line: str) -> None:
        """Take note of a line to the client."""
        message = _json_object(line)
        if "method" not in message:
            self._remove(message.get("id"))

    def _remove(self, identifier: Any) -> None:
        self._ids.discard(json.dumps(identifier))
        if not self._ids:
            self._all_answered.set()

    async def wait(self) -> None:
        """Wait until all requests are answered. No further request may come."""
        if self._ids:
            self._all_answered = anyio.Event()
            await self._all_answered.wait()


def _json_object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # the library answers with an error
        return {}
    return found if isinstance(found, dict) else {}


class _LimitedInput:
    """Lines of standard input. Each is read when the dispatcher has room for another question.

    The library starts a task for each line immediately. Without this limit, memory would hold all questions and answers
    of a client that sends ten thousand questions at once. When the lines end, the library drops the requests that it
    has not answered yet, so the end is passed on after the last answer.
    """

    def __init__(self, lines: anyio.AsyncFile[str], dispatcher: Dispatcher, requests: _OpenRequests) -> None:
        self._lines = lines
        self._dispatcher = dispatcher
        self._requests = requests

    async def __aiter__(self) -> AsyncIterator[str]:
        async for line in self._lines:
            await self._dispatcher.has_room()
            self._requests.received(line)
            yield line
        with anyio.move_on_after(_LAST_ANSWERS_SECONDS):
            await self._requests.wait()


class _LimitedOutput:
    """Standard output. While the client does not read, the server accepts no further question."""

    def __init__(self, lines: anyio.AsyncFile[str], dispatcher: Dispatcher, requests: _OpenRequests) -> None:
        self._lines = lines
        self._dispatcher = dispatcher
        self._requests = requests
        self._last = ""

    async def write(self, text: str) -> None:
        self._dispatcher.writing = True
        self._last = text
        await self._lines.write(text)

    async def flush(self) -> None:
        await self._lines.flush()
        self._requests.sent(self._last)
        self._dispatcher.writing = False
        self._dispatcher.notify()


def serve(server: MCPServer, dispatcher: Dispatcher) -> None:
    """Serve until standard input ends.

    Meanwhile all printed text goes to standard error, because standard output carries the protocol.
    """
    sys.stdout.flush()
    wire = os.dup(1)
    os.dup2(2, 1)
    try:
        anyio.run(_serve, server, dispatcher, wire)
    finally:
        os.dup2(wire, 1)
        os.close(wire)


async def _serve(server: MCPServer, dispatcher: Dispatcher, wire: int) -> None:
    # Invalid UTF-8 becomes a message that is not JSON, which is answered with an error.
    reading = anyio.wrap_file(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace"))
    writing = anyio.wrap_file(open(wire, "w", encoding="utf-8", closefd=False))  # noqa: SIM115  the descriptor is `serve`'s
    requests = _OpenRequests()
    ends = (
        cast(Any, _LimitedInput(reading, dispatcher, requests)),
        cast(Any, _LimitedOutput(writing, dispatcher, requests)),
    )
    async with stdio_server(*ends) as (incoming, outgoing):
        low_level = server._lowlevel_server  # no public method runs a server over given streams
        await low_level.run(incoming, outgoing, low_level.create_initialization_options())
