from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stages.failures import StageError
from stages.preparation import prepare
from stages.pull_repo_exts import pull
from stages.sources.configured import ConfiguredSource, GitSource, PathSource, WheelSource
from stages.sources.fingerprint import pulled_signature, state_of

PROJECT = Path(__file__).parents[2]
SCHEMAS = PROJECT / "stages" / "schemas"


def write(path: Path, text: str | bytes = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def extension(folder: Path, version: str = "1.0.0") -> None:
    write(folder / "config/extension.toml", f"[package]\nversion = '{version}'\n")
    write(folder / "omni/x.py", "x = 1\n")


def read(path: Path, schema: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_bytes())
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{schema}.schema.json").read_bytes())).validate(value)
    return value


def pulled(work_dir: Path, *sources: ConfiguredSource, **options: Any) -> dict[str, Any]:
    options.setdefault("kit_version", "107.3.3")
    pull(list(sources), work_dir=work_dir, **options)
    return read(work_dir / "sources.json", "sources")


def path_source(path: Path, **more: Any) -> PathSource:
    return PathSource(path=str(path), **more)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


BUILD = """#!/bin/sh
set -e
out=_build/linux-x86_64/release
mkdir -p $out/exts $out/extscache $out/apps $out/kit/extscore
for ext in source/extensions/*; do
    mkdir -p $out/exts/$(basename $ext)
    ln -sfn $PWD/$ext/config $out/exts/$(basename $ext)/config
    ln -sfn $PWD/$ext/omni $out/exts/$(basename $ext)/omni
done
mkdir -p $out/extscache/omni.cached-3.1.0+8131b85d.lx64.r.cp311/config
echo "[package]" > $out/extscache/omni.cached-3.1.0+8131b85d.lx64.r.cp311/config/extension.toml
mkdir -p "$KIT_CACHE/omni.core/config"
echo "[package]" > "$KIT_CACHE/omni.core/config/extension.toml"
ln -sfn "$KIT_CACHE/omni.core" $out/kit/extscore/omni.core
echo "107.3.3+isaac.229672.69cbf6ad.gl.manylinux_2_35_x86_64.release" > $out/kit/VERSION
cp source/apps/*.kit $out/apps/
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository like that of a Kit application, with a script that makes a realistic build."""
    folder = tmp_path / "kit-app"
    extension(folder / "source/extensions/omni.mine", "1.2.0")
    write(folder / "source/apps/my.app.kit", "[package]\nversion = '1.0'\ntitle = 'Mine'\n")
    write(folder / "templates/app.kit", "[package]\ntitle = '{{ title }}'\n")
    extension(folder / "templates/omni.template")
    write(folder / "tools/deps/kit-sdk.packman.xml", '<package name="kit-kernel" version="107.2.0+x"/>')
    write(folder / "build.sh", BUILD)
    (folder / "build.sh").chmod(0o755)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def git_source(repository: Path, **more: Any) -> GitSource:
    return GitSource(url=repository.as_uri(), branch="main", **more)


# --- git, from the clone to the extensions ---------------------------------------------------------------------------


def test_a_repository_with_a_build_command(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "packman"))
    work_dir = tmp_path / "work"
    source = git_source(repository, build_command=["./build.sh"], app_template_path="templates")
    sources = pulled(work_dir, source, kit_version=None)
    (entry,) = sources["sources"]
    out = "_build/linux-x86_64/release"
    assert sources["kit_version"] == entry["kit_version"] == "107.3.3"
    assert sources["kit_cache_path"] == entry["root"]
    assert entry["root"].startswith("sources/git-kit-app-")
    assert entry["revision"] == git(repository, "rev-parse", "HEAD")
    assert entry["exts_paths"] == [f"{out}/exts", f"{out}/extscache", f"{out}/kit/extscore"]
    assert entry["apps_paths"] == [f"{out}/apps"]
    assert entry["app_template_path"] == "templates"
    prepare(work_dir, excluded=[], max_extensions=-1)
    result = read(work_dir / "extensions.json", "extensions")
    assert [(found["id"], found["version"], found["files"]["python"]) for found in result["extensions"]] == [
        ("omni.cached", "3.1.0", []),
        ("omni.core", "0.0.0", []),
        ("omni.mine", "1.2.0", ["omni/x.py"]),
    ]
    assert [(app["id"], app["title"]) for app in result["apps"]] == [("my.app", "Mine")]


