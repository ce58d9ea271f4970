"""The first import of the scripts: handles early Ctrl-C and finds the project's environment. Standard library only.

If the current Python lacks the pipeline's packages, the script restarts with the Python that ``make`` installed in
``.venv``. Nothing happens if another program imports a script as a module.
"""

import os
import signal
import sys
from importlib.util import find_spec

_SCRIPTS = ("data_collection_pipeline.py", "run_pipeline.py", "test_checkpoint_system.py")
_PACKAGES = ("doit", "tomli", "jsonschema", "jsonschema_rs", "orjson", "filelock")
_PROJECT = os.path.dirname(os.path.abspath(__file__))


def _interrupted(number: int, frame: object) -> None:
    """Exit with one line. A run installs its own handlers."""
    del frame
    sys.stderr.write("Interrupted.\n")
    raise SystemExit(128 + number)


def _go_on_in_the_environment(script: str) -> None:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if not missing:
        return
    environment = os.path.join(_PROJECT, ".venv")
    python = os.path.join(environment, "bin", "python")
    if os.path.exists(python) and os.path.realpath(sys.prefix) != os.path.realpath(environment):
        os.execv(python, [python, script, *sys.argv[1:]])  # noqa: S606 - the same command line goes on
    sys.stderr.write(f"ERROR: the packages of the pipeline are not installed ({missing[0]} is missing). Run: make\n")
    raise SystemExit(2)


_script = getattr(sys.modules["__main__"], "__file__", None) or ""
if os.path.basename(_script) in _SCRIPTS and os.path.dirname(os.path.abspath(_script)) == _PROJECT:
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, _interrupted)
    _go_on_in_the_environment(_script)
