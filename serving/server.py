"""The MCP server: tools and resources over the currently published data set.

One thread makes all answers, one after the other. Each takes milliseconds. New data sets are loaded between answers.
"""

from __future__ import annotations

import functools
import inspect
import json
import typing
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from serving import lookup_tools, search_tools
from serving.arguments import WrongArgument
from serving.catalogue import Catalogue, NotFound
from serving.current import Current
from serving.versions import Versions
from stages.failures import StageError
from stages.retrieval.search import SearchError

NAME = "kit-extensions"
TOOLS: tuple[Callable[..., str], ...] = (
    search_tools.search_kit_extensions,
    search_tools.search_kit_code_examples,
    search_tools.search_kit_test_examples,
    search_tools.search_kit_settings,
    search_tools.search_kit_nodes,
    search_tools.search_kit_app_templates,
    search_tools.search_kit_knowledge,
    lookup_tools.get_kit_extension_details,
    lookup_tools.get_kit_extension_dependencies,
    lookup_tools.get_kit_extension_apis,
    lookup_tools.get_kit_api_details,
    lookup_tools.get_kit_setting_details,
    lookup_tools.get_kit_node_details,
    lookup_tools.get_kit_app_template_details,
    lookup_tools.get_kit_instructions,
)
_SEVERAL = 'One, a list, or a comma-separated list: "{}".'
ARGUMENTS = {
    "query": "The search text: words, a name, or a part of a name.",
    "top_k": "Maximum number of results.",
    "max_tokens": "Maximum number of tokens of the answer. The answer states how much it omits.",
    "category": "Search only this category.",
    "extension": "Search only this extension: an id or a pattern (omni.ui*).",
    "prefix": "Prefix of the name: omni.kit.",
    "prefix_filter": "Prefix of the setting's path: exts, app, persistent, rtx, or a longer prefix.",
    "type_filter": "bool, int, float, string, array or object.",
    "category_filter": "A word that the template's name or readme must contain.",
    "extension_ids": f"{_SEVERAL.format('omni.ui, omni.kit.window.console')} If empty, the answer lists all.",
    "extension_id": "An extension's id: omni.ui.",
    "depth": "Depth of the tree, 1 to 10.",
    "include_optional": "True to include optional dependencies.",
    "api_references": f"{_SEVERAL.format('omni.ui@Window, omni.ui@Button')} Importable names work as well.",
    "setting_paths": _SEVERAL.format("/app/window/width, /rtx/rendermode"),
    "node_names": _SEVERAL.format("omni.graph.nodes.Add"),
    "template_ids": f"{_SEVERAL.format('kit_base_editor')} If empty, the answer lists all.",
    "instruction_sets": "data_set, or empty.",
    "old_version": 'A Kit version (106.5), or "previous": the data set that the last run replaced.',
    "new_version": "A Kit version (107.3); if empty, the newest.",
    "only_breaking": "True to show only changes that break callers.",
}
_READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_T = TypeVar("_T")


def make_server(dispatcher: Dispatcher, versions: Versions, *, version: str = "") -> MCPServer:
    """Return the server with its tools and resources.

    Args:
        dispatcher: Answers the questions.
        versions: The data sets to compare.
        version: The version of the program.
    """
    server: MCPServer = MCPServer(
        name=NAME,
        title="Extensions of NVIDIA Omniverse Kit",
        instructions=lookup_tools.GUIDE,
        version=version,
        log_level="WARNING",
        subscriptions=False,
        middleware=[dispatcher.track],
    )
    for tool in TOOLS:
        _add(server, tool, functools.partial(dispatcher.ask, tool))
    _add(server, versions.compare, functools.partial(dispatcher.compare, versions), name="compare_kit_versions")
    _add_resources(server, dispatcher)
    return server


