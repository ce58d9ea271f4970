from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.sources.premake import MAX_BYTES, BuildLink, FetchedLink, build_links, build_plan

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
        BuildLink("python/nodes", "made/ext/ogn/python/nodes", "path"),
        BuildLink("docs", "docs", "path"),
        BuildLink("python/scripts", "made/ext/scripts", "path"),
        BuildLink("python/tests", "made/ext/tests", "path"),
        BuildLink("python/__init__.py", "made/ext", "path"),
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
        BuildLink("python/__init__.py", "made/extui/__init__.py", "path"),
        BuildLink("python", "made/extui", "path"),
        BuildLink("python/impl", "made/extui/impl", "path"),
    ]


COMPUTED = """
local info = get_current_extension_info()
local project = create_ogn_project_information(info, "/made/ext/")
project.python_target_path = info.target_dir .. "/" .. "made/other"
local names = { "core", ui = "widgets", [ [[x]] ] = "y" }
local function link(name)
    repo_build.prebuild_link { { "python/" .. name, project.python_target_path .. "/" .. name } }
end
for _, name in ipairs({ "a", "b" }) do
    link(name)
end
repo_build.prebuild_copy { { path.join("python", names[1]), path.join(info.target_dir, "made", names.ui) } }
repo_build.prebuild_link { { "src", info.target_dir .. "/" .. info.id:gsub("%.", "/") } }
repo_build.prebuild_link { { string.format("lib_%s", names["x"]), info["target_dir"] .. [[/made/lib]] } }
repo_build.prebuild_link { { "unknown/" .. os.getenv("X"), info.target_dir .. "/made/u" } }
repo_build.prebuild_link { { "python/u", info.target_dir .. "/made/" .. something } }
repo_build.prebuild_link { { target_deps .. "/newton/python", info.target_dir .. "/newton" } }
repo_build.prebuild_copy { { "%{root}/_build/target-deps/usd/lib/python/pxr", info.target_dir .. "/pxr" } }
add_ogn_dependencies(project, { "nodes", "python/nodes" })
project_ext_bindings { src = project.bindings_path, target_subdir = project.bindings_target_path }
"""


def test_variables_loops_and_functions_are_followed() -> None:
    plan = build_plan(COMPUTED.encode(), "made.ext")
    assert plan.links == [
        BuildLink("python/a", "made/other/a", "path"),
        BuildLink("python/b", "made/other/b", "path"),
        BuildLink("python/core", "made/widgets", "path"),
        BuildLink("src", "made/ext", "path"),
        BuildLink("lib_y", "made/lib", "path"),
        BuildLink("nodes", "made/other/ogn/nodes", "path"),
        BuildLink("python/nodes", "made/other/ogn/python/nodes", "path"),
        BuildLink("bindings/python", "made/ext", "files"),
    ]
    assert plan.ogn_folders == ["nodes", "python/nodes"]
    assert plan.fetched == [
        FetchedLink("%{root}/_build/target-deps/newton/python", "newton"),
        FetchedLink("%{root}/_build/target-deps/usd/lib/python/pxr", "pxr"),
    ]


def test_the_rest_of_a_broken_build_file_is_read() -> None:
    text = 'repo_build.prebuild_link { { "a", ext.target_dir .. "/a" } }\nlocal = = {\n'
    text += 'repo_build.prebuild_link { { "b", ext.target_dir .. "/b" } }\n'
    assert BuildLink("a", "a", "path") in build_links(text.encode(), "x")


def test_endless_recursion_ends() -> None:
    text = 'function f(x) f(x) f(x) end f("a") repo_build.prebuild_link { "a", ext.target_dir .. "/a" }'
    assert build_links(text.encode(), "x") == [BuildLink("a", "a", "path")]


@pytest.mark.parametrize(
    "text",
    [
        *("{" * 200_000, '"' * 200_000, "--[[" * 60_000, "--[==[" * 40_000, "a=" * 100_000),
        *("prebuild_link {" * 15_000, 'prebuild_link {"a", ' * 12_000, "x = x .. x\n" * 20_000),
        *("if x then " * 20_000, "f(" * 100_000, "for a in " * 9_999, "x=f{" * 9_999),
        *(pytest.param(text, marks=pytest.mark.long) for text in ("a.." * 80_000, "x=1+" * 9_999)),
    ],
)
def test_a_hostile_file_ends(text: str) -> None:
    # The size and the steps are limited. This only has to return.
    assert build_links(text.encode()[: 2 * MAX_BYTES], "x") == []


PIECES = ["repo_build.prebuild_link", "{", "}", ",", '"a/*.py"', "'b'", "..", "=", "ext.target_dir", "(", "--[[", "]]"]


@given(st.lists(st.sampled_from([*PIECES, "project_ext_bindings", "src", "target_subdir", "\n", "\0", '"../c"'])))
def test_any_text_gives_links_within_the_extension(pieces: list[str]) -> None:
    for link in build_links(" ".join(pieces).encode(), "a"):
        assert not any(path.startswith(("/", "..")) or "*" in path for path in link[:2])
