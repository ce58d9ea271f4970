"""The server over standard input and output, reading no faster than it answers and is read."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import AsyncIterator
from typing import Any, cast

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server

from serving.server import Desk


class _Patient:
    """Lines of standard input, each read when there is room for a further question.

    The library starts a task for each line as soon as it has it. Without this, a client that asks ten thousand
    questions at once would have all of them in memory, and their answers.
    """

    def __init__(self, lines: anyio.AsyncFile[str], desk: Desk) -> None:
        self._lines = lines
        self._desk = desk

    async def __aiter__(self) -> AsyncIterator[str]:
        async for line in self._lines:
            await self._desk.has_room()
            yield line


class _Wire:
    """Standard output. While a client does not read it, the server accepts no further question."""

    def __init__(self, lines: anyio.AsyncFile[str], desk: Desk) -> None:
        self._lines = lines
        self._desk = desk

    async def write(self, text: str) -> None:
        self._desk.writing = True
        await self._lines.write(text)

    async def flush(self) -> None:
        await self._lines.flush()
        self._desk.writing = False
        self._desk.notify()


def serve(server: MCPServer, desk: Desk) -> None:
    """Serve until standard input ends.

    Meanwhile whatever is printed goes to standard error: standard output is the protocol's.
    """
    sys.stdout.flush()
    wire = os.dup(1)
    os.dup2(2, 1)
    try:
        anyio.run(_serve, server, desk, wire)
    finally:
        os.dup2(wire, 1)
        os.close(wire)


async def _serve(server: MCPServer, desk: Desk, wire: int) -> None:
    # Invalid UTF-8 becomes a message that is not JSON, which is answered with an error.
    reading = anyio.wrap_file(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace"))
    writing = anyio.wrap_file(open(wire, "w", encoding="utf-8", closefd=False))  # noqa: SIM115  the descriptor is `serve`'s
    ends = cast(Any, _Patient(reading, desk)), cast(Any, _Wire(writing, desk))
    async with stdio_server(*ends) as (incoming, outgoing):
        low_level = server._lowlevel_server  # there is no public way to run over streams of one's own
        await low_level.run(incoming, outgoing, low_level.create_initialization_options())
