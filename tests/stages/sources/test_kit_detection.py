from __future__ import annotations

from pathlib import Path

import pytest

from stages.sources.kit_detection import built_folder, detect, kit_folders, kit_version


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def extension(folder: Path) -> None:
    write(folder / "config/extension.toml", "[package]\n")


def test_platform_folder_release_first_then_debug_then_any(tmp_path: Path) -> None:
    build = tmp_path / "_build"
    assert built_folder(tmp_path) is None
    (build / "linux-x86_64/release").mkdir(parents=True)  # nothing in it
    extension(build / "windows-x86_64/profile/exts/omni.a")
    assert built_folder(tmp_path) == build / "windows-x86_64/profile"
    extension(build / "windows-x86_64/debug/exts/omni.a")
    assert built_folder(tmp_path) == build / "windows-x86_64/debug"
    extension(build / "windows-x86_64/release/exts/omni.a")
    assert built_folder(tmp_path) == build / "windows-x86_64/release"
    extension(build / "linux-x86_64/debug/extscache/omni.a")
    assert built_folder(tmp_path) == build / "linux-x86_64/debug"
    extension(build / "linux-x86_64/release/exts/omni.a")
    assert built_folder(tmp_path) == build / "linux-x86_64/release"


def test_folders_of_a_build(tmp_path: Path) -> None:
    build = tmp_path / "_build/linux-x86_64/release"
    for name in ("exts", "extscache", "extsDeprecated", "kit/exts", "kit/extscore", "apps", "kit/dev", "exts-not"):
        (build / name).mkdir(parents=True)
    (build / "exts/made.one").mkdir()
    prefix = "_build/linux-x86_64/release"
    assert kit_folders(tmp_path) == (
        [f"{prefix}/{name}" for name in ("exts", "extsDeprecated", "extscache", "kit/exts", "kit/extscore")],
        [f"{prefix}/apps"],
    )
    # An installed application, and the Kit in it.
    assert kit_folders(build)[0] == ["exts", "extsDeprecated", "extscache", "kit/exts", "kit/extscore"]
    write(build / "kit/VERSION", "107.3.3")
    assert kit_folders(build / "kit") == (["exts", "extscore"], [])


def test_any_other_folder_is_searched_as_a_whole(tmp_path: Path) -> None:
    extension(tmp_path / "omni.a")
    extension(tmp_path / "exts/omni.b")
    assert kit_folders(tmp_path) == ([""], [])


PACKMAN = """<project toolsVersion="5.0">
  <!-- <package name="kit-kernel" version="1.0.0"/> -->
  <dependency name="kit_sdk_${config}" linkPath="../_build/${platform_target}/${config}/kit">
    <package name="carb_sdk" version="180.0.0"/>
    <package name="kit-kernel"
             version="107.3.1+feature.206797.9b4c.gl.${platform_target_abi}.${config}"/>
  </dependency>
</project>
"""


def test_version_of_a_build_comes_before_that_of_its_dependencies(tmp_path: Path) -> None:
    write(tmp_path / "tools/deps/kit-sdk.packman.xml", PACKMAN)
    assert kit_version(tmp_path) == ("107.3.1", str(tmp_path / "tools/deps/kit-sdk.packman.xml"))
    extension(tmp_path / "_build/linux-x86_64/release/exts/omni.a")
    version = tmp_path / "_build/linux-x86_64/release/kit/VERSION"
    write(version, "107.3.3+isaac.229672.69cbf6ad.gl.manylinux_2_35_x86_64.release\n")
    assert kit_version(tmp_path) == ("107.3.3", str(version))
    # A cache beside the Kit, and the Kit's cache.
    assert kit_version(tmp_path / "_build/linux-x86_64/release/exts") == ("107.3.3", str(version))
    (version.parent / "extscore").mkdir()
    assert kit_version(version.parent / "extscore") == ("107.3.3", str(version))


def test_a_version_file_of_another_product_is_ignored(tmp_path: Path) -> None:
    root = tmp_path / "isaac"
    write(root / "VERSION", "5.1.0-rc.19+release.26219")
    extension(root / "exts/omni.a")
    assert kit_version(root) is None
    write(root / "kit/VERSION", "no version\n")
    assert kit_version(root) is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["kit-sdk-107.3.0+release.1.abc"], "107.3.0"),
        (["kit-kernel", "106.5.0+release.162521"], "106.5.0"),
        (["Kit", "107.2", "exts"], "107.2"),
        (["kit-107.3.3", "extscache"], "107.3.3"),
        (["kitchen-107.3.3"], None),
        (["kit-app-template"], None),
    ],
)
def test_version_in_a_folders_name(tmp_path: Path, names: list[str], expected: str | None) -> None:
    folder = tmp_path.joinpath(*names)
    extension(folder / "omni.a")
    found = kit_version(folder)
    assert (found and found[0]) == expected


