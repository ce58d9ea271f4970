"""The report in a real browser: Debian's Chromium, driven by Playwright, without a network."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.project import Project, make_project

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import Browser, Page, expect, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIEWS = [
    *("#/", "#/extensions", "#/dependencies", "#/settings", "#/nodes", "#/warnings", "#/configuration"),
    "#/extension/made.up02",
]
WIDTHS = [360, 820, 1440]
HOSTILE = "</script><script>document.title = 'broken'</script>"


def chromium() -> str:
    """Return the path of Chromium. Without it, skip the test, but fail in CI, which installs it."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        reason = "there is no Chromium here (apt-get install chromium, or set CHROMIUM to its path)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with more extensions than a page of the table shows."""
    project = make_project(tmp_path_factory.mktemp("browser"), 105)
    first, second = (project.extensions / f"made.up{number:02}" for number in (1, 2))
    manifest = first / "config" / "extension.toml"
    manifest.write_text(manifest.read_text().replace('title = "Extension 1"', f'title = "{HOSTILE}"'))
    manifest = second / "config" / "extension.toml"
    manifest.write_text(manifest.read_text().replace("[dependencies]", '[dependencies]\n"made.up01" = {}'))
    (second / "made" / "up02" / "broken.py").write_text("def broken(:\n")
    wind = {"type": ["float", "double"], "description": HOSTILE, "default": 1.5, "optional": True}
    node = {"description": HOSTILE, "language": "python", "categories": "sky", "inputs": {"wind": wind}}
    (second / "OgnKite.ogn").write_text(json.dumps({"Kite": node, "Balloon": {"description": "Rises."}}))
    return page_of(project)


def page_of(project: Project) -> Path:
    done = project.run("data_collection_pipeline.py", "--end", "settings")
    assert done.code == 0, done.output
    assert project.run("doit", "report").code == 0
    return project.work / "report.html"


@contextlib.contextmanager
def opened(browser: Browser, report: Path, view: str = "#/", **options: Any) -> Iterator[Page]:
    """Open a view. At the end, assert that there were no network requests and no console messages."""
    with contextlib.closing(browser.new_context(offline=True, **options)) as context:
        page = context.new_page()
        asked: list[str] = []
        messages: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(report.as_uri() + view)
        expect(page.locator("[data-view][aria-busy]")).to_have_count(0)
        yield page
        # The page requests only itself and its embedded icon.
        assert [url for url in asked if not url.startswith(("data:", report.as_uri()))] == []
        assert messages == []


def shown_ids(page: Page) -> list[str]:
    return page.locator("#catalogue tbody th a").all_inner_texts()


def test_search(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/extensions") as page:
        status = page.locator("#catalogue [role=status]")
        expect(status).to_have_text("1–100 of 105 extensions")
        page.get_by_label("Search").fill("NUMBER 42.")
        expect(status).to_have_text("1 found in 105 extensions")
        assert shown_ids(page) == ["made.up42"]
        page.get_by_label("Search").fill("no such thing")
        expect(page.get_by_text("Nothing matches.")).to_be_visible()
        assert shown_ids(page) == []


def test_sort_by_keyboard(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/extensions") as page:
        head = page.locator("#catalogue thead th", has_text="Extension")
        expect(head).to_have_attribute("aria-sort", "ascending")
        assert shown_ids(page)[:2] == ["made.up01", "made.up02"]
        assert shown_ids(page)[-1] == "made.up100"  # numbers in names count as numbers
        head.get_by_role("button").focus()
        page.keyboard.press("Enter")
        expect(head).to_have_attribute("aria-sort", "descending")
        assert shown_ids(page)[:2] == ["made.up105", "made.up104"]
        warnings = page.locator("#catalogue thead th", has_text="Warnings")
        warnings.get_by_role("button").click()
        expect(warnings).to_have_attribute("aria-sort", "descending")
        expect(head).to_have_attribute("aria-sort", "none")
        assert shown_ids(page)[0] == "made.up02"


def test_pages_of_a_table(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/extensions") as page:
        page.get_by_role("button", name="Next").click()
        expect(page.locator("#catalogue [role=status]")).to_have_text("101–105 of 105 extensions")
        assert shown_ids(page) == [f"made.up{number}" for number in range(101, 106)]
        expect(page.get_by_role("button", name="Next")).to_be_disabled()
        page.get_by_role("button", name="Previous").click()
        assert len(shown_ids(page)) == 100


def test_open_an_extension(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/extensions") as page:
        page.get_by_role("link", name="made.up02", exact=True).click()
        heading = page.get_by_role("heading", level=1)
        expect(heading).to_have_text("made.up02")
        expect(heading).to_be_focused()
        expect(page).to_have_title("made.up02 · Pipeline report · Kit 107.3.3")
        page.get_by_text("class Worker2").click()
        expect(page.get_by_text("Add up what is worth it.")).to_be_visible()
        page.get_by_text("long_function", exact=False).last.click()
        expect(page.get_by_role("region", name="Source code")).to_contain_text("def long_function(values):")
        expect(page.get_by_text("/exts/made.up02/enabled")).to_be_visible()
        expect(page.get_by_text("Whether number 2 is enabled.")).to_be_visible()
        expect(page.get_by_text("broken.py:1")).to_be_visible()
        page.locator(".neighbours").get_by_role("link", name="made.up01").click()
        expect(heading).to_have_text("made.up01")
        expect(page.locator(".neighbours")).to_contain_text("Used by 1")
        page.go_back()
        expect(heading).to_have_text("made.up02")


def test_an_unknown_extension_is_no_error(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/extension/%E0%A4%A") as page:
        expect(page.get_by_text("This extension is not in the data set.")).to_be_visible()


def test_text_of_extensions_does_not_run(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/extensions") as page:
        expect(page.get_by_text("document.title = 'broken'")).to_be_visible()
        page.get_by_role("link", name="made.up01", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("made.up01")
        assert "broken" not in page.title()


def test_nodes_by_language_with_their_attributes(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/nodes") as page:
        expect(page.locator("#nodes [role=status]")).to_have_text("2 nodes")
        page.locator("#nodes").get_by_label("Language").select_option("python")
        expect(page.locator("#nodes tbody tr")).to_have_count(1)
        expect(page.locator("#nodes tbody tr")).to_contain_text("made.up02.Kite")
        page.locator("#nodes summary").click()
        expect(page.locator("#nodes details")).to_contain_text("inputs:wind: float | double = 1.5 (optional)")


def test_settings_by_prefix_and_type(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/settings/exts") as page:
        status = page.locator("#settings [role=status]")
        expect(page.get_by_role("combobox", name="Prefix")).to_have_value("exts")
        page.get_by_role("combobox", name="Type").select_option("int")
        expect(status).to_have_text("1–100 of 105 found in 210 settings")
        page.get_by_label("Search").fill("up77")
        expect(page.locator("#settings tbody tr")).to_have_count(1)
        expect(page.locator("#settings tbody tr")).to_contain_text("/exts/made.up77/limit")


def test_warnings_lead_to_their_extension(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/warnings") as page:
        row = page.locator("#warnings tbody tr", has_text="broken.py:1")
        expect(row).to_have_count(1)
        row.get_by_role("link", name="made.up02").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("made.up02")


def test_the_dependency_graph_by_keyboard(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/dependencies") as page:
        expect(page.get_by_text("105 extensions, 1 dependency outside the data set, 106 edges.")).to_be_visible()
        # One stop for the tab key, then the arrow keys.
        assert page.locator(".graph-box [tabindex='0']").count() == 1
        page.get_by_label("Find").fill("made.up02")
        page.get_by_label("Find").press("Tab")
        expect(page.get_by_text("made.up02 needs 2, is used by 0.")).to_be_visible()
        node = page.locator(".graph-box .node[tabindex='0']")
        expect(node).to_have_attribute("aria-label", "made.up02, needs 2, used by 0")
        node.focus()
        assert page.locator(".graph-box .node.lit").count() == 3
        page.keyboard.press("ArrowDown")
        expect(page.locator(".graph-box .node:focus")).to_have_count(1)
        expect(page.locator(".graph-box .node:focus")).not_to_have_attribute(
            "aria-label", "made.up02, needs 2, used by 0"
        )


def test_the_theme_is_switched_and_kept(browser: Browser, report: Path) -> None:
    with opened(browser, report, color_scheme="light") as page:
        colour = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(colour)
        button = page.get_by_role("button", name="Theme")
        button.click()
        button.click()
        expect(button).to_have_text("Theme: dark")
        dark = page.evaluate(colour)
        assert dark != light
        page.reload()
        assert page.evaluate(colour) == dark


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_view_is_wider_than_the_window(browser: Browser, report: Path, view: str, width: int) -> None:
    with opened(browser, report, view, viewport={"width": width, "height": 900}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light"), (1440, "dark")])
def test_axe_finds_no_accessibility_problem(browser: Browser, report: Path, view: str, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, report, view, viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        # The page's policy forbids foreign scripts, so the checker is injected through the debugger.
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_without_javascript_the_run_is_there(browser: Browser, report: Path) -> None:
    with opened(browser, report, java_script_enabled=False) as page:
        expect(page.get_by_text("Without JavaScript, this page shows only the run")).to_be_visible()
        expect(page.get_by_role("table", name="Stages")).to_be_visible()
        expect(page.get_by_role("img", name="Seconds per stage").first).to_be_visible()
        expect(page.get_by_role("heading", name="Configuration")).to_be_visible()


def test_the_page_of_a_failed_run(browser: Browser, tmp_path: Path) -> None:
    project = make_project(tmp_path, 2)
    (project.work / "settings" / "setting_summary.json" / "in the way").mkdir(parents=True)
    (project.work / ".pipeline_lock").touch()  # the pipeline has worked here
    assert project.run("doit").code == 1
    assert project.run("doit", "report").code == 0
    with opened(browser, project.work / "report.html") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("The run failed")
        expect(page.get_by_role("region", name="Failure")).to_contain_text("settings")
        page.get_by_role("link", name="Extensions", exact=True).click()
        expect(page.locator("#catalogue tbody tr")).to_have_count(2)


def test_the_page_before_anything_has_run(browser: Browser, tmp_path: Path) -> None:
    project = make_project(tmp_path, 1)
    assert project.run("doit", "report").code == 0
    with opened(browser, project.work / "report.html") as page:
        for name in ("Extensions", "Dependencies", "Settings", "Warnings", "Configuration", "Run"):
            page.get_by_role("navigation").get_by_role("link", name=name).click()
            expect(page.get_by_role("navigation").get_by_role("link", name=name)).to_have_attribute(
                "aria-current", "page"
            )
