"""Settings in Python files: a case per form of use, and invariants on the whole real wheel."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.artifacts.settings import SettingType, SettingUse, UseKind
from stages.setting_scan import calls as setting_uses
from stages.setting_scan.calls import python_uses
from stages.setting_scan.paths import canonical
from stages.setting_scan.strings import NOWHERE, Where

HEAD = "import carb.settings\nsettings = carb.settings.get_settings()\n"


def uses(source: str, file: str = "pkg/module.py", where: Where = NOWHERE) -> list[SettingUse]:
    """Return the uses without the constants that may be part of a path in another file."""
    found = python_uses(ast.parse(source), file=file, source=source, where=where)
    return [use for use in found if use.kind != "text"]


def short(source: str) -> list[tuple[str, str]]:
    return [(use.kind, use.path) for use in uses(source)]


@pytest.mark.parametrize(
    ("call", "kind", "type_", "default"),
    [
        ('get("/a/b")', "read", None, None),
        ('get_as_bool("/a/b")', "read", "bool", None),
        ('get_as_int("/a/b")', "read", "int", None),
        ('get_as_float("/a/b")', "read", "float", None),
        ('get_as_string("/a/b")', "read", "string", None),
        ('get(path="/a/b")', "read", None, None),
        ('get_settings_dictionary("/a/b")', "read", "object", None),
        ('create_dictionary_from_settings("/a/b")', "read", "object", None),
        ('is_accessible_as(carb.dictionary.ItemType.FLOAT, "/a/b")', "read", "float", None),
        ('set("/a/b", 1.5)', "write", "float", None),
        ('set("/a/b", {"x": 1})', "write", "object", None),
        ('set("/a/b", unknown())', "write", None, None),
        ('set_bool("/a/b", flag)', "write", "bool", None),
        ('set_int("/a/b", 1)', "write", "int", None),
        ('set_float("/a/b", 1)', "write", "float", None),
        ('set_string("/a/b", "x")', "write", "string", None),
        ('set_string_array("/a/b", [])', "write", "array", None),
        ('set_int_array("/a/b", [])', "write", "array", None),
        ('destroy_item("/a/b")', "write", None, None),
        ('set_default("/a/b", [1, "x"])', "default", "array", [1, "x"]),
        ('set_default("/a/b", -2)', "default", "int", -2),
        ('set_default("/a/b", value=True)', "default", "bool", True),
        ('set_default_bool("/a/b", False)', "default", "bool", False),
        ('set_default_int("/a/b", 7)', "default", "int", 7),
        ('set_default_float("/a/b", 0.5)', "default", "float", 0.5),
        ('set_default_string("/a/b", "x")', "default", "string", "x"),
        ('set_default_string("/a/b", compute())', "default", "string", None),
        ('subscribe_to_node_change_events("/a/b", f)', "subscribe", None, None),
        ('subscribe_to_tree_change_events("/a/b", f)', "subscribe", None, None),
    ],
)
def test_each_method(call: str, kind: UseKind, type_: SettingType | None, default: Any) -> None:
    assert uses(f"{HEAD}settings.{call}\n") == [
        SettingUse(
            path="/a/b",
            kind=kind,
            type=type_,
            default=default,
            line=3,
            file="pkg/module.py",
            dynamic=False,
            name=None,
            certain=True,
        )
    ]


@pytest.mark.parametrize(
    "source",
    [
        'import carb\ncarb.settings.get_settings().get("/a/b")',
        'import carb.settings as cs\ncs.get_settings().get("/a/b")',
        'from carb import settings\nsettings.get_settings().get("/a/b")',
        'from carb.settings import get_settings\nget_settings().get("/a/b")',
        'from carb.settings import get_settings as gs\ngs().get("/a/b")',
        'import carb\ncarb.settings.acquire_settings_interface().get("/a/b")',
        'import carb\nx = carb.settings.get_settings()\nx.get("/a/b")',
        'import carb\ndef f():\n    return carb.settings.get_settings()\nf().get("/a/b")',
        'import carb\n(x := carb.settings.get_settings()).get("/a/b")\n',
        'import carb\nx, y = carb.settings.get_settings(), 1\nx.get("/a/b")',
        'import carb\nget = carb.settings.get_settings().get\nget("/a/b")',
        'import carb\nx = carb.settings.get_settings() if carb else None\nx.get("/a/b")',
        'from carb.settings import ISettings\ndef f(x: ISettings):\n    x.get("/a/b")',
        'def f(x: "carb.settings.ISettings"):\n    x.get("/a/b")',
        # Another method sets the attribute, after its use.
        "import carb\nclass A:\n    def use(self):\n        self._s.get('/a/b')\n"
        "    def start(self):\n        self._s = carb.settings.get_settings()",
        'class A:\n    def f(self):\n        self._settings.get("/a/b")',
        'def f(carb_settings_iface):\n    carb_settings_iface.get("/a/b")',
        'sim.get_setting("/a/b")',
    ],
)
def test_each_way_to_hold_the_interface(source: str) -> None:
    assert short(source) == [("read", "/a/b")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('omni.kit.app.SettingChangeSubscription("/a/b", f)', ("subscribe", "/a/b", None)),
        ('omni.kit.commands.execute("ChangeSetting", path="/a/b", value=1)', ("write", "/a/b", "int")),
        ('SettingModel("/a/b")', ("subscribe", "/a/b", None)),
        ('SettingModel(setting_path="/a/b")', ("subscribe", "/a/b", None)),
        ('self._add_setting(SettingType.FLOAT, "Label", "/a/b")', ("subscribe", "/a/b", "float")),
        ('create_setting_widget("/a/b", SettingType.BOOL)', ("subscribe", "/a/b", "bool")),
        ('sim.set_setting("/a/b", True)', ("write", "/a/b", "bool")),
        ('set_default_setting("/a/b", 1)', ("default", "/a/b", "int")),
    ],
)
def test_kit_interfaces_on_top_of_settings(source: str, expected: tuple[str, str, str | None]) -> None:
    assert [(use.kind, use.path, use.type) for use in uses(source)] == [expected]


@pytest.mark.parametrize(
    "source",
    [
        'table = {}\ntable.get("/a/b")',
        'spawn_with_settings("/World/Robot/arm")',
        'PrimSettings(prim_path="/a/b")',
        '"""carb.settings.get_settings().get("/app/x")"""',
        '# settings.get("/app/x")\n',
        'def f():\n    """--/app/x=1"""',
        'pattern = r"--/app/x\\.y=\\d+"',
        "settings.get(name)",
        'settings.get("/")',
        'settings.get(f"/{name}")',
        'settings.get(name + "/x")',
        'settings.get("/a sentence, with words")',
        "settings = 1\nsettings.get",
    ],
)
def test_strings_that_are_not_settings(source: str) -> None:
    assert short(source) == []


def test_paths_are_normalized() -> None:
    assert short(f'{HEAD}settings.get("app//x/")') == [("read", "/app/x")]
    assert canonical("exts/a.b//c/") == canonical("/exts/a.b/c") == "/exts/a.b/c"


def test_constants_of_modules_classes_and_enums() -> None:
    source = f"""{HEAD}
