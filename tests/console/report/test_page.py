from __future__ import annotations

import base64
import html
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.display.text import duration
from console.report.pictures import MOST_BARS, bars, diagrams, layered
from console.report.run_state import StageState
from tasks.stage_names import STAGES
from tests.project import Project, digest_of, make_project

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """A parsed page: elements, their attributes, and the text of scripts by id."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, str] = {}
        self._script = ""
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._script = dict(attrs).get("id") or "" if tag == "script" else ""

    def handle_endtag(self, tag: str) -> None:
        self._script = ""

    def handle_data(self, data: str) -> None:
        if self._script:
            self.data[self._script] = self.data.get(self._script, "") + data

    @property
    def index(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.data["data-index"])
        return found

    def packed(self, name: str) -> Any:
        return json.loads(zlib.decompress(base64.b64decode(self.data[name], validate=True)))

    def states(self) -> dict[str, str]:
        """Return the state of each stage in the table."""
        rows = re.findall(r"<code>(\w+)</code><br>.*?badge state-(\w+)", self.text, re.DOTALL)
        return dict(rows)


def report(project: Project, *arguments: str) -> Page:
    done = project.run("doit", "report", *arguments)
    assert done.code == 0, done.output
    assert "Report: " in done.output
    return Page(Path(done.output.split("Report: ")[1].strip()))


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A complete run of three extensions, whose texts try to break out of the page."""
    project = make_project(tmp_path_factory.mktemp("complete"), 3)
    manifest = project.extensions / "made.up01" / "config" / "extension.toml"
    manifest.write_text(manifest.read_text().replace('title = "Extension 1"', f"title = '{HOSTILE}'"))
    (project.extensions / "made.up01" / "docs" / "README.md").write_text(f"`{HOSTILE}`\n")
    (project.extensions / "made.up02" / "made" / "up02" / "broken.py").write_text("def broken(:\n")
    done = project.run()
    assert done.code == 0, done.output
    return project


@pytest.fixture(scope="module")
def page(complete: Project) -> Page:
    """The page of that run."""
    return report(complete)


def test_a_page_before_anything_has_run_says_so(tmp_path: Path) -> None:
    page = report(make_project(tmp_path, 1))
    assert "Nothing has run yet" in page.text
    assert page.states() == dict.fromkeys(STAGES, "waiting")
    assert page.index["extensions"] == []


def test_a_complete_run(complete: Project) -> None:
    before = digest_of(complete.data)
    page = report(complete)
    assert "The run is complete" in page.text
    assert page.states() == dict.fromkeys(STAGES, "complete")
    assert [entry["id"] for entry in page.index["extensions"]] == ["made.up01", "made.up02", "made.up03"]
    assert digest_of(complete.data) == before
    # Figures are those of the data set.
    database = json.loads((complete.data / "107.3/extensions/extensions_database.json").read_text())["extensions"]
    for entry in page.index["extensions"]:
        assert entry["classes"] == database[entry["id"]]["total_classes"]
        assert entry["methods"] == database[entry["id"]]["total_methods"]
        assert entry["dependencies"] == ["omni.kit.uiapp"]
        assert entry["seconds"] > 0
    settings = json.loads((complete.data / "107.3/settings/setting_summary.json").read_text())["settings"]
    assert [row["path"] for row in page.packed("data-settings")] == sorted(settings)
    detail = page.packed("data-extension-1")
    assert [described["name"] for described in detail["classes"]] == ["Worker2"]
    assert any("long_function" in example["full_name"] for example in detail["examples"])


def test_warnings_have_file_and_line(page: Page) -> None:
    (warning,) = [item for item in page.index["warnings"] if item["file"].endswith("broken.py")]
    assert warning["extension"] == "made.up02"
    assert warning["line"] == 1


def test_the_same_state_gives_the_same_bytes(complete: Project, page: Page, tmp_path: Path) -> None:
    assert report(complete, "-o", str(tmp_path / "two.html")).text == page.text


