from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from checkpoint.origin import Origin, moved_record, notices, relocation

HERE = Origin(
    folder="/code",
    project="/a",
    work_dir="/a/out",
    target_dir="/data",
    config="/a/pipeline_config.toml",
    sources=["/a/exts", "https://example.org/exts.git"],
    values={"processing.max_extensions": -1},
)


def _there(**changes: Any) -> Origin:
    return Origin(**{name: changes.get(name, getattr(HERE, name)) for name in HERE.__struct_fields__})


def test_without_a_move_there_is_no_notice() -> None:
    assert relocation(HERE, HERE) is None
    assert notices(HERE, HERE, resuming=False) == []


def test_paths_follow_a_project_that_moved() -> None:
    moved = relocation(HERE, _there(project="/b/c", work_dir="/b/c/out", config="/b/c/pipeline_config.toml"))
    assert moved is not None
    assert moved("/a/exts/x.py") == "/b/c/exts/x.py"
    assert moved("/a/out/sources.json") == "/b/c/out/sources.json"
    assert moved("/ab/exts/x.py") == "/ab/exts/x.py"
    assert moved("/data/107.3/VERSION.md") == "/data/107.3/VERSION.md"


def test_relative_paths_start_at_the_former_and_the_current_folder() -> None:
    moved = relocation(HERE, _there(folder="/tool"))
    assert moved is not None
    assert moved("out/x") == "/code/out/x"
    assert moved("/tool/out/x") == "out/x"


def test_another_project_on_the_same_work_directory_moves_nothing() -> None:
    now = _there(project="/b", config="/b/pipeline_config.toml", sources=["/b/exts"])
    assert relocation(HERE, now) is None
    ((level, message),) = notices(HERE, now, resuming=False)
    assert level == "notice"
    assert message == (
        "This work directory was made by another configuration (/a/pipeline_config.toml): sources /a/exts, "
        "https://example.org/exts.git -> /b/exts. Affected outputs are rebuilt."
    )


def test_a_moved_project_gives_one_notice_and_unchanged_sources() -> None:
    now = _there(
        project="/b",
        work_dir="/b/out",
        config="/b/pipeline_config.toml",
        sources=["/b/exts", "https://example.org/exts.git"],
    )
    ((_, message),) = notices(HERE, now, resuming=False)
    assert message == "/b/out: this work directory was moved or copied from /a/out. Its records are kept."


def test_changed_values_are_reported_unless_the_resume_reports_them() -> None:
    now = _there(values={"processing.max_extensions": 2, "embeddings.model": "x" * 100})
    ((_, message),) = notices(HERE, now, resuming=False)
    assert "embeddings.model none -> " in message
    assert "processing.max_extensions -1 -> 2" in message
    assert len(message) < 250
    assert notices(HERE, now, resuming=True) == []


def test_a_record_moves_with_its_files() -> None:
    state = [1, 2, 3, 4, "digest"]
    record = {
        "_values_:": {"options": {"mode": "/a/b"}, "targets": {"/a/out/x.json": state}},
        "deps:": ["/a/exts/x.py"],
        "/a/exts/x.py": state,
        "result:": None,
    }
    moved = relocation(HERE, _there(project="/b", work_dir="/b/out"))
    assert moved is not None
    assert moved_record(record, moved) == {
        "_values_:": {"options": {"mode": "/a/b"}, "targets": {"/b/out/x.json": state}},
        "deps:": ["/b/exts/x.py"],
        "/b/exts/x.py": state,
        "result:": None,
    }


_PART = st.text("abc.", min_size=1, max_size=3).filter(lambda part: part not in (".", "..", "..."))
_FOLDER = st.lists(_PART, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(_FOLDER, _FOLDER, st.lists(_PART, min_size=1, max_size=3).map("/".join))
def test_a_project_that_moves_back_has_its_former_paths(here: str, there: str, name: str) -> None:
    one = _there(project=here, work_dir=f"{here}/out", target_dir=f"{here}/data", folder="/code")
    two = _there(project=there, work_dir=f"{there}/out", target_dir=f"{there}/data", folder="/code")
    forth, back = relocation(one, two), relocation(two, one)
    path = f"{here}/{name}"
    assert (forth is None) == (here == there)
    if forth is not None and back is not None:
        assert forth(path) == f"{there}/{name}"
        assert back(forth(path)) == path