PREFIX = "/exts/my.ext"
ENABLED = PREFIX + "/enabled"
class Keys(Enum):
    A: str = f"{{PREFIX}}/a"
class Ext:
    B = "/exts/my.ext/b"
    def f(self):
        settings.get(ENABLED)
        settings.get(Keys.A.value)
        settings.get(self.B)
"""
    found = [(use.kind, use.path, use.line, use.name) for use in uses(source)]
    assert found == [
        ("prefix", "/exts/my.ext", 4, "PREFIX"),
        ("constant", "/exts/my.ext/enabled", 5, "ENABLED"),
        ("constant", "/exts/my.ext/a", 7, "Keys.A"),
        ("constant", "/exts/my.ext/b", 9, "Ext.B"),
        ("read", "/exts/my.ext/enabled", 11, None),
        ("read", "/exts/my.ext/a", 12, None),
        ("read", "/exts/my.ext/b", 13, None),
    ]


def test_a_local_name_hides_a_constant_and_a_class_name_is_not_seen_in_methods() -> None:
    source = f'{HEAD}P = "/app/module"\nclass A:\n    P = "/app/class"\n    def f(self):\n        settings.get(P)\n'
    assert ("read", "/app/module") in short(source)
    assert ("read", "/app/class") not in short(source)
    source = f'{HEAD}P = "/app/module"\ndef f(P):\n    settings.get(P)\n'
    assert short(source) == [("constant", "/app/module")]


def test_both_branches_and_every_iteration_of_a_loop() -> None:
    source = (
        f'{HEAD}p = "/a/one" if flag else "/a/two"\nsettings.get(p)\nfor n in ("/l/x", "/l/y"):\n    settings.get(n)\n'
    )
    reads = [path for kind, path in short(source) if kind == "read"]
    assert reads == ["/a/one", "/a/two", "/l/x", "/l/y"]
    source = f'{HEAD}for key, value in {{"/d/x": 1, "/d/y": 2}}.items():\n    settings.set(key, value)\n'
    assert [path for kind, path in short(source) if kind == "write"] == ["/d/x", "/d/y"]


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ('f"/exts/{ext_id}/on"', "/exts/{ext_id}/on"),
        ('f"/exts/{self.ext.id}/on"', "/exts/{id}/on"),
        ('f"/exts/{get(name)}/on"', "/exts/{name}/on"),
        ('f"/exts/{1 + 1}/on"', "/exts/{}/on"),
        ('"/exts/" + ext_id + "/on"', "/exts/{ext_id}/on"),
        ('"/exts/%s/on" % ext_id', "/exts/{ext_id}/on"),
        ('"/exts/%s/%d" % (ext_id, number)', "/exts/{ext_id}/{number}"),
        ('"/exts/{}/on".format(ext_id)', "/exts/{ext_id}/on"),
        ('"/exts/{name}/on".format(name=ext_id)', "/exts/{name}/on"),
        ('"/".join(["/exts", ext_id, "on"])', "/exts/{ext_id}/on"),
    ],
)
def test_a_part_that_is_only_known_at_run_time(expression: str, path: str) -> None:
    [use] = uses(f"{HEAD}settings.get({expression})\n")
    assert (use.path, use.dynamic, use.kind) == (path, True, "read")


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("from .keys import P\nsettings.get(P)", "/<.keys:P>"),
        ("from .keys import P as Q\nsettings.get(Q)", "/<.keys:P>"),
        ("from . import keys\nsettings.get(keys.P)", "/<.:keys.P>"),
        ("from .keys import Keys\nsettings.get(Keys.P.value)", "/<.keys:Keys.P>"),
        ("import a.keys as k\nsettings.get(k.P)", "/<a.keys:P>"),
        ('from ..keys import ROOT\nsettings.get(f"{ROOT}/x")', "/<..keys:ROOT>/x"),
        ("from x import SettingType\nimport a.k as k\nself._add_setting(SettingType.INT, 'Label', k.P)", "/<a.k:P>"),
        (
            "from omni.x import PERSISTENT_SETTINGS_PREFIX as P\nsettings.get(P + '/x')",
            "/<omni.x:PERSISTENT_SETTINGS_PREFIX>/x",
        ),
        (
            "from omni.x import PERSISTENT_SETTINGS_PREFIX\nsettings.get(PERSISTENT_SETTINGS_PREFIX + '/x')",
            "/persistent/x",
        ),
    ],
)
def test_constants_of_other_files_stay_references(source: str, path: str) -> None:
    assert [use.path for use in uses(HEAD + source)] == [path]


def test_a_path_built_by_a_function_of_the_file() -> None:
    source = f"""{HEAD}
