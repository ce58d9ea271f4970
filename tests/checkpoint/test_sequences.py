"""Whatever is done to a pipeline, in whatever order: a last successful run gives what a clean run gives."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.checkpoint.test_specification import block
from tests.project import Project, make_extension, make_project

MAIN = "data_collection_pipeline.py"
EXAMPLES = int(os.environ.get("SEQUENCES", "4"))
FAILING = ("extension_data", "code_examples", "settings", "embeddings", "faiss", "final_assembly")
TARGETS = (
    "work/sources.json",
    "work/extensions.json",
    "work/extension_data/extensions_summary.json",
    "work/extension_data/examples/made.up01.json",
    "work/settings/setting_summary.json",
    "work/embeddings/settings_embeddings.npy",
    "work/faiss_databases/code_examples_faiss/index.json",
    "data/107.3/VERSION.md",
    "data/107.3/extensions/extensions_database.json",
)

steps = st.one_of(
    st.just(("run",)),
    st.just(("doit",)),
    st.just(("resume",)),
    st.just(("force",)),
    st.tuples(st.just("fail"), st.sampled_from(FAILING)),
    st.tuples(st.just("kill"), st.floats(0.2, 3.5)),
    st.tuples(st.just("edit"), st.integers(1, 3)),
    st.just(("add",)),
    st.just(("remove",)),
    st.tuples(st.just("configure"), st.integers(5, 60)),
    st.tuples(st.just("delete"), st.sampled_from(TARGETS)),
    st.tuples(st.just("tear"), st.sampled_from(TARGETS)),
    st.tuples(st.just("corrupt"), st.binary(max_size=20)),
)


def do(project: Project, step: tuple[object, ...]) -> None:
    kind, *argument = step
    if kind in ("run", "resume", "force"):
        project.run(MAIN, *([] if kind == "run" else [f"--{kind}"]))
    elif kind == "doit":
        project.run("doit", "-n", "0")
    elif kind == "fail":
        blocker = block(project, str(argument[0]))
        assert project.run(MAIN).code == 1
        blocker.unlink()
    elif kind == "kill":
        process = project.start(MAIN)
        time.sleep(float(str(argument[0])))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    elif kind == "edit":
        for source in sorted(project.extensions.glob(f"*{argument[0]}/made/*/__init__.py")):
            source.write_text(source.read_text() + f"\n\nclass Added{len(source.read_text())}:\n    pass\n")
    elif kind == "add":
        make_extension(project.extensions, len(list(project.extensions.iterdir())) + 10)
    elif kind == "remove":
        there = sorted(project.extensions.iterdir())
        if len(there) > 1:
            shutil.rmtree(there[-1])
    elif kind == "configure":
        project.configure(processing__code_examples_min_lines=argument[0])
    elif kind == "delete":
        (project.path / str(argument[0])).unlink(missing_ok=True)
    elif kind == "tear":
        path = project.path / str(argument[0])
        if path.exists():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "corrupt":
        project.work.mkdir(exist_ok=True)
        project.checkpoint_file.write_bytes(argument[0])  # type: ignore[arg-type]


@pytest.mark.long
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(steps, min_size=2, max_size=6))
def test_any_sequence_ends_in_what_a_clean_run_gives(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[tuple[object, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("sequence").resolve()
    project = make_project(folder / "project", count=3)
    for step in sequence:
        do(project, step)
    last = project.run(MAIN, "--resume")
    note(last.output)
    assert last.code == 0
    assert project.checkpoint() is None

    clean = Project(folder / "clean")
    shutil.copytree(project.extensions, clean.extensions)
    shutil.copy(project.config, clean.config)
    assert clean.run(MAIN).code == 0
    assert project.data_digest() == clean.data_digest()
    shutil.rmtree(folder)


@pytest.mark.long
def test_a_removed_extension_is_gone_from_everywhere(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=3)
    assert project.run(MAIN).code == 0
    shutil.rmtree(project.extensions / "made.up03")
    assert project.run("doit").code == 0
    left = [p for top in (project.work, project.data) for p in top.rglob("*made.up03*")]
    assert left == []
