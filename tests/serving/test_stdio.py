"""The server over standard input and output: a process, and the SDK's client."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from stages.retrieval.tokens import count
from tests.project import ROOT, Project, make_project
from tests.serving.conversation import Conversation, ask, client, error_of, memory_of, one_server


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("serve").resolve() / "project", count=3)
    manifest = made.extensions / "made.up03/config/extension.toml"
    text = manifest.read_text().replace('category = "test"', 'category = "other"')
    manifest.write_text(text.replace("[dependencies]\n", '[dependencies]\n"made.up02" = {}\n'))
    run = made.run("data_collection_pipeline.py")
    assert run.code == 0, run.output
    return made


@pytest.fixture(scope="module")
def hold(project: Project) -> Iterator[Callable[[Conversation], None]]:
    """One server for all tests that only ask questions."""
    with one_server(project) as held:
        yield held


def talk(project: Project, conversation: Conversation, *arguments: str) -> None:
    async def run() -> None:
        async with client(project, *arguments) as connected:
            await conversation(connected)

    asyncio.run(run())


def test_every_tool_describes_its_purpose_and_arguments(hold: Callable[[Conversation], None]) -> None:
    async def conversation(connected: Client) -> None:
        tools = (await connected.list_tools()).tools
        # The names and arguments of the Kit MCP server of kit-usd-agents, so that its prompts work here too.
        known = {
            "search_kit_extensions": {"query", "top_k"},
            "get_kit_extension_details": {"extension_ids"},
            "get_kit_extension_dependencies": {"extension_id", "depth", "include_optional"},
            "get_kit_extension_apis": {"extension_ids"},
            "get_kit_api_details": {"api_references"},
            "search_kit_code_examples": {"query", "top_k"},
            "search_kit_test_examples": {"query", "top_k"},
            "search_kit_settings": {"query", "top_k", "prefix_filter", "type_filter"},
            "search_kit_app_templates": {"query", "top_k", "category_filter"},
            "get_kit_app_template_details": {"template_ids"},
            "search_kit_knowledge": {"query", "top_k"},
            "get_kit_instructions": {"instruction_sets"},
        }
        found = {tool.name: tool for tool in tools}
        for name, arguments in known.items():
            assert arguments <= set(found[name].input_schema["properties"]), name
        for tool in tools:
            assert tool.description
            assert tool.annotations and tool.annotations.read_only_hint
            assert "max_tokens" in tool.input_schema["properties"], tool.name
            assert all(rule["description"] for rule in tool.input_schema["properties"].values()), tool.name

    hold(conversation)


def test_extensions_are_found_by_title_and_filtered_by_category(hold: Callable[[Conversation], None]) -> None:
    async def conversation(connected: Client) -> None:
        found = await ask(connected, "search_kit_extensions", query="Extension 2 number 2", top_k=1)
        assert "## made.up02 1.2.0" in found
        other = await ask(connected, "search_kit_extensions", query="Extension 2 number 2", category="Other")
        assert ("made.up03 1.3.0" in other, "made.up02 1.2.0" in other) == (True, False)
        assert "Categories: other, test" in await error_of(
            connected, "search_kit_extensions", query="x", category="none"
        )
        assert "did you mean" in await error_of(connected, "search_kit_code_examples", query="x", extension="made.up9")

    hold(conversation)


def test_details_of_an_extension_a_symbol_a_setting_and_the_tree(hold: Callable[[Conversation], None]) -> None:
    async def conversation(connected: Client) -> None:
        details = await ask(connected, "get_kit_extension_details", extension_ids=["made.up02", "made.up99"])
        assert "It does nothing useful, 2 times." in details
        assert "/exts/made.up02/limit" in details
        assert 'There is no extension "made.up99"' in details
        everything = await ask(connected, "get_kit_extension_details")
        assert everything.count("\n- made.up0") == 3
        tree = await ask(connected, "get_kit_extension_dependencies", extension_id="made.up03")
        assert "- made.up03 1.3.0\n  - made.up02 1.2.0" in tree
        assert "omni.kit.uiapp (not in this data set)" in tree
        apis = await ask(connected, "get_kit_extension_apis", extension_ids="made.up01, made.up02")
        assert "made.up01@made.up01.Worker1" in apis
        symbol = await ask(connected, "get_kit_api_details", api_references="made.up01@Worker1.run")
        assert "run(self, items: list[int]) -> int" in symbol
        assert "Add up what is worth it." in symbol
        function = await ask(connected, "get_kit_api_details", api_references='["made.up01.long_function"]')
        assert "### Example: made.up01.long_function" in function
        assert "def long_function(values):" in function
        setting = await ask(connected, "get_kit_setting_details", setting_paths="exts/made.up01/enabled")
        assert "Whether number 1 is enabled" in setting
        assert "default: `true`" in setting
        assert "did you mean made.up01@made.up01.Worker1" in await error_of(
            connected, "get_kit_api_details", api_references="made.up01@Workre1"
        )

    hold(conversation)


def test_settings_are_filtered_by_prefix_and_type(hold: Callable[[Conversation], None]) -> None:
    async def conversation(connected: Client) -> None:
        found = await ask(connected, "search_kit_settings", query="made up", type_filter="int", prefix_filter="exts")
        assert found.count("(int, default") == found.count("\n- ") == 3
        assert "Types: bool, int" in await ask(connected, "search_kit_settings", query="made", type_filter="array")

    hold(conversation)


@pytest.mark.parametrize("most", [100, 300, 1000])
def test_an_answer_respects_the_callers_token_limit(hold: Callable[[Conversation], None], most: int) -> None:
    async def conversation(connected: Client) -> None:
        questions: list[tuple[str, dict[str, Any]]] = [
            ("search_kit_code_examples", {"query": "long function", "top_k": 50}),
            ("search_kit_extensions", {"query": "number", "top_k": 50}),
            ("get_kit_api_details", {"api_references": "made.up01@long_function"}),
            ("get_kit_extension_apis", {"extension_ids": "made.up01,made.up02,made.up03"}),
            ("get_kit_extension_details", {}),
        ]
        for tool, arguments in questions:
            short = await ask(connected, tool, **arguments, max_tokens=most)
            assert count(short) <= most, tool
            whole = await ask(connected, tool, **arguments, max_tokens=100_000)
            if count(whole) > most:
                assert "are omitted" in short or "(cut)" in short, short

    hold(conversation)


HOSTILE = [
    "",
    " \n\t",
    "\0\x07\x1b[2J",
    "x" * 1_000_000,
    'a" OR name MATCH "b',
    "NEAR(a b) AND NOT c* ^d : {e} -- ; DROP TABLE words",
    "'; SELECT * FROM place; --",
    "../../../etc/passwd",
    "\u202e\u200b\ufeff",
    "💥" * 500,
    "a " * 1900,
    "%s %n {0} ${HOME}",
]


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
def test_a_hostile_question_gets_an_answer_or_one_clear_error(project: Project, mode: str) -> None:
    async def conversation(connected: Client) -> None:
        for query in HOSTILE:
            for tool in ("search_kit_extensions", "search_kit_code_examples", "search_kit_settings"):
                result = await connected.call_tool(tool, {"query": query})
                answer_text = str(result.content)
                assert "Traceback" not in answer_text
                assert len(answer_text) < 50_000
                if result.is_error:
                    assert "The query " in answer_text, answer_text
            for tool, argument in (
                ("get_kit_extension_details", "extension_ids"),
                ("get_kit_api_details", "api_references"),
                ("get_kit_setting_details", "setting_paths"),
                ("get_kit_app_template_details", "template_ids"),
                ("compare_kit_versions", "old_version"),
            ):
                result = await connected.call_tool(tool, {argument: query})
                answer_text = str(result.content)
                assert "Traceback" not in answer_text
                assert "root:" not in answer_text
                assert len(answer_text) < 50_000
        assert "top_k is 0" in await error_of(connected, "search_kit_extensions", query="x", top_k=0)
        assert "max_tokens is 5" in await error_of(connected, "search_kit_extensions", query="x", max_tokens=5)
        assert "at most 50" in await error_of(
            connected, "get_kit_api_details", api_references=[f"a@{number}" for number in range(1000)]
        )
        # The server answers as before.
        assert "made.up02" in await ask(connected, "search_kit_extensions", query="Extension 2")

    talk(project, conversation, "--mode", mode)


def test_resources_are_the_catalogue_and_each_extension(hold: Callable[[Conversation], None]) -> None:
    async def conversation(connected: Client) -> None:
        listed = (await connected.list_resources()).resources
        assert {str(one.uri) for one in listed} == {"kit://catalogue", "kit://version"}
        catalogue = json.loads((await connected.read_resource("kit://catalogue")).contents[0].text)  # type: ignore[union-attr]
        assert [one["id"] for one in catalogue["extensions"]] == ["made.up01", "made.up02", "made.up03"]
        one = (await connected.read_resource("kit://extensions/made.up02")).contents[0].text  # type: ignore[union-attr]
        assert "## made.up02 1.2.0" in one
        with pytest.raises(MCPError, match=r"There is no extension .made\.up99"):
            await connected.read_resource("kit://extensions/made.up99")

    hold(conversation)


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def answers(command: list[str], *questions: tuple[str, dict[str, Any]], surplus: str = "") -> tuple[list[Any], str]:
    """Return the server's standard output, each line as JSON, and its standard error.

    Standard input ends right after the questions.
    """
    lines: list[dict[str, Any]] = [INITIALIZE, {"jsonrpc": "2.0", "method": "notifications/initialized"}]
    for number, (tool, arguments) in enumerate(questions, start=2):
        call = {"name": tool, "arguments": arguments}
        lines.append({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call})
    done = subprocess.run(
        command,
        input="".join(json.dumps(line) + "\n" for line in lines) + surplus,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        errors="surrogateescape",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_all_questions_are_answered_before_the_server_ends(project: Project) -> None:
    questions = [("search_kit_code_examples", {"query": f"question {number}"}) for number in range(40)]
    messages, errors = answers(project.command("doit", "serve"), *questions)
    assert sorted(message["id"] for message in messages if "id" in message) == list(range(1, 42))
    assert "Traceback" not in errors


def test_standard_output_carries_only_the_protocol(project: Project) -> None:
    question = ("search_kit_extensions", {"query": "x", "top_k": -1})
    messages, errors = answers(project.command("doit", "serve"), question, surplus="no json\n" + "\udce4\n")
    assert {message.get("id") for message in messages} >= {1, 2}
    assert "Traceback" not in errors


NOISY = """
import os, pathlib, sys
from serving import stdio
from serving.current import Current
from serving.server import Dispatcher, make_server
from serving.versions import Versions

