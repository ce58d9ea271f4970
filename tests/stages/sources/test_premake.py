from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.sources.premake import BuildLink, build_links

FORMS = """
-- { "python/commented", ext.target_dir.."/made/commented" },
--[[ repo_build.prebuild_link { "python/long", ext.target_dir.."/made/long" } ]]
local ext = get_current_extension_info()
local nodes = get_ogn_project_information(ext, "made/ext")
ext.target_dir = "%{root}/_build/extsOther/"..ext.id
local package = "/made/" .. 'ext'
project_ext (ext)
add_files("python", "python/*.py")
includedirs { "python/include", "made/include" }
add_ogn_dependencies(nodes, { "python/nodes" })
repo_build.prebuild_link { "docs", ext.target_dir.."/docs" }
repo_build.prebuild_link
{
    { "python/scripts/", ext.target_dir .. package .. "/scripts/" }, -- behind it
    { "python/tests", nodes.python_tests_target_path },
    { "%{root}/_build/deps/lib", ext.target_dir.."/lib" },
    { root_dir.."/common", ext.target_dir.."/made/common" },
    { "../other/python", ext.target_dir.."/made/other" },
    { "python", ext.target_dir.."/../elsewhere" },
    { "include", bin_dir.."/include" },
    { "three", "parts", "here" },
}
if os.target() == "linux" then
    repo_build.prebuild_copy({
        {"python/__init__.py", nodes.python_target_path}, { "python/impl/*.py", ext.target_dir..package }
    })
end
repo_build.prebuild_copy { "**.pyi", ext.target_dir }
project_ext_bindings {
    ext = ext,
    includes = { "src", "target_subdir" },
    src = "bindings/python/made.ext",
    target_subdir = "made/ext",
}
"""


def test_forms() -> None:
    assert build_links(FORMS.encode(), "made.ext") == [
        BuildLink("docs", "docs", "it"),
        BuildLink("python/scripts", "made/ext/scripts", "it"),
        BuildLink("python/tests", "made/ext/tests", "it"),
        BuildLink("python/__init__.py", "made/ext", "it"),
        BuildLink("python/impl", "made/ext", "files"),
        BuildLink("bindings/python/made.ext", "made/ext", "files"),
    ]


def test_the_target_may_be_spelled_out() -> None:
    text = """
    local ext_name = "made.ext.ui"
    local ext_dir = exts_dir.."/"..ext_name
    repo_build.prebuild_copy { { "python/__init__.py", ext_dir.."/made/extui/__init__.py" } }
    repo_build.prebuild_link { { "python/", "%{root}/_build/$platform/$config/exts/made.ext.ui/made/extui" } }
    repo_build.prebuild_link {
        { "%{root}/source/extensions/made.ext.ui/python/impl", ext_dir.."/made/extui/impl" },
        { "%{root}/data/icons/made.ext.ui/x", ext_dir.."/made/extui/icons" },
    }
    """
    assert build_links(text.encode(), "made.ext.ui") == [
        BuildLink("python/__init__.py", "made/extui/__init__.py", "it"),
        BuildLink("python", "made/extui", "it"),
        BuildLink("python/impl", "made/extui/impl", "it"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("{" * 200_000, '"' * 200_000, "--[[" * 60_000, "--[==[" * 40_000, "a.." * 80_000, "a=" * 100_000),
        *("prebuild_link {" * 15_000, 'prebuild_link {"a", ' * 12_000, "x = x .. x\n" * 20_000),
    ],
)
def test_a_hostile_file_ends(text: str) -> None:
    begin = time.process_time()
    build_links(text.encode(), "x")
    assert time.process_time() - begin < 5


PIECES = ["repo_build.prebuild_link", "{", "}", ",", '"a/*.py"', "'b'", "..", "=", "ext.target_dir", "(", "--[[", "]]"]


@given(st.lists(st.sampled_from([*PIECES, "project_ext_bindings", "src", "target_subdir", "\n", "\0", '"../c"'])))
def test_any_text_gives_links_within_the_extension(pieces: list[str]) -> None:
    for link in build_links(" ".join(pieces).encode(), "a"):
        assert not any(path.startswith(("/", "..")) or "*" in path for path in link[:2])
