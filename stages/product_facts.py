"""Facts about particular products, each with its source. Rules for all Kit extensions are in the code."""

from __future__ import annotations

# Which Kit a release of Isaac Sim is built on. A wheel that requires Isaac Sim names its Kit in no other way.
# Source: the release notes of Isaac Sim ("Updated to Kit 107.3.3").
ISAAC_SIM_KITS = {"4.5": "106.5.0", "5.0": "107.3.1", "5.1": "107.3.3"}

# First parts of setting paths that Kit, its renderers and its plug-ins use. A string that stands alone (not an argument
# of a call that takes a setting) is taken for a setting only below one of these, since USD prim paths look the same.
# Source: the `[settings]` tables of the manifests and `.kit` files that come with Kit 106 to 108 and Isaac Sim 4 and 5,
# and the "Settings" pages of the Kit manual (`/persistent`, `/app`, `/exts`, `/defaults`) and of the RTX renderer.
SETTING_ROOTS = (
    "UJITSO",
    "app",
    "crashreporter",
    "defaults",
    "exts",
    "foundation",
    "isaac",
    "log",
    "metricsAssembler",
    "ngx",
    "omnihydra",
    "omni.kit.plugin",
    "persistent",
    "physics",
    "plugins",
    "privacy",
    "profiler",
    "renderer",
    "rendergraph",
    "rtx",
    "rtx-defaults",
    "rtx-transient",
    "structuredLog",
    "telemetry",
    "xr",
    "xrstage",
)

# First parts that are USD's: prim paths that reach a call with "setting" in its name must not become settings.
# Source: the default stages of USD Composer (`/World`, `/Environment`, `/Render`, `/Looks`) and of Isaac Sim and Isaac
# Lab (`/World/envs`, `/Visuals`, `/physicsScene`).
PRIM_ROOTS = frozenset({"World", "Looks", "Render", "Root", "Environment", "envs", "Visuals", "physicsScene"})

# Constants that Kit itself exports and that extensions import from it.
# Source: `omni.kit.widget.settings`, whose `PERSISTENT_SETTINGS_PREFIX` extensions use.
KNOWN_CONSTANTS = {"PERSISTENT_SETTINGS_PREFIX": "/persistent"}

# Folders of installed packages, which are not extensions of the source.
# Source: the manuals of npm (`node_modules`) and of Python's `site` module (`site-packages`).
INSTALLED_PACKAGES = frozenset({"node_modules", "site-packages"})

# Folders of a Kit build or application that hold extensions: `exts`, `extscache`, `extscore`, `extsPhysics`,
# `extsDeprecated`, …
# Source: the folder layout of Kit 105 to 108, Isaac Sim 4.5 to 5.1.
EXTENSION_FOLDERS = r"exts[A-Za-z]*"

# Folders of a source that hold its extensions before they are built.
# Source: NVIDIA's kit-app-template and kit-extension-template (`source/extensions`, `exts`), Isaac Sim's repository.
SOURCE_FOLDERS = ("source", "exts", "extensions")

# Folders of an extension that Python packages may lie in without being part of their names.
# Source: Isaac Sim's extensions (`python`), the packaging guide's "src layout".
PATH_FOLDERS = frozenset({"python", "src", "source"})

# Folders and modules beside the packages of an extension that are no package of its own.
# Source: the extensions of Isaac Lab and of kit-extension-template; setuptools' and pytest's own files.
NO_PACKAGES = frozenset(
    {
        *(
            "benchmarks",
            "build",
            "config",
            "conftest",
            "data",
            "dist",
            "doc",
            "docs",
            "examples",
            "licenses",
            "noxfile",
        ),
        *("scripts", "setup", "standalone_examples", "templates", "test", "tests", "tools", "tutorials", "__init__"),
    }
)