EXT = "my.ext"
def key(stage):
    number = stage.id()
    return f"/exts/{{EXT}}/mode/{{number}}"
class A:
    def name(self, part):
        return "/exts/my.ext/" + part
    def use(self):
        settings.get(key(1))
        settings.get(self.name("x"))
"""
    found = [(use.kind, use.path, use.dynamic) for use in uses(source)]
    assert found == [("read", "/exts/my.ext/mode/{number}", True), ("read", "/exts/my.ext/{part}", True)]


def test_uncertain_uses_are_marked() -> None:
    source = "from .x import P\napply_settings(P)\nimport carb\ncarb.settings.get_settings().get(P)\n"
    assert [(use.path, use.certain) for use in uses(source)] == [("/<.x:P>", False), ("/<.x:P>", True)]


def test_constants_are_recorded_for_other_files_even_without_settings() -> None:
    [use] = uses('PLACE = "/my/place"\n')
    assert (use.kind, use.name, use.path) == ("candidate", "PLACE", "/my/place")
    assert short('TABLE = ["/rtx/a", "/World/b"]\n') == [("constant", "/rtx/a")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('["--/app/x=true"]', [("/app/x", "bool")]),
        ('["--/app/x=1", "--/app/y=0.5", "--no-window"]', [("/app/x", "int"), ("/app/y", "float")]),
        ("run(\"kit --/app/x='a' --/exts/a.b/c=[1,2]\")", [("/app/x", "string"), ("/exts/a.b/c", "array")]),
        ('[f"--/app/port={port}"]', [("/app/port", None)]),
        ('[f"--/exts/{name}/on=1"]', [("/exts/{name}/on", "int")]),
        ('["--/app/flag"]', [("/app/flag", None)]),
    ],
)
def test_arguments_of_the_command_line(source: str, expected: list[tuple[str, str | None]]) -> None:
    found = uses(source)
    assert [(use.path, use.type) for use in found] == expected
    assert {use.kind for use in found} == {"argument"}


def test_each_use_counts_also_on_one_line() -> None:
    assert short(f'{HEAD}a = settings.get("/a/b") or settings.get("/a/b")\n') == [("read", "/a/b")] * 2


_NAMES = st.sampled_from(
    ["settings", "A", "self.x", "get", '"/app/x"', '"/app/{}"', "f'/exts/{A}/y'", "'--/a/b=1'", "1"]
)


@given(
    st.recursive(
        _NAMES,
        lambda inner: (
            st.builds("({} + {})".format, inner, inner)
            | st.builds(
                "{}({}, {})".format, st.sampled_from(["settings.get", "settings.set", "set_setting"]), inner, inner
            )
        ),
        max_leaves=6,
    )
)
def test_any_expression_gives_well_formed_records(expression: str) -> None:
    for use in uses(f"{HEAD}A = {expression}\nclass B:\n    x = A\nsettings.get(A)\n"):
        assert re.fullmatch(r"(?:/[^/]+)+", use.path)
        assert use.dynamic == ("{" in use.path)
        assert use.kind in {"read", "write", "default", "subscribe", "argument", "constant", "prefix", "candidate"}


def test_circular_definitions_end() -> None:
    source = (
        f'{HEAD}A = B\nB = A\nC = C + "/x"\nsettings.get(A)\nsettings.get(C)\ndef f():\n    return f()\nf().get("/a")\n'
    )
    assert uses(source) == []


def test_a_long_sum_does_not_exhaust_the_stack() -> None:
    terms = " + ".join(['"/a"'] * 500)
    assert short(f"{HEAD}settings.get({terms})\n") == []


@pytest.fixture(scope="module")
def sources(wheel_root: Path) -> dict[str, str]:
    root = wheel_root / "isaaclab" / "source"
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.py"))}


def test_the_wheel_against_a_plain_text_search(sources: dict[str, str]) -> None:
    found = {
        (file, use.line, use.path)
        for file, source in sources.items()
        for use in uses(source, file)
        if use.kind not in {"candidate", "prefix"}
    }
    # A plain text search: anything in quotes or after `--`, below a known root of settings.
    roots = "|".join(sorted({re.escape(path.split("/")[1]) for _, _, path in found}))
    searched = {
        (file, number, match[1].rstrip("/"))
        for file, source in sources.items()
        for number, line in enumerate(source.splitlines(), 1)
        for match in re.finditer(rf"(?:[\"'`]|--)(/(?:{roots})/[\w./\\-]+)", line)
    }
    assert len(found) > 140
    assert found - searched == set()
    only_searched = sorted(searched - found)
    # One is a regular expression for an argument. Its escaped dots show that it is not a path.
    assert (
        "isaaclab/isaaclab/app/app_launcher.py",
        831,
        r"/plugins/carb\.tasking\.plugin/threadCount",
    ) in only_searched
    # All others are in docstrings, in double backticks.
    documented = [place for place in only_searched if "\\" not in place[2]]
    assert {file for file, _, _ in documented} == {
        "isaaclab/isaaclab/sim/simulation_cfg.py",
        "isaaclab/isaaclab/sim/simulation_context.py",
    }
    for file, number, path in documented:
        assert re.search(rf"``[^`]*{re.escape(path)}", sources[file].splitlines()[number - 1])
    assert len(documented) == 14


def test_skipping_files_early_loses_nothing(sources: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def certain(found: list[SettingUse]) -> list[SettingUse]:
        return [use for use in found if use.kind not in {"candidate", "prefix"}]

    skimmed = {file: certain(uses(source, file)) for file, source in sources.items()}
    monkeypatch.setattr(setting_uses, "prefilter", lambda source: True)
    whole = {file: certain(uses(source, file)) for file, source in sources.items()}
    assert skimmed == whole


# ---- a file's own names ---------------------------------------------------------------------------------------------

OWN = Where("omni.kit.loop-isaac", "omni.kit.loop.window", is_package=True)
STARTUP = "import carb\nimport omni.ext\ns = carb.settings.get_settings()\nclass A(omni.ext.IExt):\n"


@pytest.mark.parametrize(
    ("source", "path"),
    [
        # Python's own rules: an id with a dash is cut at the dash.
        ('name = ext_id.split("-")[0]\n        s.get(f"/exts/{name}/x")', "/exts/omni.kit.loop/x"),
        ('name = ext_id.rsplit("-", 1)[0]\n        s.get(f"/exts/{name}/x")', "/exts/omni.kit.loop-isaac/x"),
        ('name, _, _ = ext_id.partition("-")\n        s.get(f"/exts/{name}/x")', "/exts/omni.kit.loop/x"),
        ('s.get("/exts/" + ext_id.rpartition("-")[0] + "/x")', "/exts/omni.kit.loop-isaac/x"),
        ('s.get(f"/exts/{omni.ext.get_extension_name(ext_id)}/x")', "/exts/omni.kit.loop-isaac/x"),
        (
            "self._id = ext_id\n    def late(self):\n        s.get(f'/exts/{omni.ext.get_extension_name(self._id)}/x')",
            "/exts/omni.kit.loop-isaac/x",
        ),
        ('s.get(f"/exts/{__name__}/x")', "/exts/omni.kit.loop.window/x"),
        ('s.get(f"/exts/{__package__}/x")', "/exts/omni.kit.loop.window/x"),
        ('s.get("/exts/" + ".".join(__name__.split(".")[:-1]) + "/x")', "/exts/omni.kit.loop/x"),
        ('s.get("/exts/" + __name__.replace(".window", "") + "/x")', "/exts/omni.kit.loop/x"),
        # The full id contains a version, which is unknown.
        ('s.get(f"/exts/{ext_id}/x")', "/exts/{ext_id}/x"),
    ],
)
def test_paths_built_from_the_extensions_own_name(source: str, path: str) -> None:
    text = f"{STARTUP}    def on_startup(self, ext_id):\n        {source}\n"
    assert [use.path for use in uses(text, where=OWN)] == [path]


def test_the_id_of_another_extension_is_unresolved() -> None:
    source = (
        f'{HEAD}for ext_id in all_of_them():\n    name = ext_id.split("-")[0]\n    settings.get(f"/exts/{{name}}/x")\n'
    )
    assert [use.path for use in uses(source, where=OWN)] == ["/exts/{name}/x"]
    source = f'{HEAD}def show(ext_id):\n    settings.get("/exts/" + ext_id.split("-")[0] + "/x")\n'
    assert [use.path for use in uses(source, where=OWN)] == ["/exts/{ext_id}/x"]


def test_a_loop_over_a_table_above_it() -> None:
    source = f"""{HEAD}