def test_version_in_the_names_of_cached_extensions(tmp_path: Path) -> None:
    for name in (
        "omni.a-1.0.0+107.3.0.lx64.r",
        "omni.b-2.0.0+107.3.0",
        "omni.c-1.0.0+106.0.0",
        "omni.d-1.0.0+8131b85d.lx64",
        "omni.e-1.0.0+107.3.10.lx64.r.cp311.u353",
        "omni.f-1.0.0+106.5.3",
        "omni.g-1.0.0+107.2.99",
    ):
        extension(tmp_path / name)
    # A build for 107.3.0 runs on 107.3.10, but not vice versa.
    assert kit_version(tmp_path) == ("107.3.10", f"the names of the extensions in {tmp_path}")


def test_version_for_which_cached_extensions_were_published(tmp_path: Path) -> None:
    for name, version in {"a": "107.3.0+feature.195367.gl", "b": "107.3.1+x", "c": "106.0.0", "d": "odd"}.items():
        folder = tmp_path / f"omni.{name}-1.0.0+69cbf6ad.lx64.r.cp311"
        extension(folder)
        text = f'\n[package]\n    [package.publish]\n        kitVersion = "{version}"\n        date = 1757755256\n'
        write(folder / "config/extension.gen.toml", text)
    assert kit_version(tmp_path) == ("107.3.1", f"the extension.gen.toml files of the extensions in {tmp_path}")


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ('isaacsim[all,extscache]==5.1.0.*; extra == "isaacsim"', "107.3.3"),
        ("isaacsim==5.0.0", "107.3.1"),
        ("isaacsim (==4.5.0)", "106.5.0"),
        ("isaacsim==4.2.0.2", "106.1.0"),
        ("isaacsim[all]==6.0.1.0", "110.1.2"),
        ("isaacsim==6.0.0", "110.1.1"),
        ("isaacsim==6.0.10", "110.1.1"),
        ("isaacsim==6.1.0", "110.3.0"),
        ("isaacsim==6.2.0", "110.4.0"),
        ("isaacsim==4.0.0", None),
        ("isaacsim-kernel==5.1.0", None),
        ("isaacsim>=5.1", None),
        ("isaacsim==99.0", None),
    ],
)
def test_version_of_the_isaac_sim_that_a_wheel_requires(tmp_path: Path, requirement: str, expected: str | None) -> None:
    write(
        tmp_path / "x-1.dist-info/METADATA",
        f"Metadata-Version: 2.1\nRequires-Dist: numpy<2\nRequires-Dist: {requirement}\n",
    )
    found = kit_version(tmp_path)
    assert (found and found[0]) == expected


def test_version_of_a_real_wheel(wheel_root: Path) -> None:
    found = kit_version(wheel_root)
    assert found is not None
    assert found[0] == "107.3.3"
    assert found[1].endswith("isaaclab-2.3.2.dist-info/METADATA, which requires Isaac Sim 5.1")


def test_a_kit_is_found_near_and_in_the_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, near = tmp_path / "home", tmp_path / "projects/mine/here"
    near.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for variable in ("ISAACSIM_PATH", "ISAAC_PATH", "CARB_APP_PATH"):
        monkeypatch.delenv(variable, raising=False)
    found, looked = detect([near])
    assert found is None
    assert looked[:3] == [str(near), str(near.parent), str(near.parent.parent)]
    assert str(home / "isaacsim") in looked
    assert len(looked) == len(set(looked))

    packages = home / ".local/share/ov/pkg/isaac-sim-5.1"
    extension(packages / "exts/omni.a")
    write(packages / "kit/VERSION", "107.3.3")
    assert detect([near])[0] == packages
    extension(tmp_path / "elsewhere/exts/omni.a")
    write(tmp_path / "elsewhere/kit/VERSION", "107.3.3")
    monkeypatch.setenv("ISAACSIM_PATH", str(tmp_path / "elsewhere"))
    assert detect([near])[0] == tmp_path / "elsewhere"
    extension(near.parent / "kit-app/_build/linux-x86_64/release/exts/omni.a")
    assert detect([near])[0] == near.parent / "kit-app"
    extension(near / "_build/linux-x86_64/debug/exts/omni.a")
    assert detect([near])[0] == near
