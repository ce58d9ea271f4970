"""Factories for records of the stages' files, with defaults for all values."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.artifacts.code_examples import Example, ExampleFile, ExampleSummary, ExampleTotals
from stages.artifacts.extension_data import (
    DATABASE,
    REPORT,
    SUMMARY,
    DatabaseEntry,
    ExtensionsDatabase,
    ExtractionReport,
    PythonFileCounts,
)
from stages.artifacts.nodes import DATABASE as NODES
from stages.artifacts.nodes import Node, NodesDatabase
from stages.artifacts.preparation import (
    EXTENSIONS,
    App,
    Extension,
    ExtensionFiles,
    Extensions,
    Metadata,
    PythonModule,
)
from stages.artifacts.pull_repo_exts import SOURCES, Source, Sources
from stages.artifacts.settings import REPORT as SETTINGS_REPORT
from stages.artifacts.settings import (
    STATISTICS,
    ConflictingSetting,
    SearchedFiles,
    SettingsReport,
    SettingStatistics,
    UnresolvedSetting,
)
from stages.failures import StageWarning
from stages.storage.jsonfile import write_json


def extension(
    id_: str, *, files: dict[str, list[str]] | None = None, modules: Iterable[str] = (), **more: Any
) -> Extension:
    """An extension with the given files by kind and declared modules."""
    kinds: dict[str, list[str]] = {"python": [], "stubs": [], "toml": [], "cpp": [], "docs": [], "ogn": []} | (
        files or {}
    )
    metadata = Metadata(
        title="",
        description="",
        category="",
        keywords=[],
        dependencies=[],
        optional_dependencies=[],
        readme=None,
        changelog=None,
        readme_text="",
    )
    given: dict[str, Any] = {
        "version": "1.2.3",
        "source": 0,
        "folder": f"sources/{id_}",
        "manifest": "extension.toml",
        "metadata": metadata,
        "python_modules": [PythonModule(name=name, path=".") for name in modules],
        "python_roots": {"": ""},
        "files": ExtensionFiles(**kinds),
        "size": 10,
    }
    return Extension(id=id_, **{**given, **more})


def app(id_: str, file: str = "", path: str = "") -> App:
    """An app."""
    file = file or f"{id_}.kit"
    return App(id=id_, version="1.0.0", title="", file=file, source=0, path=path or f"apps/{file}")


def write_chosen(
    work_dir: Path,
    extensions: Iterable[Extension],
    apps: Iterable[App] = (),
    *,
    kit_version: str = "107.3.3",
    **more: Any,
) -> None:
    """Write ``extensions.json``."""
    given: dict[str, Any] = {"other_versions": {}, "excluded": {}, "warnings": [], "files_seen": {}}
    chosen = Extensions(kit_version=kit_version, extensions=list(extensions), apps=list(apps), **{**given, **more})
    write_json(work_dir / EXTENSIONS, chosen)


def write_sources(
    work_dir: Path, root: str, *, exts: Iterable[str] = ("exts",), apps: Iterable[str] = (), **more: Any
) -> None:
    """Write ``sources.json`` with one source."""
    source = Source(
        kind="path",
        name=more.pop("name", "made"),
        root=root,
        exts_paths=list(exts),
        apps_paths=list(apps),
        unbuilt_paths=[],
        app_template_path=more.pop("app_template_path", None),
        revision="0" * 32,
        kit_version=None,
        links="any",
    )
    given: dict[str, Any] = {"kit_version": "107.3.3", "limits": {}, "warnings": []}
    write_json(work_dir / SOURCES, Sources(kit_cache_path=root, sources=[source], **{**given, **more}))


def example_summary(*, count: int) -> ExampleSummary:
    """The summary of so many examples, without the extensions' own counts."""
    totals = ExampleTotals(methods_analyzed=count, interesting_methods=count, duplicates=0, tokens=9 * count)
    return ExampleSummary(kit_version="107.3.3", scan_mode="regular", total_extensions=0, totals=totals, extensions={})


def example_file(path: str, *, count: int) -> ExampleFile:
    """Return a file with the given number of examples."""
    extension_id = path.rpartition("/")[2].removesuffix(".example.json")
    methods = [
        Example(
            name=f"f{number}",
            full_name=f"a.f{number}",
            module="a",
            file_path="a/__init__.py",
            start_line=1,
            signature_end_line=1,
            code_line=2,
            end_line=2,
            docstring=None,
            line_count=2,
            token_count=9,
            complexity_score=1,
            is_async=False,
            decorators=[],
            reasons=["Uses recursion"],
            class_usages=[],
            source_code=f"def f{number}():\n    f{number}()",
        )
        for number in range(count)
    ]
    return ExampleFile(
        extension_name=extension_id,
        kit_version="107.3.3",
        interesting_methods_count=count,
        scan_mode="regular",
        methods=methods,
    )


def write_extraction(work_dir: Path, extensions: Iterable[Extension], warnings: list[StageWarning]) -> None:
    """Write the merged files of stage 3. Each extension has one module, two classes and three methods."""
    entries = {
        item.id: DatabaseEntry(
            version=item.version,
            title="",
            description="",
            long_description="",
            category="",
            keywords=[],
            dependencies=[],
            optional_dependencies=[],
            has_python_api=bool(item.files.python),
            has_overview=False,
            python_modules=[],
            total_modules=1,
            total_classes=2,
            total_methods=3,
            codeatlas_path=None,
            api_docs_path=None,
            codeatlas_token_count=0,
            api_docs_token_count=0,
        )
        for item in extensions
    }
    database = ExtensionsDatabase(
        database_version="1.0", kit_version="107.3.3", total_extensions=len(entries), extensions=entries
    )
    write_json(work_dir / DATABASE, database)
    write_json(work_dir / SUMMARY, {"summary": list(entries)})
    counts = PythonFileCounts(seen=2, parsed=2, api=2, tests=0, outside=0, excluded=0, unreadable=0, left_out=[])
    write_json(work_dir / REPORT, ExtractionReport(files=counts, warnings=warnings))


def write_nodes(work_dir: Path, *, total: int) -> None:
    """Write the database of node types, with the given number of entries."""
    node = Node(
        extension="my.a",
        version="1.2.3",
        node_version=1,
        language="python",
        description="",
        ui_name=None,
        categories=[],
        class_full_name=None,
        file_path="nodes/OgnX.ogn",
        implementation_path=None,
        inputs={},
        outputs={},
        state={},
    )
    nodes = {f"my.a.N{number}": node for number in range(total)}
    write_json(work_dir / NODES, NodesDatabase(kit_version="107.3.3", total_nodes=total, nodes=nodes))


def write_settings(work_dir: Path, *, total: int, documented: int, warnings: list[StageWarning]) -> None:
    """Write the statistics and the report of stage 5, with one conflict and one unresolved expression."""
    statistics = SettingStatistics(
        total_settings=total,
        by_type={},
        by_prefix={},
        by_extension={},
        documented=documented,
        undocumented=total - documented,
        with_default=0,
        used=0,
        total_usages=0,
        dynamic=0,
        conflicting_defaults=1,
    )
    write_json(work_dir / STATISTICS, statistics)
    report = SettingsReport(
        files=SearchedFiles(toml=3, cpp=1, cpp_without_settings=0, skipped=[]),
        warnings=warnings,
        unresolved=[UnresolvedSetting(extension="my.a", file="a.py", line=1, expression="<x:Y>")],
        conflicts=[ConflictingSetting(setting="/a/b", default=1, other_values=[])],
    )
    write_json(work_dir / SETTINGS_REPORT, report)