def test_a_repository_without_a_build_command(tmp_path: Path, repository: Path) -> None:
    work_dir = tmp_path / "work"
    sources = pulled(work_dir, git_source(repository, app_template_path="templates"), kit_version=None)
    assert sources["kit_version"] == "107.2.0"
    assert sources["sources"][0]["exts_paths"] == [""]
    prepare(work_dir, excluded=[], max_extensions=-1)
    result = read(work_dir / "extensions.json", "extensions")
    assert [found["id"] for found in result["extensions"]] == ["omni.mine"]  # the template does not count
    assert [app["id"] for app in result["apps"]] == ["my.app"]


def test_a_repository_that_is_one_extension(tmp_path: Path) -> None:
    folder = tmp_path / "omni.my_tool.git"
    extension(folder, "2.0.0")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "first")
    pulled(tmp_path / "work", git_source(folder))
    prepare(tmp_path / "work", excluded=[], max_extensions=-1)
    (entry,) = read(tmp_path / "work/extensions.json", "extensions")["extensions"]
    assert (entry["id"], entry["version"]) == ("omni.my_tool", "2.0.0")


def test_paths_may_be_given_from_the_platform_folder(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "packman"))
    source = git_source(
        repository, build_command=["./build.sh"], exts_path=["ext*", "source/extensions"], apps_path=["apps"]
    )
    (entry,) = pulled(tmp_path / "work", source)["sources"]
    out = "_build/linux-x86_64/release"
    assert entry["exts_paths"] == [f"{out}/exts", f"{out}/extscache", "source/extensions"]
    assert entry["apps_paths"] == [f"{out}/apps"]


def test_a_link_out_of_a_clone_is_refused(tmp_path: Path, repository: Path) -> None:
    (repository / "outside").symlink_to("/etc")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "-m", "link")
    for places in ({"exts_path": ["outside"]}, {"apps_path": ["outside"]}, {"app_template_path": "outside"}):
        with pytest.raises(StageError, match="outside is a link that leads out of the source; it is refused"):
            pulled(tmp_path / "work", git_source(repository, **places))


def test_wrong_sources_are_refused_before_anything_is_fetched(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(StageError, match="is refused"):
        pulled(tmp_path / "work", git_source(repository), GitSource(url="ext::sh -c evil"))
    assert not (tmp_path / "work").exists()


# --- folders ---------------------------------------------------------------------------------------------------------


def test_patterns(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("a/exts/omni.a", "b/exts/omni.b", "c/other/omni.c"):
        extension(root / name)
    source = path_source(root, exts_path=["*/exts", "a/exts", "c/other/"])
    (entry,) = pulled(tmp_path / "work", source)["sources"]
    assert entry["exts_paths"] == ["a/exts", "b/exts", "c/other"]
    with pytest.raises(StageError, match=r"exts_path: there is no folder 'd\*' in it.* It has: a, b, c\."):
        pulled(tmp_path / "work", path_source(root, exts_path=["d*"]))
    with pytest.raises(StageError, match=r"apps_path: there is no folder 'apps' in it"):
        pulled(tmp_path / "work", path_source(root, apps_path=["apps"]))


@pytest.mark.parametrize("pattern", ["../x", "/etc", "a/../../x", "~/x", "..\\x", "a\0b"])
def test_patterns_that_lead_outside(tmp_path: Path, pattern: str) -> None:
    extension(tmp_path / "root/omni.a")
    for key, value in (("exts_path", [pattern]), ("apps_path", [pattern]), ("app_template_path", pattern)):
        with pytest.raises(StageError, match=f"{key}: .* leads out of the source"):
            pulled(tmp_path / "work", path_source(tmp_path / "root", **{key: value}))


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"nothing: this source does not exist\. Correct `path`"):
        pulled(tmp_path / "work", path_source(tmp_path / "nothing"))
    write(tmp_path / "file")
    with pytest.raises(StageError, match="file: this source is not a folder"):
        pulled(tmp_path / "work", path_source(tmp_path / "file"))
    os.mkdir(os.fsencode(tmp_path) + b"/bad\xff")
    with pytest.raises(StageError, match="its name is not valid UTF-8"):
        pulled(tmp_path / "work", path_source(tmp_path / "bad\udcff"))


def test_the_users_cache_is_never_written(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    extension(cache / "omni.a-1.0.0")
    with zipfile.ZipFile(cache / "omni.z-1.0.0.zip", "w") as archive:
        archive.writestr("config/extension.toml", "[package]\n")
    (cache / "link").symlink_to("omni.a-1.0.0")
    for path in [*cache.rglob("*"), cache]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)

    def state() -> dict[str, Any]:
        found = {}
        for path in [cache, *sorted(cache.rglob("*"))]:
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else None
            found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_ino, content)
        return found

    before = state()
    for _ in range(2):
        signature([path_source(cache)], tmp_path / "work")
        pulled(tmp_path / "work", path_source(cache))
        prepare(tmp_path / "work", excluded=[], max_extensions=-1)
    assert len(read(tmp_path / "work/extensions.json", "extensions")["extensions"]) == 2
    assert state() == before