TABLE = [("/app/a", 1), ("/app/b", 2)]
NAMES = {{"c": 3, "d": 4}}
class Panel:
    KEYS = ("e", "f")
    def build(self):
        for path, value in TABLE:
            settings.set_default(path, value)
        for name, value in NAMES.items():
            settings.get(f"/app/{{name}}")
        for key in self.KEYS:
            for inner in (key + "1", key + "2"):
                settings.get("/app/" + inner)
"""
    found = uses(source)
    assert sorted({use.path for use in found}) == [
        *("/app/a", "/app/b", "/app/c", "/app/d", "/app/e1", "/app/e2", "/app/f1", "/app/f2"),
    ]
    assert not any(use.dynamic for use in found)


def test_a_table_of_forty_settings_loses_none() -> None:
    table = ", ".join(f'"/app/key{number}"' for number in range(40))
    source = f"{HEAD}for path in [{table}]:\n    settings.get(path)\n"
    assert len({use.path for use in uses(source) if use.kind == "read"}) == 40


def test_an_attribute_belongs_to_its_class() -> None:
    source = f"""{HEAD}
class A:
    NAME = "a"
    def __init__(self):
        self._path = "/exts/my.ext/a"
    def read(self):
        settings.get(self._path + "/on")
        settings.get(f"/exts/my.ext/{{self.NAME}}/name")
