"""The server over standard input and output. It reads only as fast as it answers and as the client reads."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import AsyncIterator
from typing import Any, cast

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server

from serving.server import Dispatcher


class _LimitedInput:
    """Lines of standard input. Each is read when the dispatcher has room for another question.

    The library starts a task for each line immediately. Without this limit, memory would hold all questions and answers
    of a client that sends ten thousand questions at once.
    """

    def __init__(self, lines: anyio.AsyncFile[str], dispatcher: Dispatcher) -> None:
        self._lines = lines
        self._dispatcher = dispatcher

    async def __aiter__(self) -> AsyncIterator[str]:
        async for line in self._lines:
            await self._dispatcher.has_room()
            yield line


class _LimitedOutput:
    """Standard output. While the client does not read, the server accepts no further question."""

    def __init__(self, lines: anyio.AsyncFile[str], dispatcher: Dispatcher) -> None:
        self._lines = lines
        self._dispatcher = dispatcher

    async def write(self, text: str) -> None:
        self._dispatcher.writing = True
        await self._lines.write(text)

    async def flush(self) -> None:
        await self._lines.flush()
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
    ends = cast(Any, _LimitedInput(reading, dispatcher)), cast(Any, _LimitedOutput(writing, dispatcher))
    async with stdio_server(*ends) as (incoming, outgoing):
        low_level = server._lowlevel_server  # no public method runs a server over given streams
        await low_level.run(incoming, outgoing, low_level.create_initialization_options())