def test_paths_in_the_output(tmp_path: Path) -> None:
    work_dir = tmp_path / "work"
    extension(work_dir / "sources/mine/omni.a")
    extension(tmp_path / "elsewhere/omni.b")
    sources = pulled(work_dir, path_source(work_dir / "sources/mine"), path_source(tmp_path / "elsewhere"))
    assert [source["root"] for source in sources["sources"]] == ["sources/mine", str(tmp_path / "elsewhere")]
    assert sources["kit_cache_path"] == "sources/mine"
    before = (work_dir / "sources.json").stat()
    pulled(work_dir, path_source(work_dir / "sources/mine"), path_source(tmp_path / "elsewhere"))
    assert (work_dir / "sources.json").stat().st_mtime_ns == before.st_mtime_ns  # the same bytes are not written again


# --- the Kit version -------------------------------------------------------------------------------------------------


def test_the_kit_version_of_the_configuration_wins(tmp_path: Path) -> None:
    extension(tmp_path / "kit-107.3.0/omni.a")
    assert (
        pulled(tmp_path / "work", path_source(tmp_path / "kit-107.3.0"), kit_version=None)["kit_version"] == "107.3.0"
    )
    assert pulled(tmp_path / "work", path_source(tmp_path / "kit-107.3.0"))["kit_version"] == "107.3.3"


def test_sources_of_different_kits(tmp_path: Path) -> None:
    extension(tmp_path / "plain/omni.x")
    extension(tmp_path / "kit-107.3.0/omni.a")
    extension(tmp_path / "kit-106.5.0/omni.b")
    folders = [path_source(tmp_path / name) for name in ("plain", "kit-107.3.0", "kit-106.5.0")]
    sources = pulled(tmp_path / "work", *folders, kit_version=None)
    assert sources["kit_version"] == "107.3.0"
    assert [source["kit_version"] for source in sources["sources"]] == [None, "107.3.0", "106.5.0"]
    assert [warning["message"] for warning in sources["warnings"]] == [
        "kit-106.5.0 is for Kit 106.5.0; the data set is named after kit-107.3.0's Kit 107.3.0."
    ]


def test_an_unknown_kit_version(tmp_path: Path) -> None:
    extension(tmp_path / "plain/omni.a")
    with pytest.raises(StageError, match=r"Set input.kit_version, such as kit_version = \"107\.3\.3\""):
        pulled(tmp_path / "work", path_source(tmp_path / "plain"), kit_version=None)


def test_no_source_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in ("ISAACSIM_PATH", "ISAAC_PATH", "CARB_APP_PATH"):
        monkeypatch.delenv(variable, raising=False)
    here = tmp_path / "projects/here/now"
    here.mkdir(parents=True)
    with pytest.raises(StageError, match="no built Kit was found. Name one with --kit-cache PATH") as caught:  # noqa: RUF043
        pulled(tmp_path / "work", search_from=[here])
    assert f"\n    {here}\n" in str(caught.value)
    extension(here / "_build/linux-x86_64/release/exts/omni.a")
    write(here / "_build/linux-x86_64/release/kit/VERSION", "107.3.3")
    sources = pulled(tmp_path / "work", search_from=[here], kit_version=None)
    assert sources["kit_cache_path"] == str(here)
    assert sources["kit_version"] == "107.3.3"
    found = state_of([], tmp_path / "work", search_from=[here]).signature
    assert found == signature([path_source(here)], tmp_path / "work")
    assert found != state_of([], tmp_path / "work", search_from=[tmp_path / "work"]).signature


# --- signature -------------------------------------------------------------------------------------------------------


def signature(sources: Sequence[ConfiguredSource], work_dir: Path) -> str:
    return state_of(sources, work_dir).signature


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    root = tmp_path / "cache"
    extension(root / "omni.a-1.0.0")
    extension(root / "omni.b-1.0.0")
    write(root / "omni.a-1.0.0/sub/y.py", "y = 1")
    write(root / "omni.b-1.0.0/premake5.lua", "-- build\n")
    write(root / "exts/single.kit", "[package]\n")
    with zipfile.ZipFile(root / "omni.z.zip", "w") as archive:
        archive.writestr("config/extension.toml", "[package]\n")
    return root


