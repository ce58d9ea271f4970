"""The HTML page about a run and its data set."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from comparison import wording
from console.display.text import duration
from console.report.content import Content, DataFiles, collect, prefix_of
from console.report.pictures import MOST_BARS, bars, diagrams, layered
from console.report.run_state import STATES, RunState
from stages.storage.jsonfile import to_json, write_bytes

if TYPE_CHECKING:
    from jinja2 import Environment

    from comparison.changes import Comparison

_HERE = Path(__file__).parent
_API_KEYS = ("name", "full_name", "signature", "docstring", "parent_classes", "methods")
_EXAMPLE_KEYS = ("full_name", "file_path", "start_line", "end_line", "complexity_score", "reasons", "source_code")
_PREFIXES_SHOWN = 12
# Limit per extension; `doit diff` shows all.
_MOST_CHANGES = 100


def write(
    path: Path,
    *,
    work_dir: Path,
    target_dir: Path,
    mode: str,
    run: RunState,
    configuration: dict[str, Any],
    changes: Comparison | None = None,
) -> None:
    """Write the page.

    The same run state and the same files give the same bytes.

    Args:
        path: The HTML file.
        work_dir: The work directory; may be empty or missing.
        target_dir: The folder of the finished data set, used for files that are missing in the work directory.
        mode: The selection mode of code examples.
        run: The state of the stages.
        configuration: The configuration without secrets.
        changes: The comparison with the data set that the last run replaced; None if there is none.

    Raises:
        StageError: The file cannot be written.
    """
    files = DataFiles(work_dir, target_dir, mode)
    content = collect(files)
    write_bytes(path, render(content, files, run, configuration, changes).encode("utf-8", "replace"))


def templates() -> Environment:
    """Return the templates of the pages."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style() -> Markup:
    """Return the style sheet of the pages."""
    return Markup((_HERE / "page" / "report.css").read_text(encoding="utf-8"))  # noqa: S704  the project's own file


def render(
    content: Content,
    files: DataFiles,
    run: RunState,
    configuration: dict[str, Any],
    changes: Comparison | None = None,
) -> str:
    """Return the page as HTML."""
    details = _details(content, files)
    script = (_HERE / "page" / "report.js").read_text(encoding="utf-8")
    content.notes += files.notes
    prefixes = content.settings_by_prefix()
    return (
        templates()
        .get_template("report.html")
        .render(
            run=run,
            content=content,
            configuration=configuration,
            states=STATES,
            diagrams=diagrams(run.stages),
            plots=_plots(content, run),
            most_bars=MOST_BARS,
            prefixes=sorted(prefixes.items(), key=lambda item: (-item[1], item[0])),
            totals=_totals(content),
            index=_embedded(_index(content, run)),
            settings=_packed(_setting_rows(content)),
            nodes=_packed(_node_rows(content)),
            details=details,
            style=style(),
            script=Markup(script),  # noqa: S704  the project's own file
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            duration=duration,
            moment=moment,
            pretty=_pretty,
            comparison=changes,
            words=wording,
            most_changes=_MOST_CHANGES,
        )
    )


def moment(iso: str) -> str:
    """Return a readable form of an ISO 8601 time, to the second: ``2026-01-31 12:00:00 UTC``. The zone is optional."""
    zone = iso[19:].lstrip(".0123456789")
    return f"{iso[:10]} {iso[11:19]}" + ({"+00:00": " UTC", "Z": " UTC"}.get(zone, f" {zone}") if zone else "")


