"""The pipeline as doit tasks: eight stages that read and write files, with a subtask per extension.

``doit`` runs it, ``doit list --all`` shows the tasks, ``doit help`` the commands. Configuration values may
follow as KEY=VALUE: ``doit max_extensions=25``.
"""

from collections.abc import Iterator
from typing import Any

from doit import create_after

from checkpoint.invocation import Invocation
from checkpoint.reporter import AccountReporter
from checkpoint.selection import MERGE
from console.outputs import not_started
from console.run_console import RunConsole
from stages import (
    code_examples,
    embeddings,
    extension_data,
    faiss,
    final_assembly,
    preparation,
    pull_repo_exts,
    settings,
)
from stages.artifacts.code_examples import COPIES as EXAMPLE_COPIES
from stages.artifacts.code_examples import example_files
from stages.artifacts.embeddings import KINDS_BY_SIZE
from stages.artifacts.final_assembly import COMPLETION_REPORT, COPIES, PREVIOUS
from stages.artifacts.preparation import EXTENSIONS
from stages.artifacts.pull_repo_exts import SOURCES
from stages.artifacts.settings import owner_name
from stages.sources import fingerprint

Task = dict[str, Any]

invocation = Invocation.from_command_line(RunConsole, not_started)
pipeline, graph = invocation.pipeline, invocation.pipeline.graph
DOIT_CONFIG = invocation.doit_config(AccountReporter)

config, at, folders = pipeline.config.effective, pipeline.path, {"work_dir": pipeline.config.work_dir}
processing, encoding = config["processing"], config["embeddings"]["encoding_model"]
mode = processing["code_examples_scan_mode"]


def task_pull_repo_exts() -> Task:
    """1/8 fetch, build and locate the sources of extensions."""
    stage = pipeline.stage("pull_repo_exts")
    return stage.task(
        pull_repo_exts.pull,
        unchecked=folders | pipeline.pull_arguments(),
        checked=lambda: pipeline.pull_fingerprint(fingerprint.state_of),
        recorded=lambda: pipeline.pulled_fingerprint(fingerprint.pulled_signature),
        targets=[at(SOURCES)],
        always="update is requested" if pipeline.request.update else "",
        in_process=True,
        folders=[at("sources")],
    )


def task_preparation() -> Task:
    """2/8 choose the extensions: filters, highest versions, files."""
    stage = pipeline.stage("preparation")
    return stage.task(
        preparation.prepare,
        unchecked=folders | {"outputs": [pipeline.config.target_dir]},
        options={
            "excluded": config["input"]["excluded_extensions"],
            "max_extensions": processing["max_extensions"],
        },
        checked=lambda: pipeline.sources_state(fingerprint.state_of),
        recorded=pipeline.accepted,
        steady=["times"],
        file_dep=[at(SOURCES)],
        targets=[at(EXTENSIONS)],
        in_process=True,
    )


@create_after("preparation")  # type: ignore[untyped-decorator]
def task_extension_data() -> Iterator[Task]:
    """3/8 extract metadata, code atlas, API docs and OmniGraph nodes."""
    stage = pipeline.stage("extension_data", after=["preparation"])
    for extension in graph.extensions:
        yield stage.task(
            extension_data.extract,
            extension,
            name=extension.id,
            unchecked=folders,
            options={
                "excluded_modules": processing["excluded_modules"],
                "include_source_code": processing["include_source_code"],
                "encoding": encoding,
            },
            file_dep=graph.files_of(extension, extension_data.dependencies(extension)),
            targets=map(at, extension_data.targets(extension)),
        )
    yield stage.task(
        extension_data.merge,
        name=MERGE,
        unchecked=folders,
        file_dep=map(at, [EXTENSIONS, *extension_data.merge_dependencies(graph.extensions)]),
        targets=map(at, extension_data.MERGE_TARGETS),
    )


