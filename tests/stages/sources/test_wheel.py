from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stages.failures import StageError
from stages.sources import wheel as source_wheel
from stages.sources.configured import WheelSource
from stages.sources.wheel import fetch

LIMITS = {"max_archive_bytes": 10_000_000, "max_archive_files": 1000}


def make_wheel(
    folder: Path, name: str = "made_up", version: str = "1.0.0", tag: str = "py3-none-any", **files: str
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    content = {"made/source/omni.a/config/extension.toml": "[package]\nversion = '1'\n"}
    content |= {key.replace("__", "/"): text for key, text in files.items()}
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
    content[f"{info}/RECORD"] = ""
    with zipfile.ZipFile(path, "w") as archive:
        for entry, text in content.items():
            archive.writestr(entry, text)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    configured = tmp_path / "pip.conf"
    configured.write_text(f"[global]\nno-index = true\nfind-links = {folder}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configured))
    for variable in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def get(tmp_path: Path, work: str = "work", **source: Any) -> tuple[Path, str]:
    source.setdefault("requirement", "made-up==1.0.0")
    return fetch(WheelSource(**source), work_dir=tmp_path / work, cache_dir=tmp_path / "cache", limits=LIMITS)


def leftovers(tmp_path: Path) -> list[str]:
    return [str(path) for path in tmp_path.rglob("*") if path.name.endswith(".part")]


def test_fetched_checked_unpacked_and_never_installed(tmp_path: Path, index: Path) -> None:
    wheel = make_wheel(index)
    root, digest = get(tmp_path, sha256=sha256(wheel).upper())
    assert digest == sha256(wheel)
    assert root == tmp_path / "work/sources" / f"wheel-made-up-1.0.0-{digest[:16]}"
    assert (root / "made/source/omni.a/config/extension.toml").read_text() == "[package]\nversion = '1'\n"
    shown = subprocess.run([sys.executable, "-m", "pip", "show", "made-up"], capture_output=True, check=False)
    assert shown.returncode == 1
    assert leftovers(tmp_path) == []


def test_a_download_is_used_again_in_another_work_directory(tmp_path: Path, index: Path) -> None:
    wheel = make_wheel(index)
    for source in ({"sha256": sha256(wheel)}, {}):
        get(tmp_path, **source)
    wheel.unlink()  # the index is now empty
    assert get(tmp_path, work="other", sha256=get(tmp_path)[1])[0].is_dir()
    assert get(tmp_path, work="third")[0].is_dir()


@pytest.mark.parametrize("with_hash", [True, pytest.param(False, marks=pytest.mark.long)])
def test_a_torn_cache_entry_is_fetched_again(tmp_path: Path, index: Path, with_hash: bool) -> None:
    wheel = make_wheel(index)
    source = {"sha256": sha256(wheel)} if with_hash else {}
    get(tmp_path, **source)
    (cached,) = (tmp_path / "cache").rglob("*.whl")
    cached.write_bytes(cached.read_bytes()[:100])
    root, _ = get(tmp_path, work="other", **source)
    assert (root / "made/source/omni.a/config/extension.toml").is_file()
    assert sha256(cached) == sha256(wheel)


def test_a_wheel_for_kits_python_is_fetched_with_any_python(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, tag="cp311-none-manylinux_2_35_x86_64")
    # The tags that pip would use with a Python other than 3.11.
    monkeypatch.setenv("PIP_PYTHON_VERSION", "3.9")
    assert get(tmp_path)[0].is_dir()


def test_a_wrong_hash_is_refused(tmp_path: Path, index: Path) -> None:
    wheel = make_wheel(index)
    with pytest.raises(StageError, match=f"SHA-256 {sha256(wheel)}, but sha256 in .* is {'0' * 64}"):
        get(tmp_path, sha256="0" * 64)
    assert not (tmp_path / "work").exists()
    assert not list((tmp_path / "cache").rglob("*.whl"))
    assert leftovers(tmp_path) == []
    get(tmp_path, sha256=sha256(wheel))


def test_a_package_missing_from_the_index(tmp_path: Path, index: Path) -> None:
    make_wheel(index)
    with pytest.raises(
        StageError, match=r"made-up==9\.9: the package index has no such wheel .* Correct the requirement"
    ):
        get(tmp_path, requirement="made-up==9.9")


def test_no_network(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = tmp_path / "pip.conf"
    configured.write_text("[global]\nindex-url = http://127.0.0.1:9/simple\nretries = 1\ntimeout = 2\n")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(StageError, match="the package index cannot be reached"):
        get(tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "requirement", ["made-up", "made-up>=1", "-r evil.txt", "made-up==1 --index-url=x", "git+https://x", ""]
)
def test_only_pinned_requirements(tmp_path: Path, requirement: str) -> None:
    with pytest.raises(StageError, match=r"is not a pinned requirement such as 'isaaclab==2\.3\.2'"):
        get(tmp_path, requirement=requirement)


def test_a_wheel_that_leads_outside_is_refused(tmp_path: Path, index: Path) -> None:
    wheel = make_wheel(index)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("../../evil.py", "x")
    with pytest.raises(StageError, match=r"the wheel is refused: the entry '../../evil.py' leads outside"):
        get(tmp_path)
    assert not list(tmp_path.rglob("evil.py"))
    assert os.listdir(tmp_path / "work/sources") == []


def test_limits_of_the_configuration_hold(tmp_path: Path, index: Path) -> None:
    make_wheel(index, data="x" * 1000)
    with pytest.raises(StageError, match=r"input.max_archive_bytes"):
        fetch(
            WheelSource(requirement="made-up==1.0.0"),
            work_dir=tmp_path / "work",
            cache_dir=tmp_path / "cache",
            limits={"max_archive_bytes": 500, "max_archive_files": 10},
        )


def test_an_unwritable_cache_gives_one_error(tmp_path: Path, index: Path) -> None:
    make_wheel(index)
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StageError, match=r"made-up==1\.0\.0: .*cache"):
        get(tmp_path)


def test_many_runs_share_one_cache(tmp_path: Path, index: Path) -> None:
    make_wheel(index)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            root, _ = get(tmp_path, work=f"work{number}")
            assert (root / "made/source/omni.a/config/extension.toml").is_file()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list((tmp_path / "cache").rglob("*.whl"))) == 1
    assert leftovers(tmp_path) == []


def test_the_users_cache_folder_is_the_default(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    make_wheel(index)
    fetch(WheelSource(requirement="made-up==1.0.0"), work_dir=tmp_path / "work", cache_dir=None, limits=LIMITS)
    assert list((tmp_path / "xdg/kit-extension-pipeline/wheels/made-up-1.0.0").glob("*.whl"))


@pytest.mark.network
def test_the_real_wheel(tmp_path: Path, wheel_file: Path) -> None:
    source = WheelSource(requirement="isaaclab==2.3.2", sha256=sha256(wheel_file))
    root, _ = source_wheel.fetch(source, work_dir=tmp_path / "work", cache_dir=tmp_path / "cache", limits={})
    assert len(list(root.glob("isaaclab/source/*/config/extension.toml"))) == 6
