"""``doit serve``: an MCP server over the finished data set, for coding assistants."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from typing import Any, ClassVar

from doit.cmd_base import Command
from doit.exceptions import InvalidCommand

from config import Config, ConfigError
from console.commands.command_line import configuration
from console.commands.options import OPT_MODE
from stages.artifacts.final_assembly import PREVIOUS
from stages.failures import StageError
from stages.retrieval.search import SearchError
from tasks.command_option import option
from tasks.doit_internals import started_in
from tasks.stage_names import EXIT_FAILED, EXIT_NOT_STARTED

_OPT_HTTP = option(
    "http", "serve over HTTP at this address and port (127.0.0.1:8765) instead of standard input and output"
)
_OPT_DATA = option("data", "a data set's folder, or a folder of data sets (default: target_dir of the configuration)")
_OPT_KIT_VERSION = option("kit_version", "serve this Kit version, such as 107.3 (default: the highest)")


class Serve(Command):  # type: ignore[misc]
    """The doit command ``serve`` (plugin category COMMAND). It needs no tasks, so ``dodo.py`` is not loaded.

    Standard output carries the protocol. All messages go to standard error.
    """

    name = "serve"
    doc_purpose = "answer a coding assistant's questions from the data set (an MCP server)"
    doc_usage = ""
    doc_description = (
        "The server speaks the Model Context Protocol on standard input and output, or over HTTP. It loads a new data "
        "set as soon as one is published. If KIT_SERVE_TOKEN is set in the environment, HTTP clients must send this "
        "token. Without a token, the server listens only on an address of this machine. It needs the package mcp: "
        "pip install 'kit-extension-pipeline[serve]'."
    )
    cmd_options = (_OPT_HTTP, _OPT_DATA, _OPT_KIT_VERSION, OPT_MODE)
    execute_tasks: ClassVar[bool] = False

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """Serve until the client disconnects or the process is stopped. Return the exit code."""
        if pos_args:
            raise InvalidCommand(f"serve: expected no argument, found {' '.join(pos_args)}.")
        logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s")
        try:
            config = configuration()
            if importlib.util.find_spec("mcp") is None:
                raise StageError("serve needs the package mcp: pip install 'kit-extension-pipeline[serve]'")
            _serve(config, opt_values)
        except ConfigError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_NOT_STARTED
        except (StageError, SearchError) as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return EXIT_FAILED
        except KeyboardInterrupt:
            return 130
        return 0


def _serve(config: Config, options: dict[str, Any]) -> None:
    from serving import http

    target_dir = started_in() / options["data"] if options["data"] else config.target_dir
    address = http.address_of(options["http"]) if options["http"] else None
    token = os.environ.get(http.TOKEN_VARIABLE, "") if address else ""
    if address:
        http.check_token(address[0], token)

    # Imported late: the checks above do not need it.
    from importlib.metadata import PackageNotFoundError, version

    from serving import stdio
    from serving.current import Current
    from serving.server import Dispatcher, make_server
    from serving.versions import Versions

    try:
        release = version("kit-extension-pipeline")
    except PackageNotFoundError:
        release = ""
    place = target_dir / options["kit_version"] if options["kit_version"] else target_dir
    current = Current(
        place,
        mode=options["mode"],
        options=config.options("embeddings"),
        api_key=config.secret("embeddings.api_key"),
    )
    try:
        dispatcher = Dispatcher(current)
        server = make_server(dispatcher, Versions(target_dir, config.work_dir / PREVIOUS), version=release)
        if address is None:
            stdio.serve(server, dispatcher)
        else:
            http.serve(server, *address, token, ready=lambda url: print(f"Serving {url}", file=sys.stderr, flush=True))
    finally:
        current.close()