@create_after("preparation")  # type: ignore[untyped-decorator]
def task_code_examples() -> Iterator[Task]:
    """4/8 select code examples by size and complexity."""
    stage = pipeline.stage("code_examples", after=["extension_data"])
    for extension in graph.extensions:
        yield stage.task(
            code_examples.select,
            extension,
            name=extension.id,
            unchecked=folders,
            options={
                "mode": mode,
                "min_lines": processing["code_examples_min_lines"],
                "min_complexity": processing["code_examples_min_complexity"],
                "encoding": encoding,
                "kit_version": graph.kit_version,
            },
            file_dep=map(at, code_examples.dependencies(extension)),
            targets=map(at, code_examples.targets(extension)),
        )
    yield stage.task(
        code_examples.merge,
        name=MERGE,
        unchecked=folders,
        options={"mode": mode},
        file_dep=map(at, [EXTENSIONS, *code_examples.merge_dependencies(graph.extensions)]),
        targets=map(at, code_examples.merge_targets(graph.extensions, mode)),
        others=[at(EXAMPLE_COPIES)],
        synced=True,
    )


@create_after("preparation")  # type: ignore[untyped-decorator]
def task_settings() -> Iterator[Task]:
    """5/8 collect settings from TOML, Python and C++."""
    stage = pipeline.stage("settings", after=["code_examples"])
    for owner in graph.owners:
        yield stage.task(
            settings.scan,
            owner,
            name=owner_name(owner),
            unchecked=folders,
            file_dep=[
                *graph.files_of(owner, settings.dependencies(owner)),
                *map(at, settings.intermediate_dependencies(owner)),
            ],
            targets=map(at, settings.targets(owner)),
        )
    yield stage.task(
        settings.merge,
        name=MERGE,
        unchecked=folders,
        file_dep=map(at, [EXTENSIONS, *settings.merge_dependencies(graph.owners)]),
        targets=map(at, settings.MERGE_TARGETS),
    )


@create_after("preparation")  # type: ignore[untyped-decorator]
def task_embeddings() -> Iterator[Task]:
    """6/8 embed extensions, code examples, settings and OmniGraph nodes."""
    stage = pipeline.stage("embeddings", after=["settings"])
    options = pipeline.embedding_options()
    examples = example_files(graph.extensions, mode)
    for kind in KINDS_BY_SIZE:
        task = stage.task(
            embeddings.embed,
            kind,
            name=kind,
            unchecked=folders
            | {"options": options, "api_key": pipeline.paid_key, "use_cache": not pipeline.request.no_cache},
            checked=embeddings.relevant_options(options),
            file_dep=map(at, embeddings.dependencies(kind, examples)),
            targets=map(at, embeddings.targets(kind)),
        )
        if kind == "nodes":
            # Most data sets have no nodes. Their empty index gets its dimension from the embedded extensions.
            task["task_dep"] = [*task["task_dep"], "embeddings:extensions"]
        yield task


def task_faiss() -> Iterator[Task]:
    """7/8 index the embeddings with FAISS."""
    stage = pipeline.stage("faiss", after=["embeddings"])
    for kind in KINDS_BY_SIZE:
        yield stage.task(
            faiss.build,
            kind,
            name=kind,
            unchecked=folders,
            options={"options": faiss.relevant_options(pipeline.embedding_options())},
            file_dep=map(at, faiss.dependencies(kind)),
            targets=map(at, faiss.targets(kind)),
        )


@create_after("preparation")  # type: ignore[untyped-decorator]
def task_final_assembly() -> Task:
    """8/8 assemble the versioned data set."""
    stage = pipeline.stage("final_assembly", after=["settings", "faiss"])
    options = {"mode": mode, "with_search": not pipeline.request.quick}
    work_dir, target_dir = pipeline.config.work_dir, pipeline.config.target_dir
    prepared = not graph.refusal()
    return stage.task(
        final_assembly.assemble,
        unchecked={"work_dir": work_dir, "target_dir": target_dir},
        options=options | {"configuration_sha256": final_assembly.configuration_digest(pipeline.config.values)},
        file_dep=map(at, final_assembly.dependencies(work_dir, **options) if prepared else ()),
        targets=map(pipeline.target_path, final_assembly.targets(work_dir, **options) if prepared else ()),
        others=[
            at(COPIES),
            pipeline.target_path(COMPLETION_REPORT),
        ],
        published=True,
        synced=True,
        folders=[at(PREVIOUS)],
    )