def test_text_of_extensions_cannot_become_markup(page: Page) -> None:
    assert page.index["extensions"][0]["title"] == HOSTILE
    assert HOSTILE in page.packed("data-extension-0")["readme"]
    assert not [tag for tag, _ in page.elements if tag in ("img", "iframe", "object", "embed")]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    scripts = [attributes for tag, attributes in page.elements if tag == "script" and "type" not in attributes]
    assert len(scripts) == 1  # the page's own


def test_markup_in_values_that_contradict_one_another_is_text(tmp_path: Path) -> None:
    """The HTML contains these values as text; the data for the script is packed."""
    project = make_project(tmp_path.resolve() / "project", 2)
    for number in (1, 2):
        manifest = project.extensions / f"made.up0{number}" / "config" / "extension.toml"
        manifest.write_text(manifest.read_text() + f"shared.value = '{HOSTILE}{number}'\n")
    assert project.run("doit", "quick=1").code == 0, project.output()
    page = report(project)
    assert f"{html.escape(HOSTILE, quote=False)}1" in page.text.replace("&#34;", '"').replace("&#39;", "'")
    assert not [tag for tag, _ in page.elements if tag in ("img", "iframe", "object", "embed")]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_the_page_names_no_other_resource(page: Page) -> None:
    loaded = [
        value
        for tag, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "action", "poster") or (name == "href" and tag == "link")
    ]
    assert loaded
    assert all(value and value.startswith("data:") for value in loaded)
    assert not re.search(r"@import|url\((?!#)", page.text)
    policy = next(attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes)
    assert policy and policy.startswith("default-src 'none'; script-src 'sha256-")


def test_an_edit_shows_what_is_out_of_date(tmp_path: Path) -> None:
    project = make_project(tmp_path, 2)
    assert project.run("doit").code == 0
    source = project.extensions / "made.up01" / "made" / "up01" / "__init__.py"
    source.write_text(source.read_text() + "\n\ndef added():\n    return 1\n")
    page = report(project)
    assert "The run is not finished" in page.text
    states = page.states()
    assert (states["preparation"], states["extension_data"]) == ("complete", "outdated")


def test_a_failed_run_shows_the_failure_and_the_available_data(tmp_path: Path) -> None:
    project = make_project(tmp_path, 2)
    # A folder where a file has to be written: the stage cannot end well.
    (project.work / "settings" / "setting_summary.json" / "in the way").mkdir(parents=True)
    (project.work / ".pipeline_lock").touch()  # the pipeline has worked here
    assert project.run("doit").code == 1
    page = report(project)
    assert "The run failed" in page.text
    assert page.states()["settings"] == "failed"
    assert page.states()["extension_data"] == "complete"
    assert page.states()["final_assembly"] == "waiting"
    checkpoint = project.checkpoint()
    assert checkpoint is not None
    assert checkpoint["failure"]["message"] in page.text.replace("&#39;", "'").replace("&#34;", '"')
    assert len(page.index["extensions"]) == 2


def test_extensions_are_shown_before_the_database_exists(tmp_path: Path) -> None:
    project = make_project(tmp_path, 2)
    assert project.run("data_collection_pipeline.py", "--end", "preparation").code == 0
    page = report(project)
    assert [entry["title"] for entry in page.index["extensions"]] == ["Extension 1", "Extension 2"]
    assert page.packed("data-extension-0")["classes"] == []


def test_a_file_that_cannot_be_read_is_noted(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1)
    assert project.run("doit").code == 0
    (project.work / "settings" / "setting_summary.json").write_text("{")
    page = report(project)
    assert "settings/setting_summary.json: not valid JSON" in page.text
    assert len(page.index["extensions"]) == 1


def test_removed_intermediates_are_read_from_the_data_set(tmp_path: Path) -> None:
    project = make_project(tmp_path, 2, output__keep_intermediates=False)
    assert project.run("doit").code == 0
    assert not (project.work / "extensions.json").exists()
    page = report(project)
    assert "The run is complete" in page.text
    assert len(page.index["extensions"]) == 2
    assert [described["name"] for described in page.packed("data-extension-0")["classes"]] == ["Worker1"]


