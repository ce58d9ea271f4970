"""The server over HTTP: a process, and the SDK's client."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.error
import urllib.request
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from serving.http import address_of, check_token, is_loopback
from stages.failures import StageError
from tests.project import Project, make_project
from tests.serving.conversation import ask, http_server, memory_of

TOKEN = "a-token-of-the-tests-0123456789"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("serve").resolve() / "project", count=2)
    run = made.run("data_collection_pipeline.py")
    assert run.code == 0, run.output
    return made


def post(url: str, **headers: str) -> tuple[int, str]:
    """Post a question without the SDK. Return status and body."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).encode()
    request = urllib.request.Request(
        url,
        data=body,
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_many_clients_ask_at_once(project: Project) -> None:
    async def one(url: str, number: int) -> str:
        async with Client(url) as connected:
            return await ask(connected, "search_kit_extensions", query=f"Extension {1 + number % 2}", top_k=1)

    async def many(url: str) -> list[str]:
        return await asyncio.gather(*(one(url, number) for number in range(20)))

    with http_server(project) as url:
        answers = asyncio.run(many(url))
    assert all(f"made.up0{1 + number % 2} " in answer for number, answer in enumerate(answers))


def test_requests_without_the_token_are_refused(project: Project) -> None:
    async def asked(url: str) -> str:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as web,
            Client(streamable_http_client(url, http_client=web)) as connected,
        ):
            return await ask(connected, "search_kit_extensions", query="Extension 2", top_k=1)

    with http_server(project, KIT_SERVE_TOKEN=TOKEN) as url:
        assert post(url)[0] == 401
        assert post(url, Authorization="Bearer wrong")[0] == 401
        assert post(url, Authorization=f"Bearer {TOKEN}x")[0] == 401
        assert "made.up02" in asyncio.run(asked(url))


def test_requests_from_other_sites_are_refused(project: Project) -> None:
    with http_server(project) as url:
        assert post(url, Host="evil.example")[0] in (403, 421)
        assert post(url, Origin="http://evil.example")[0] == 403


@pytest.mark.long
def test_ten_thousand_questions_are_all_answered_in_bounded_memory(project: Project) -> None:
    async def flood(url: str) -> None:
        # For each answer, the client's connection pool iterates over all waiting questions.
        at_once = asyncio.Semaphore(500)

        async def one(connected: Client, number: int) -> bool:
            async with at_once:
                result = await connected.call_tool("search_kit_settings", {"query": f"number {number}", "top_k": 3})
                return result.is_error

        async with Client(url, read_timeout_seconds=600) as connected:
            assert not await one(connected, 0)
            before = memory_of(os.getpid())
            assert not any(await asyncio.gather(*(one(connected, number) for number in range(10_000))))
            assert memory_of(os.getpid()) - before < 80 * 1024

    with http_server(project) as url:
        asyncio.run(flood(url))


def test_addresses() -> None:
    assert address_of("127.0.0.1:80") == ("127.0.0.1", 80)
    assert address_of("[::1]:80") == ("::1", 80)
    for wrong in ("127.0.0.1", ":80", "a:b", "http://a:1", "a:1/x", "a:99999", "u@a:1"):
        with pytest.raises(StageError, match="is not an address with a port"):
            address_of(wrong)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com", "", "127.0.0.1.example.com"])
def test_other_machines_need_a_token(host: str, tmp_path: Path) -> None:
    assert not is_loopback(host)
    with pytest.raises(StageError, match="KIT_SERVE_TOKEN"):
        check_token(host, "")
    check_token(host, TOKEN)
    with pytest.raises(StageError, match="at least 16"):
        check_token(host, "short")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    check_token(host, "")
