"""Random sequences of commands: a final successful run gives the result of a clean run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
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

PARTIAL = (
    ("settings",),
    ("pull_repo_exts",),
    ("-s", "faiss"),
    ("settings:made.up01",),
    ("--force", "settings:made.up01"),
    ("--start", "settings"),
    ("--end", "code_examples"),
)
RECORD = (("forget", "settings"), ("forget",), ("clean", "extension_data"), ("clean",), ("reset-dep", "preparation"))

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
    st.tuples(st.just("partial"), st.sampled_from(PARTIAL)),
    st.tuples(st.just("reporter"), st.sampled_from(["executed-only", "zero", "json"])),
    st.tuples(st.just("override"), st.integers(1, 3)),
    st.tuples(st.just("record"), st.sampled_from(RECORD)),
    st.tuples(st.just("ignore"), st.sampled_from(["settings:made.up01", "faiss", "extension_data:made.up02"])),
    st.just(("move the sources",)),
    st.just(("another configuration",)),
    st.tuples(st.just("kill a clean"), st.floats(0.05, 1.0)),
    st.tuples(st.just("kit"), st.sampled_from(["107.3.1", "107.3.3", "108.1.0"])),
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
        if project.work.exists():
            project.checkpoint_file.write_bytes(argument[0])  # type: ignore[arg-type]
    elif kind in ("partial", "record"):
        project.run("doit", *argument[0])  # type: ignore[misc]
    elif kind == "reporter":
        project.run("doit", "-r", str(argument[0]))
    elif kind == "override":
        project.run("doit", f"max_extensions={argument[0]}")
    elif kind == "ignore":
        project.run("doit", "ignore", str(argument[0]))
        project.run("doit")
        project.run("doit", "forget", str(argument[0]))
    elif kind == "move the sources":
        away = project.extensions.rename(project.path / "away")
        project.run(MAIN, "--resume")
        away.rename(project.extensions)
    elif kind == "another configuration":
        other = project.path / "other.toml"
        other.write_text(
            project.config.read_text().replace("code_examples_min_lines = 20", "code_examples_min_lines = 7")
        )
        project.finish(project.start_command([sys.executable, "-m", "doit", f"config={other}", "--end", "settings"]))
    elif kind == "kill a clean":
        process = project.start("doit", "--force")
        time.sleep(float(str(argument[0])))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    elif kind == "kit":
        project.configure(input__kit_version=argument[0])


# Steps that do not update the file: it still has the state of the previous run.
_UNSEEN = ("edit", "add", "remove", "configure", "delete", "tear", "corrupt", "kit", "fail", "kill", "kill a clean")


def check_that_the_checkpoint_matches_doit(project: Project, step: tuple[object, ...]) -> None:
    """Every complete stage of the checkpoint is up to date in doit, with the values that a resume restores."""
    if step[0] in _UNSEEN or step[0] in ("move the sources", "another configuration") or project.checkpoint() is None:
        return
    shown = json.loads(project.run("doit", "dry-run", "--json", "resume=1").output)
    for stage in (project.checkpoint() or {})["completed_stages"]:
        actions = {task["action"] for task in shown if task["stage"] == stage}
        assert actions == {"up-to-date"}, (step, stage, [t for t in shown if t["stage"] == stage])


@pytest.mark.long
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(steps, min_size=2, max_size=6))
def test_any_sequence_ends_with_the_result_of_a_clean_run(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[tuple[object, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("sequence").resolve()
    project = make_project(folder / "project", count=3)
    is_current = True
    for step in sequence:
        do(project, step)
        is_current = step[0] not in _UNSEEN and (is_current or step[0] in ("run", "doit", "force"))
        if is_current:
            check_that_the_checkpoint_matches_doit(project, step)
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
def test_a_removed_extension_leaves_no_trace(tmp_path: Path) -> None:
    project = make_project(tmp_path.resolve() / "project", count=3)
    assert project.run(MAIN).code == 0
    shutil.rmtree(project.extensions / "made.up03")
    assert project.run("doit").code == 0
    # The replaced data set is kept for `doit diff --since-last`.
    previous = project.work / "final_assembly/previous"
    left = {p for top in (project.work, project.data) for p in top.rglob("*made.up03*")}
    assert left == set(previous.rglob("*made.up03*"))
