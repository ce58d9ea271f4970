"""The server as a process, and the SDK's client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, TextContent

from tests.project import ROOT, Project


def parameters(project: Project, *arguments: str) -> StdioServerParameters:
    command = project.command("doit", "serve", *arguments)
    return StdioServerParameters(command=command[0], args=command[1:], cwd=ROOT)


@contextlib.asynccontextmanager
async def client(project: Project, *arguments: str) -> AsyncIterator[Client]:
    """Start the server on its standard input and output and connect to it."""
    async with Client(parameters(project, *arguments), read_timeout_seconds=120) as connected:
        yield connected


Conversation = Callable[[Client], Awaitable[None]]


@contextlib.contextmanager
def one_server(project: Project, *arguments: str) -> Iterator[Callable[[Conversation], None]]:
    """Start a server, and yield a function that holds conversations with it, one after the other."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    connecting: asyncio.Future[Client] = loop.create_future()
    done = asyncio.Event()

    # The task that opened the connection must close it.
    async def keep() -> None:
        try:
            async with client(project, *arguments) as connected:
                connecting.set_result(connected)
                await done.wait()
        except BaseException as error:
            if connecting.done():
                raise
            connecting.set_exception(error)

    async def hold(conversation: Conversation) -> None:
        await conversation(await asyncio.shield(connecting))

    thread.start()
    kept = asyncio.run_coroutine_threadsafe(keep(), loop)
    try:
        yield lambda conversation: asyncio.run_coroutine_threadsafe(hold(conversation), loop).result(300)
        loop.call_soon_threadsafe(done.set)
        kept.result(120)
    finally:
        loop.call_soon_threadsafe(done.set)
        with contextlib.suppress(Exception):
            kept.result(120)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def ask(connected: Client, tool: str, **arguments: Any) -> str:
    """Return the answer to a question. It must not be an error."""
    result = await connected.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    return text_of(result)


async def error_of(connected: Client, tool: str, **arguments: Any) -> str:
    """Return the error for a question. It must be an error."""
    result = await connected.call_tool(tool, arguments)
    assert result.is_error, text_of(result)
    return text_of(result)


def text_of(result: CallToolResult) -> str:
    assert len(result.content) == 1
    content = result.content[0]
    assert isinstance(content, TextContent)
    return content.text


@contextlib.contextmanager
def http_server(project: Project, address: str = "127.0.0.1:0", **environ: str) -> Iterator[str]:
    """Start the server on HTTP and return its address."""
    process = subprocess.Popen(
        project.command("doit", "serve", "--http", address),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environ},
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("Serving http://"), line + process.stderr.read()
        yield line.split()[1]
    finally:
        process.terminate()
        printed, _ = process.communicate(timeout=120)
        assert printed == ""


def memory_of(parent: int, word: str = "serve") -> int:
    """Return the peak memory in KiB of the child process whose command contains a word."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = stat.read_text()
            command = (stat.parent / "cmdline").read_bytes().decode().split("\0")
            if int(text[text.rindex(")") :].split()[2]) == parent and word in command:
                status = (stat.parent / "status").read_text()
                return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    raise AssertionError("no such process")
