"""The texts of extensions, examples and settings."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.artifacts.embeddings import KINDS, ExtensionMetadata, SettingMetadata
from stages.failures import StageError
from stages.retrieval import tokens
from stages.retrieval.documents import documents
from stages.retrieval.lexical import words

FIXTURE = Path(__file__).parents[2] / "fixtures" / "search" / "work"


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURE, tmp_path / "work"))


def change(path: Path, edit: Any) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_extension_document_has_title_description_keywords_api_and_readme(work_dir: Path) -> None:
    found = {document.id: document for document in documents("extensions", work_dir)}
    assert found["acme.stage.tools"].page_content == (
        "Stage Tools (acme.stage.tools)\n"
        "Opens, saves and inspects USD stages.\n"
        "usd, stage\n"
        "API: StageOpener, PrimLister, save_stage_as, DEFAULT_UNITS\n"
        "# Stage tools\n"
        "Open a stage from a path, save it under a new name, or list the prims below a path."
    )
    metadata = found["acme.stage.tools"].metadata
    assert isinstance(metadata, ExtensionMetadata)
    assert metadata.keywords == "usd, stage"
    assert found["acme.assets"].page_content == "acme.assets (acme.assets)"


def test_example_document_starts_with_name_and_summary(work_dir: Path) -> None:
    found = {document.id: document for document in documents("code_examples", work_dir)}
    lines = found["acme.stage.tools:acme.stage.tools.StageOpener.open_stage"].page_content.splitlines()
    assert lines[:4] == [
        "stage opener open stage: Open the USD stage at a path and wait until it is loaded.",
        "acme.stage.tools.StageOpener.open_stage",
        "def open_stage(self, path: str) -> bool:",
        "    context = omni.usd.get_context()",
    ]
    assert lines[-1] == "    return context.open_stage(path)"
    without = found["acme.camera.rig:acme.camera.rig.CameraRig.set_focal_length"].page_content.splitlines()
    assert without == [
        "camera rig set focal length",
        "acme.camera.rig.CameraRig.set_focal_length",
        "def set_focal_length(self, millimetres):",
        "    self.camera.GetFocalLengthAttr().Set(millimetres)",
    ]


def test_example_keeps_the_rest_of_the_docstring_and_no_line_twice(work_dir: Path) -> None:
    path = work_dir / "code_examples" / "extracted_methods_regular" / "acme.physics.cloth.example.json"
    example = {
        "full_name": "m.f",
        "module": "m",
        "source_code": '@cache\ndef f(\n    a,\n):\n    r"""One \\d.\n\n    Two.\n    """\n    return a',
        "docstring": "One \\d.\n\nTwo.",
        "start_line": 41,
        "signature_end_line": 44,
        "code_line": 49,
        "end_line": 49,
    }
    change(path, lambda content: content["methods"][0].update(example))
    found = {document.id: document for document in documents("code_examples", work_dir)}
    lines = found["acme.physics.cloth:m.f"].page_content.splitlines()
    assert lines == ["f: One \\d.", "m.f", "@cache", "def f(", "    a,", "):", "Two.", "    return a"]


def test_redefinition_has_a_separate_document(work_dir: Path) -> None:
    found = [document.id for document in documents("code_examples", work_dir) if document.id.startswith("acme.stage")]
    assert len(found) == len(set(found)) == 4
    assert "acme.stage.tools:acme.stage.tools.PrimLister.list_prims@80" in found


def test_setting_document_has_path_words_documentation_and_owner(work_dir: Path) -> None:
    found = {document.id: document for document in documents("settings", work_dir)}
    assert found["/exts/acme.camera.rig/defaultFocalLength"].page_content == (
        "/exts/acme.camera.rig/defaultFocalLength\n"
        "exts acme camera rig default focal length\n"
        "Focal length of a new camera, in millimetres.\n"
        "float setting of acme.camera.rig"
    )
    metadata = found["/app/window/width"].metadata
    assert isinstance(metadata, SettingMetadata)
    assert metadata.has_documentation is False
    assert metadata.prefix == "app"


@pytest.mark.parametrize("kind", KINDS)
def test_sorted_by_id_and_cut_to_exact_tokens(work_dir: Path, kind: str) -> None:
    whole = list(documents(kind, work_dir))
    assert [document.id for document in whole] == sorted(document.id for document in whole)
    for limit in (5, 12, 30):
        for document, complete in zip(documents(kind, work_dir, max_tokens=limit), whole, strict=True):
            assert document.page_content.strip()
            assert tokens.count(document.page_content) <= limit
            if tokens.count(complete.page_content) <= limit:
                assert document.page_content == complete.page_content


def test_ids_are_sorted_if_one_extension_id_is_a_prefix_of_another(work_dir: Path) -> None:
    folder = work_dir / "code_examples" / "extracted_methods_regular"
    shutil.copy(folder / "acme.stage.tools.example.json", folder / "acme.stage.tools.ui.example.json")
    shutil.copy(folder / "acme.stage.tools.example.json", folder / "acme.stage.tools-extra.example.json")
    ids = [document.id for document in documents("code_examples", work_dir)]
    assert ids == sorted(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("kind", "path", "edit"),
    [
        (
            "extensions",
            "extension_data/extensions_database.json",
            lambda c: c["extensions"]["acme.assets"].pop("title"),
        ),
        ("extensions", "extension_data/api_docs/acme.ui.panel-1.0.3.api_docs.json", lambda c: c.pop("classes")),
        ("settings", "settings/setting_summary.json", lambda c: c["settings"].update({"/a": 1})),
        (
            "code_examples",
            "code_examples/extracted_methods_regular/acme.camera.rig.example.json",
            lambda c: c["methods"][0].pop("module"),
        ),
    ],
)
def test_malformed_file_is_named(work_dir: Path, kind: str, path: str, edit: Any) -> None:
    change(work_dir / path, edit)
    with pytest.raises(StageError, match=Path(path).name):
        list(documents(kind, work_dir))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/app/drawMouse2", "app draw mouse 2"),
        ("omni.kit.USDStageLoader_v3", "omni kit usd stage loader v 3"),
        ("HTTPServer", "http server"),
        ("größe_漢字", "größe 漢字"),
        ("MÜLL", "müll"),
        ("MU\u0308LL", "müll"),
        ("ÜberMÜLLEimer", "über müll eimer"),
        ("ΑΒΓΔε_Жук", "αβγ δε жук"),
        ("हिन्दी", "हिन्दी"),
        ("x²", "x ²"),
        ("---", ""),
    ],
)
def test_words_of_identifiers(name: str, expected: str) -> None:
    assert " ".join(words(name)) == expected


@given(st.text())
def test_words_contain_every_letter_and_digit(text: str) -> None:
    # A letter and its combining accent become one composed character.
    text = unicodedata.normalize("NFC", text)
    kept = "".join(character for character in text if character.isalnum())
    found = "".join(character for character in "".join(words(text)) if unicodedata.category(character)[0] != "M")
    lower = "".join(character for character in kept.lower() if unicodedata.category(character)[0] != "M")
    assert found.replace("ς", "σ") == lower.replace("ς", "σ")


@given(st.text())
def test_words_of_ascii_text_are_split_like_other_text(text: str) -> None:
    assert words(text) == words(text + " ö")[:-1]