def test_the_configuration_has_no_secret(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1, embeddings__api_key="literal-secret-value")
    page = report(project)
    assert "literal-secret-value" not in page.text
    assert "***" in page.text


def test_a_page_that_cannot_be_written_gives_one_line(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1)
    (tmp_path / "taken").mkdir()
    done = project.run("doit", "report", "-o", str(tmp_path / "taken"))
    assert done.code == 1
    assert done.output.startswith("ERROR: ")
    assert len(done.output.splitlines()) == 1


def test_an_argument_that_is_no_option_is_refused(tmp_path: Path) -> None:
    done = make_project(tmp_path, 1).run("doit", "report", "settings")
    assert done.code != 0
    assert "expected no task, found settings" in done.output


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7380, "2 h 03 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


_NAMES = st.sampled_from([f"e{number}" for number in range(60)])


@given(st.dictionaries(_NAMES, st.lists(_NAMES, max_size=6), min_size=1))
def test_no_two_extensions_share_a_position_in_the_graph(needs: dict[str, list[str]]) -> None:
    edges = {**{name: [] for names in needs.values() for name in names}, **needs}
    place = layered(edges)
    assert place.keys() == edges.keys()
    assert len(set(place.values())) == len(place)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=200))
def test_without_cycles_dependencies_are_to_the_right(pairs: list[tuple[int, int]]) -> None:
    edges: dict[str, list[str]] = {f"e{number}": [] for number in range(100)}
    for one, other in pairs:
        if one != other:
            edges[f"e{min(one, other)}"].append(f"e{max(one, other)}")
    place = layered(edges)
    assert all(place[name][0] < place[other][0] for name, others in edges.items() for other in others)


def test_a_plot_has_the_longest_bars_and_no_script() -> None:
    values = {f"extension {number}": float(number) for number in range(100)}
    plot = bars("name", "Title", {"one": values, "two": {"extension 99": 1.0}}, unit="s")
    for svg in plot.values():
        assert svg.count("extension ") == MOST_BARS
        assert "extension 99  100 s" in svg
        assert "extension 79 " not in svg
        assert "script" not in svg
        assert "http" not in svg.replace("http://www.w3.org/", "")


def test_no_values_no_plot() -> None:
    assert bars("name", "Title", {"one": {}}) == {}
    assert bars("name", "Title", {"one": {"a": 0.0}}) == {}


def test_the_diagram_omits_arrows_that_others_imply() -> None:
    stages = [
        StageState("a", "", "complete"),
        StageState("b", "", "complete", after=("a",)),
        StageState("c", "", "complete", after=("a",)),
        StageState("d", "", "complete", after=("a", "b", "c")),
    ]
    wide, narrow = diagrams(stages)
    assert len(wide.lines) == len(narrow.lines) == 4
    places = {box.stage.name: (box.x, box.y) for box in wide.boxes}
    assert places["a"][0] < places["b"][0] == places["c"][0] < places["d"][0]
    assert diagrams([]) == []


def test_a_run_with_report_writes_the_page_when_it_ends(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1)
    done = project.run("data_collection_pipeline.py", "--report")
    assert done.code == 0, done.output
    assert Page(project.work / "report.html").states() == dict.fromkeys(STAGES, "complete")
    assert done.output.splitlines()[-1] == f"Report: {project.work / 'report.html'}"


def test_a_failed_run_with_report_writes_the_page_and_keeps_its_code(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1)
    (project.work / "settings" / "setting_summary.json" / "in the way").mkdir(parents=True)
    (project.work / ".pipeline_lock").touch()  # the pipeline has worked here
    page = tmp_path / "page.html"
    assert project.run("run_pipeline.py", "--report", str(page)).code == 1
    assert Page(page).states()["settings"] == "failed"
    (project.work / "settings" / "setting_summary.json" / "in the way").rmdir()
    (project.work / "settings" / "setting_summary.json").rmdir()
    assert project.run("run_pipeline.py", "--resume", "--report", str(page)).code == 0
    assert Page(page).states() == dict.fromkeys(STAGES, "complete")