class Dispatcher:
    """Answers questions one after the other, in a separate thread, so that the protocol is not blocked."""

    MOST_WAITING = 64
    """Most concurrent questions."""

    def __init__(self, current: Current) -> None:
        """Create a dispatcher with an empty queue.

        Args:
            current: The data set to answer from.
        """
        self._current = current
        self._one = anyio.CapacityLimiter(1)
        # A comparison of two Kit versions takes seconds and reads other files. Other questions do not wait for it.
        self._one_comparison = anyio.CapacityLimiter(1)
        self._waiting = 0
        self._changed = anyio.Event()
        self.writing = False

    async def has_room(self) -> None:
        """Wait until fewer than `MOST_WAITING` questions wait, and no answer is being written."""
        while self._waiting >= self.MOST_WAITING or self.writing:
            await self._changed.wait()

    def notify(self) -> None:
        """Wake the tasks that wait in `has_room`."""
        self._changed.set()
        self._changed = anyio.Event()

    async def track(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Count a message as waiting until its answer is ready (a middleware of the server)."""
        self._waiting += 1
        try:
            return await call_next(ctx)
        finally:
            self._waiting -= 1
            self.notify()

    async def ask(self, tool: Callable[..., _T], **arguments: Any) -> _T:
        """Return the answer of a tool from the currently published data set.

        Raises:
            ToolError: The question cannot be answered; the message gives the reason.
        """

        def answer(catalogue: Catalogue) -> _T:
            return tool(catalogue, **arguments)

        return await self._run(lambda: self._current.answer(answer), self._one)

    async def compare(self, versions: Versions, **arguments: Any) -> str:
        """Return the differences between two versions.

        Raises:
            ToolError: They cannot be compared; the message gives the reason.
        """
        return await self._run(lambda: versions.compare(**arguments), self._one_comparison)

    async def _run(self, work: Callable[[], _T], limiter: anyio.CapacityLimiter) -> _T:
        try:
            return await anyio.to_thread.run_sync(work, limiter=limiter)
        except (NotFound, WrongArgument, StageError, SearchError) as error:
            raise ToolError(str(error)) from error


def _add(server: MCPServer, tool: Callable[..., str], ask: Callable[..., Awaitable[str]], *, name: str = "") -> None:
    """Add a tool with the arguments of a function, except the data set."""

    async def answer(**arguments: Any) -> str:
        return await ask(**arguments)

    types = typing.get_type_hints(tool)
    given = [one for one in inspect.signature(tool).parameters.values() if one.name != "catalogue"]
    answer.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            one.replace(
                kind=inspect.Parameter.KEYWORD_ONLY,
                annotation=Annotated[types[one.name], Field(description=ARGUMENTS[one.name])],
            )
            for one in given
        ],
        return_annotation=str,
    )
    description = (inspect.getdoc(tool) or "").partition("\n\nRaises:")[0]
    server.add_tool(
        answer,
        name=name or tool.__name__,
        description=description,
        annotations=_READ_ONLY,
        structured_output=False,
    )


def _add_resources(server: MCPServer, dispatcher: Dispatcher) -> None:
    @server.resource(
        "kit://catalogue",
        name="catalogue",
        description="All extensions: id, version, title, category.",
        mime_type="application/json",
    )
    async def catalogue() -> str:
        return await _resource(dispatcher.ask(_catalogue))

    @server.resource(
        "kit://version", name="version", description="The Kit version and the sources.", mime_type="application/json"
    )
    async def version() -> str:
        return await _resource(dispatcher.ask(_version))

    @server.resource(
        "kit://extensions/{extension_id}",
        name="extension",
        description="One extension: description, readme, dependencies, settings.",
        mime_type="text/markdown",
    )
    async def extension(extension_id: str) -> str:
        return await _resource(
            dispatcher.ask(lookup_tools.get_kit_extension_details, extension_ids=[extension_id], max_tokens=20_000)
        )


async def _resource(answer: Awaitable[str]) -> str:
    try:
        return await answer
    except ToolError as error:
        missing = isinstance(error.__cause__, NotFound)
        raise (ResourceNotFoundError if missing else ResourceError)(str(error)) from error


def _catalogue(catalogue: Catalogue) -> str:
    found = [
        {"id": name, "version": one.version, "title": one.title, "category": one.category}
        for name, one in sorted(catalogue.extensions.items())
    ]
    return json.dumps({"kit_version": catalogue.kit_version, "extensions": found}, ensure_ascii=False)


def _version(catalogue: Catalogue) -> str:
    manifest = catalogue.data_set.manifest
    sources = [{"name": one.name, "revision": one.revision} for one in manifest.sources] if manifest else []
    return json.dumps(
        {
            "kit_version": catalogue.kit_version,
            "tool_version": manifest.tool_version if manifest else "",
            "sources": sources,
        },
        ensure_ascii=False,
    )