def _embedded(value: Any) -> Markup:
    """Return JSON that is safe in a script element: no character ends the element or starts markup."""
    text = to_json(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  has neither < nor &


def _packed(value: Any) -> Markup:
    """Return JSON compressed and in base64. The page unpacks it on demand, so 1,500 extensions load quickly."""
    return Markup(base64.b64encode(zlib.compress(to_json(value), 6)).decode())  # noqa: S704  letters, digits, +, / and =


def _dependencies(entry: Mapping[str, Any], key: str) -> list[str]:
    return sorted({str(name) for name in entry.get(key) or ()})


def _times(run: RunState) -> dict[str, dict[str, float]]:
    """Return the seconds per extension for each stage with a task per extension."""
    return {
        stage.name: stage.subtasks
        for stage in run.stages
        if any(not name.startswith("@") for name in stage.subtasks) and len(stage.subtasks) > 0
    }


def _index(content: Content, run: RunState) -> dict[str, Any]:
    """Return the data that the page loads first: a short record per extension, the warnings and the graph."""
    owned: dict[str, int] = {}
    for setting in content.settings.values():
        for owner in setting.get("extensions", ()):
            owned[owner] = owned.get(owner, 0) + 1
    warned: dict[str, int] = {}
    for warning in content.warnings:
        warned[warning.get("extension", "")] = warned.get(warning.get("extension", ""), 0) + 1
    seconds: dict[str, float] = {}
    for values in _times(run).values():
        for name, value in values.items():
            seconds[name] = seconds.get(name, 0) + value
    edges = {key: _dependencies(entry, "dependencies") for key, entry in content.extensions.items()}
    for other in {name for names in edges.values() for name in names} - edges.keys():
        edges[other] = []
    place = layered(edges)
    return {
        "extensions": [
            {
                "id": key,
                "version": entry.get("version") or "",
                "title": entry.get("title") or "",
                "description": entry.get("description") or "",
                "category": entry.get("category") or "",
                "keywords": entry.get("keywords") or [],
                "modules": entry.get("total_modules", 0),
                "classes": entry.get("total_classes", 0),
                "methods": entry.get("total_methods", 0),
                "api_tokens": entry.get("api_docs_token_count", 0),
                "settings": owned.get(key, 0),
                "examples": content.examples[key],
                "dependencies": _dependencies(entry, "dependencies"),
                "optional": _dependencies(entry, "optional_dependencies"),
                "warnings": warned.get(key, 0),
                "seconds": round(seconds[key], 3) if key in seconds else None,
            }
            for key, entry in content.extensions.items()
        ],
        "graph": {name: place[name] for name in sorted(place)},
        "warnings": [
            {key: item.get(key, "") for key in ("stage", "kind", "extension", "file", "line", "message")}
            for item in content.warnings
        ],
    }


def _setting_rows(content: Content) -> list[dict[str, Any]]:
    return [
        {
            "path": path,
            "prefix": prefix_of(path),
            "type": setting.get("type", "unknown"),
            "default": _shown(setting.get("default_value")),
            "documentation": setting.get("documentation") or "",
            "owners": setting.get("extensions", []),
            "found_in": setting.get("found_in", []),
            "uses": setting.get("usage_count", 0),
        }
        for path, setting in content.settings.items()
    ]


def _node_rows(content: Content) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "title": node.get("ui_name") or "",
            "description": node.get("description") or "",
            "version": node.get("node_version", 1),
            "language": node.get("language") or "",
            "categories": node.get("categories", []),
            "extension": node.get("extension") or "",
            "ports": [
                {
                    "name": f"{group}:{port}",
                    "type": attribute.get("type") or "",
                    "default": _shown(attribute.get("default")),
                    "optional": bool(attribute.get("optional")),
                    "description": attribute.get("description") or "",
                }
                for group in ("inputs", "outputs", "state")
                for port, attribute in node.get(group, {}).items()
            ],
        }
        for name, node in content.nodes.items()
    ]


def _shown(value: Any) -> str:
    return "" if value is None else _pretty(value) if not isinstance(value, dict | list) else to_json(value).decode()


def _pretty(value: Any) -> str:
    nested = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))
    return to_json(value, indent=nested).decode().rstrip("\n")


def _details(content: Content, files: DataFiles) -> list[Markup]:
    """Return the packed API, examples and readme of each extension. Also counts the examples."""
    packed = []
    for key, entry in content.extensions.items():
        examples = files.examples(key)
        content.examples[key] = len(examples)
        api = files.api(entry)
        packed.append(
            _packed(
                {
                    "readme": entry.get("long_description") or "",
                    "python_modules": entry.get("python_modules") or [],
                    "classes": [
                        _with_keys({"name": name, **described}, _API_KEYS)
                        | {"methods": [_with_keys(method, _API_KEYS[:4]) for method in described.get("methods", ())]}
                        for name, described in sorted(api.get("classes", {}).items())
                    ],
                    "functions": [_with_keys(function, _API_KEYS[:4]) for function in api.get("methods", ())],
                    "examples": [_with_keys(example, _EXAMPLE_KEYS) for example in examples],
                }
            )
        )
    return packed


def _with_keys(value: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value[key] for key in keys if value.get(key) not in (None, "", [])}


def _plots(content: Content, run: RunState) -> dict[str, Any]:
    """Return the plots. ``series`` holds the names of the stacked parts of the extensions plot."""
    stage_seconds = {stage.name: stage.seconds for stage in run.stages if stage.seconds is not None}
    per_extension = {
        stage: {name: value for name, value in values.items() if name in content.extensions}
        for stage, values in _times(run).items()
    }
    per_extension = {stage: values for stage, values in per_extension.items() if values}
    prefixes = dict(content.settings_by_prefix().most_common(_PREFIXES_SHOWN))
    return {
        "stages": bars("stages", "Seconds per stage", {"seconds": stage_seconds}, unit="s", decimals=1),
        "extensions": bars("extensions", "Seconds per extension", per_extension, unit="s", decimals=2),
        "series": list(per_extension),
        "prefixes": bars("prefixes", "Settings per prefix", {"settings": prefixes}),
    }


def _totals(content: Content) -> list[tuple[str, int, str]]:
    """Return the totals at the top of the page: name, number, and the view with the details."""
    entries = content.extensions.values()
    return [
        ("extensions", len(content.extensions), "#/extensions"),
        ("classes", sum(entry.get("total_classes", 0) for entry in entries), "#/extensions"),
        ("methods", sum(entry.get("total_methods", 0) for entry in entries), "#/extensions"),
        ("code examples", sum(content.examples.values()), "#/extensions"),
        ("settings", len(content.settings), "#/settings"),
        *[("nodes", len(content.nodes), "#/nodes")] * bool(content.nodes),
        ("warnings", len(content.warnings), "#/warnings"),
    ]