def _rezip(cache: Path) -> None:
    with zipfile.ZipFile(cache / "omni.z.zip", "w") as archive:
        archive.writestr("config/extension.toml", "[PACKAGE]\n")  # as long as before


@pytest.mark.parametrize(
    "change",
    [
        lambda cache: write(cache / "omni.a-1.0.0/omni/new.py"),
        lambda cache: (cache / "omni.a-1.0.0/omni/x.py").unlink(),
        lambda cache: (cache / "omni.a-1.0.0/sub/y.py").rename(cache / "omni.a-1.0.0/sub/z.py"),
        lambda cache: (cache / "omni.a-1.0.0/sub").rename(cache / "omni.a-1.0.0/sub2"),
        lambda cache: write(cache / "omni.b-1.0.0/config/extension.toml", "[package]\nversion = '1.0.1'\n"),
        lambda cache: write(cache / "exts/single.kit", "[PACKAGE]\n"),
        lambda cache: write(cache / "omni.b-1.0.0/premake5.lua", "-- other\n"),
        _rezip,
        lambda cache: extension(cache / "omni.c"),
        lambda cache: shutil.rmtree(cache / "omni.b-1.0.0"),
        shutil.rmtree,
    ],
)
def test_changes_that_affect_the_signature(tmp_path: Path, cache: Path, change: Callable[[Path], object]) -> None:
    before = signature([path_source(cache)], tmp_path / "work")
    revision = pulled(tmp_path / "work", path_source(cache))["sources"][0]["revision"]
    assert signature([path_source(cache)], tmp_path / "work") == before
    change(cache)
    assert signature([path_source(cache)], tmp_path / "work") != before
    if cache.exists():
        assert pulled(tmp_path / "work", path_source(cache))["sources"][0]["revision"] != revision


@pytest.mark.parametrize(
    "change",
    [
        lambda cache: write(cache / "omni.a-1.0.0/omni/x.py", "x = 2\n"),
        lambda cache: os.utime(cache / "omni.a-1.0.0/config/extension.toml"),
        lambda cache: write(cache / "omni.a-1.0.0/__pycache__/x.pyc"),
        lambda cache: write(cache / ".git/index"),
        lambda cache: None,
    ],
)
def test_changes_that_do_not_affect_the_signature(
    tmp_path: Path, cache: Path, change: Callable[[Path], object]
) -> None:
    before = signature([path_source(cache)], tmp_path / "work")
    change(cache)
    assert signature([path_source(cache)], tmp_path / "work") == before


@pytest.mark.parametrize("change", ["folder", "manifest"])
def test_the_times_show_a_change_and_its_reversal(tmp_path: Path, cache: Path, change: str) -> None:
    time.sleep(0.1)  # a new file may change again within one tick of the clock
    before = state_of([path_source(cache)], tmp_path / "work")
    assert state_of([path_source(cache)], tmp_path / "work") == before
    if change == "folder":
        (cache / "new.file").touch()
        (cache / "new.file").unlink()
    else:
        manifest = next(cache.rglob("extension.toml"))
        manifest.write_bytes(manifest.read_bytes())
    after = state_of([path_source(cache)], tmp_path / "work")
    assert after.signature == before.signature
    assert after.times != before.times


def test_the_signature_ignores_the_pipelines_own_files(cache: Path) -> None:
    work_dir = cache / "_pipeline_output"
    before = signature([path_source(cache)], work_dir)
    pulled(work_dir, path_source(cache))
    extension(work_dir / "sources/unpacked/omni.x")
    assert signature([path_source(cache)], work_dir) == before