class B:
    NAME = "b"
    def __init__(self):
        self._path = "/exts/my.ext/b"
    def read(self):
        settings.get(self._path + "/on")
class C(B):
    def write(self):
        settings.set(self._path + "/off", 1)
def read(other):
    settings.get(other._path + "/other")
"""
    found = {(use.line, use.path) for use in uses(source) if use.kind in {"read", "write"}}
    assert {path for _, path in found} == {
        "/exts/my.ext/a/on",
        "/exts/my.ext/a/name",
        "/exts/my.ext/b/on",
        "/exts/my.ext/b/off",
    }


def test_subclasses_provide_values_for_attributes_that_a_base_class_reads() -> None:
    source = f"""{HEAD}
class Base:
    def read(self):
        return settings.get(self.PATH)
class One(Base):
    PATH = "/exts/my.ext/one"
class Two(Base):
    PATH = "/exts/my.ext/two"
"""
    assert {use.path for use in uses(source) if use.kind == "read"} == {"/exts/my.ext/one", "/exts/my.ext/two"}


@pytest.mark.parametrize(
    "source",
    [
        'carb.log_info("/persistent/app/drives setting not found")',
        'carb.log_warn(f"/app/{name} is not set")',
        'MESSAGE = "/app/x is not set"',
        'settings.get(f"/defaults{path}")',
        'settings.get("/persistent" + path)',
        'set_setting(f"/app{path}/x", 1)',
    ],
)
def test_a_text_with_spaces_or_an_unknown_beginning_is_not_a_path(source: str) -> None:
    assert short(f"{HEAD}{source}\n") == []


def test_a_constant_of_another_file_may_hold_the_beginning() -> None:
    source = f"{HEAD}from .x import ROOT\nsettings.get(f'{{ROOT}}{{name}}/on')\n"
    assert short(source) == [("read", "/<.x:ROOT>{name}/on")]


def test_arguments_of_the_settings_interface_may_have_spaces() -> None:
    assert short(f'{HEAD}settings.get("/persistent/app/window/My Window/open")\n') == [
        ("read", "/persistent/app/window/My Window/open")
    ]


def test_words_are_recorded_for_the_paths_of_other_files() -> None:
    source = 'NAME = "my.ext"\nclass Keys:\n    GROUP = NAME + ".group"\n    BIG = 3\nTITLE = "My extension"\n'
    found = python_uses(ast.parse(source), file="a.py", source=source)
    assert [(use.kind, use.name, use.path) for use in found] == [
        ("text", "NAME", "my.ext"),
        ("text", "Keys.GROUP", "my.ext.group"),
    ]


def test_patterns_of_a_match_are_read() -> None:
    source = f"{HEAD}match settings.get('/a/b'):\n    case True | None:\n        settings.get('/a/c')\n"
    assert short(source) == [("read", "/a/b"), ("read", "/a/c")]
