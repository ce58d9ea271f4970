"""Facts about particular products, each with its source. Rules for all Kit extensions are in the code.

A source is a public page, or a repository on https://github.com and the path of a file in it. "Not confirmed" marks a
fact without a public file or page of the product.
"""

from __future__ import annotations

# The Kit of each release of Isaac Sim. A patch release without an entry has the Kit of its major.minor. A wheel that
# requires Isaac Sim has no other information on its Kit. The early developer release of 6.0.0 was built on Kit 109.0.2.
# Source: https://docs.isaacsim.omniverse.nvidia.com/VERSION/overview/release_notes.html with the versions 4.5.0, 5.0.0,
# 5.1.0, 6.0.1 (which names the Kit of 6.0.0 too), 6.1.0 and 6.2.0; https://docs.isaacsim.omniverse.nvidia.com/latest/
# overview/archived_release_notes.html for 4.2; https://docs.isaacsim.omniverse.nvidia.com/4.1.0/release_notes.html.
# Not confirmed: the Kit of 4.0, which therefore has no entry.
ISAAC_SIM_KITS = {
    "4.1": "106.0.1",
    "4.2": "106.1.0",
    "4.5": "106.5.0",
    "5.0": "107.3.1",
    "5.1": "107.3.3",
    "6.0": "110.1.1",
    "6.0.1": "110.1.2",
    "6.1": "110.3.0",
    "6.2": "110.4.0",
}

# First parts of setting paths that Kit, its renderers and its plug-ins use. A string that is not an argument of a
# settings call counts as a setting only below one of these, because USD prim paths have the same form.
# Sources:
# - isaac-sim/IsaacSim source/apps/isaacsim.exp.base.kit: `app`, `exts`, `foundation`, `isaac`, `persistent`, `physics`,
#   `renderer`, `rtx`, `rtx-transient`, `telemetry`; `UJITSO` and `omnihydra` below `/persistent`
# - isaac-sim/IsaacLab apps/isaaclab.python.kit (`metricsAssembler`, `rendergraph`), apps/isaaclab.python.headless.kit
#   (`crashreporter`, `ngx`, `omnihydra`), apps/isaacsim_4_5/isaaclab.python.xr.openxr.kit (`defaults`, `xr`),
#   source/isaaclab/test/devices/test_oxr_device.py (`xrstage`), source/isaaclab/isaaclab/app/app_launcher.py
#   (`plugins`)
# - NVIDIA-Omniverse/kit-app-template templates/apps/usd_composer/omni.usd_composer.kit: `plugins`, `privacy`,
#   `structuredLog`
# - https://docs.omniverse.nvidia.com/kit/docs/carbonite/latest/docs/CrashReporter.html: `crashreporter`
# Not confirmed in a file of NVIDIA's: `log`, `omni.kit.plugin`, `profiler` and `rtx-defaults`. Public scripts give them
# to Kit on the command line (`--/log/level=warn`, `--/omni.kit.plugin/syncUsdLoads=1`, `--/profiler/enabled=true`).
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

# First parts of USD prim paths. A prim path that reaches a call with "setting" in its name must not become a setting.
# Sources, all in isaac-sim/IsaacLab below source/isaaclab: isaaclab/sim/simulation_cfg.py (`/physicsScene`),
# isaaclab/sim/utils/stage.py (`/Render`), isaaclab/sensors/frame_transformer/frame_transformer.py (`envs`, which
# follows `/World` as a rule), test/controllers/test_operational_space.py (`/Visuals`),
# test/sim/test_spawn_materials.py (`/Looks`); and source/isaaclab_assets/isaaclab_assets/robots/unitree.py (`/World`).
# Not confirmed in a file of NVIDIA's: `/Environment`, which public scripts use for the sky of a stage, and `/Root`.
PRIM_ROOTS = frozenset({"World", "Looks", "Render", "Root", "Environment", "envs", "Visuals", "physicsScene"})

# Constants that Kit itself exports and that extensions import from it.
# Source: extensions such as `isaacsim.asset.gen.conveyor.ui` import `PERSISTENT_SETTINGS_PREFIX` from
# `omni.kit.window.preferences`, which defines it as "/persistent". Other extensions define a constant of that name and
# value themselves. No import of it from `omni.kit.widget.settings` was found.
KNOWN_CONSTANTS = {"PERSISTENT_SETTINGS_PREFIX": "/persistent"}

# Folders of installed packages, which are not extensions of the source.
# Sources: https://docs.npmjs.com/cli/configuring-npm/folders (`node_modules`) and
# https://docs.python.org/3/library/site.html (`site-packages`).
INSTALLED_PACKAGES = frozenset({"node_modules", "site-packages"})

# Folders of extensions in a Kit build or application: `exts`, `extscache`, `extscore`, `extsPhysics`,
# `extsDeprecated`, `extsUser`.
# Sources: the lists of extension folders in isaac-sim/IsaacLab apps/isaaclab.python.kit and in isaac-sim/IsaacSim
# source/apps/isaacsim.exp.base.kit (`extsUser`).
EXTENSION_FOLDERS = r"exts[A-Za-z]*"

# Folders of unbuilt extensions in a source.
# Sources: isaac-sim/IsaacSim (`source/extensions`, `source/deprecated`), isaac-sim/IsaacLab (`source`),
# NVIDIA-Omniverse/kit-extension-template (`exts`). Not confirmed: `extensions` at the top of a source.
SOURCE_FOLDERS = ("source", "exts", "extensions")

# Folders of an extension that may contain Python packages without being part of their names.
# Sources: isaac-sim/IsaacSim source/extensions/isaacsim.core.nodes and
# https://docs.omniverse.nvidia.com/kit/docs/omni.graph.docs/2.0.1/dev/DirectoryStructure.html (`python`);
# https://packaging.python.org/en/latest/discussions/src-layout-vs-flat-layout/ (`src`). Not confirmed: `source`.
PATH_FOLDERS = frozenset({"python", "src", "source"})

# Folders and modules beside the packages of an extension that are not part of its API.
# Sources: isaac-sim/IsaacLab source/isaaclab and source/isaaclab_assets (`config`, `data`, `docs`, `setup`, `test`),
# NVIDIA-Omniverse/kit-extension-template exts/omni.services.example.viewport_capture.core (`tests`), isaac-sim/IsaacSim
# premake5-tests.lua (`standalone_examples`). Files of Python's tools: `setup`, `build` and `dist` of setuptools,
# `conftest` of pytest, `noxfile` of nox. Not confirmed in a file of NVIDIA's: `benchmarks`, `doc`, `examples`,
# `licenses`, `scripts`, `templates`, `tools`, `tutorials`, which are the usual names for such folders.
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