place = pathlib.Path(sys.argv[1])
dispatcher = Dispatcher(Current(place))
server = make_server(dispatcher, Versions(place))

@server.tool()
def noisy() -> str:
    print("noise of Python", flush=True)
    os.system("echo noise of a program")
    return "an answer"

stdio.serve(server, dispatcher)
"""


def test_printed_text_goes_to_standard_error(project: Project) -> None:
    command = [sys.executable, "-c", NOISY, str(project.data)]
    messages, errors = answers(command, ("noisy", {}))
    assert any("an answer" in json.dumps(message) for message in messages)
    assert ("noise of Python" in errors, "noise of a program" in errors) == (True, True)


def test_two_versions_are_compared(compared_pair: tuple[Project, Project], tmp_path: Path) -> None:
    old, new = compared_pair[0], Project(tmp_path)
    shutil.copytree(compared_pair[1].path, new.path, dirs_exist_ok=True)
    shutil.copytree(old.data / "107.3", new.data / "106.5")

    async def conversation(connected: Client) -> None:
        answer_text = await ask(connected, "compare_kit_versions", old_version="106.5", only_breaking=True)
        assert "Parameter was added as required: e" in answer_text
        assert "made.api.Added" not in answer_text
        one = await ask(
            connected, "compare_kit_versions", old_version="106.5", new_version="107.3", extension_ids="made.gone"
        )
        assert ("made.new.wanders" in one, "made.api.signature" in one) == (True, False)
        assert "Available: 106.5, 107.3" in await error_of(connected, "compare_kit_versions", old_version="1.0")
        assert "both 107.3" in await error_of(connected, "compare_kit_versions", old_version="107.3")

    talk(new, conversation)


def test_a_new_data_set_answers_from_then_on(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", count=2)
    assert project.run("doit").code == 0

    async def conversation(connected: Client) -> None:
        assert "Extension 1: " in await ask(connected, "get_kit_extension_details", extension_ids="made.up01")
        manifest = project.extensions / "made.up01/config/extension.toml"
        manifest.write_text(manifest.read_text().replace('title = "Extension 1"', 'title = "Renamed"'))
        source = project.extensions / "made.up01/made/up01/__init__.py"
        source.write_text(source.read_text().replace("def long_function(values)", "def long_function(values, more)"))
        running = asyncio.create_task(asyncio.to_thread(project.run, "doit"))
        titles: list[str] = []
        has_ended = False
        while not has_ended:
            has_ended = running.done()
            # Every answer comes completely from the old or from the new data set.
            answer = await ask(connected, "get_kit_extension_details", extension_ids="made.up01")
            titles.append("Renamed" if "Renamed: " in answer else "Extension 1")
            assert f"{titles[-1]}: " in answer
        assert (await running).code == 0
        assert titles == sorted(titles)
        assert (titles[0], titles[-1]) == ("Extension 1", "Renamed")
        assert "made.up01" in await ask(connected, "search_kit_extensions", query="Renamed", top_k=1)
        answer_text = await ask(connected, "compare_kit_versions", old_version="previous")
        assert "Parameter was added as required: more" in answer_text

    talk(project, conversation)


def test_a_broken_new_data_set_is_not_served(project: Project, tmp_path: Path) -> None:
    copy = Project(tmp_path / "project")
    shutil.copytree(project.path, copy.path)

    async def conversation(connected: Client) -> None:
        assert "made.up01" in await ask(connected, "search_kit_extensions", query="Extension 1")
        index = copy.data / "107.3/settings/settings_faiss/index.json"
        index.unlink()
        manifest = copy.data / "107.3/MANIFEST.json"
        os.utime(manifest, ns=(1, 1))
        assert "made.up01" in await ask(connected, "search_kit_extensions", query="Extension 1")

    talk(copy, conversation)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--data", "nowhere"], 1, "nowhere: contains no data set"),
        pytest.param(["--kit-version", "1.0"], 1, "contains no data set", marks=pytest.mark.long),
        (["--http", "127.0.0.1"], 1, "is not an address with a port"),
        (["--http", "0.0.0.0:0"], 1, "other machines can reach 0.0.0.0"),
        (["surplus"], 3, "expected no argument"),
    ],
)
def test_errors_at_start_are_one_line(project: Project, arguments: list[str], code: int, message: str) -> None:
    done = subprocess.run(
        project.command("doit", "serve", *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (code, "", False), done.stderr
    assert message in done.stderr


@pytest.mark.long
def test_ten_thousand_questions_at_once_take_bounded_memory(project: Project) -> None:
    async def conversation(connected: Client) -> None:
        tools = ("search_kit_extensions", "search_kit_code_examples", "search_kit_settings")
        for tool in tools:
            await ask(connected, tool, query="number")
        before = memory_of(os.getpid())
        results = await asyncio.gather(
            *(connected.call_tool(tools[number % 3], {"query": f"number {number}"}) for number in range(10_000))
        )
        assert not any(result.is_error for result in results)
        # All at once they would take 300 MiB and more.
        assert memory_of(os.getpid()) - before < 80 * 1024

    async def run() -> None:
        async with client(project) as connected:
            await conversation(connected)

    asyncio.run(run())