def test_the_signature_of_a_copy_differs_unless_the_whole_project_was_copied(tmp_path: Path, cache: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(cache, tmp_path / name / "exts", copy_function=shutil.copy2)
    one, two = ([path_source(tmp_path / name / "exts")] for name in ("one", "two"))
    assert signature(one, tmp_path / "work") != signature(two, tmp_path / "work")
    inside = [
        state_of(sources, tmp_path / name / "work", project=tmp_path / name).signature
        for name, sources in (("one", one), ("two", two))
    ]
    assert inside[0] == inside[1]
    assert signature(one, tmp_path / "one/work") != signature(two, tmp_path / "two/work")


def test_a_link_that_leads_to_another_folder_of_the_same_files_is_another_source(tmp_path: Path, cache: Path) -> None:
    shutil.copytree(cache, tmp_path / "other")
    link = tmp_path / "current"
    link.symlink_to(cache)
    before = signature([path_source(link)], tmp_path)
    assert before == signature([path_source(cache)], tmp_path)
    link.unlink()
    link.symlink_to(tmp_path / "other")
    assert signature([path_source(link)], tmp_path) != before


def test_pulled_sources_have_the_signature_of_the_sources_until_they_change(tmp_path: Path, cache: Path) -> None:
    sources, work_dir = [path_source(cache)], tmp_path / "work"
    pulled(work_dir, *sources)
    assert pulled_signature(sources, work_dir) == signature(sources, work_dir)
    extension(cache / "exts/omni.new")
    assert pulled_signature(sources, work_dir) != signature(sources, work_dir)


def test_the_signature_of_a_repository(tmp_path: Path, repository: Path) -> None:
    sources = [git_source(repository)]
    before = signature(sources, tmp_path / "work")
    pulled(tmp_path / "work", *sources)
    assert signature(sources, tmp_path / "work") == before
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "second")
    assert signature(sources, tmp_path / "work") != before
    remote = [GitSource(url="https://127.0.0.1:9/x.git")]
    assert signature(remote, tmp_path / "other") == signature(remote, tmp_path / "other")


def test_a_removed_clone_changes_the_signature(tmp_path: Path, repository: Path) -> None:
    sources = [git_source(repository)]
    pulled(tmp_path / "work", *sources)
    before = signature(sources, tmp_path / "work")
    shutil.rmtree(tmp_path / "work/sources")
    assert signature(sources, tmp_path / "work") != before
    pulled(tmp_path / "work", *sources)
    assert signature(sources, tmp_path / "work") == before


def test_importing_the_stages_is_cheap() -> None:
    code = "import sys, stages.pull_repo_exts, stages.preparation; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    heavy = {"platformdirs", "filelock", "jsonschema", "numpy", "urllib.request", "http.client", "asyncio", "xml.etree"}
    assert heavy.isdisjoint(loaded.split())


def test_removed_zipped_extensions_are_unpacked_again(tmp_path: Path, cache: Path) -> None:
    work_dir = tmp_path / "work"
    for _ in range(2):
        pulled(work_dir, path_source(cache))
        prepare(work_dir, excluded=[], max_extensions=-1)
    pulled(work_dir, path_source(cache))
    assert (work_dir / "extensions.json").exists()
    shutil.rmtree(work_dir / "sources")
    pulled(work_dir, path_source(cache))
    assert not (work_dir / "extensions.json").exists()


# --- everything at once ----------------------------------------------------------------------------------------------


def test_a_wheel_a_repository_and_a_cache_merged(
    tmp_path: Path, repository: Path, wheel_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pip finds the wheel in a folder, so it does not query the index again.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel_file.parent))
    extension(tmp_path / "cache/isaaclab_rl-9.0.0", "9.0.0")
    extension(tmp_path / "cache/omni.mine-1.1.0", "1.1.0")
    wheel = WheelSource(
        requirement="isaaclab==2.3.2",
        sha256=hashlib.sha256(wheel_file.read_bytes()).hexdigest(),
        exts_path=["isaaclab/source"],
        apps_path=["isaaclab/apps"],
    )
    work_dir = tmp_path / "work"
    sources = pulled(
        work_dir,
        wheel,
        git_source(repository, exts_path=["source/extensions"]),
        path_source(tmp_path / "cache"),
        cache_dir=tmp_path / "downloads",
        kit_version=None,
    )
    assert sources["kit_version"] == "107.3.3"
    assert [source["kit_version"] for source in sources["sources"]] == ["107.3.3", "107.2.0", None]
    prepare(work_dir, excluded=["isaaclab_t*"], max_extensions=-1)
    result = read(work_dir / "extensions.json", "extensions")
    assert [(found["id"], found["version"], found["source"]) for found in result["extensions"]] == [
        ("isaaclab", "0.54.2", 0),
        ("isaaclab_assets", "0.2.4", 0),
        ("isaaclab_contrib", "0.0.2", 0),
        ("isaaclab_mimic", "1.0.16", 0),
        ("isaaclab_rl", "9.0.0", 2),
        ("omni.mine", "1.2.0", 1),
    ]
    assert result["other_versions"] == {"isaaclab_rl": ["0.4.7"], "omni.mine": ["1.1.0"]}
    assert list(result["excluded"]) == ["isaaclab_tasks"]
