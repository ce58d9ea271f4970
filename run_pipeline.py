#!/usr/bin/env python3
"""Run the pipeline on a Kit or on the configured sources, with few options.

python run_pipeline.py                                  run
python run_pipeline.py --kit-cache PATH                 collect from a Kit cache or a folder of extensions
python run_pipeline.py --quick                          skip embeddings and search
python run_pipeline.py --resume                         continue after a failure
python run_pipeline.py --force --max-extensions 25      start afresh, with the first 25 extensions
"""

from __future__ import annotations

import bootstrap  # isort: skip  # noqa: F401 - it prepares the process for all other imports

import argparse
import os
import sys
from collections.abc import Sequence

from data_collection_pipeline import add_common_arguments, run_command_line


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of this script's command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_common_arguments(parser)
    parser.add_argument(
        "--kit-cache", metavar="PATH", help="a Kit cache or folder of extensions, instead of the sources"
    )
    parser.add_argument("--max-extensions", metavar="N", type=int, help="only the first N extensions by id (-1: all)")
    parser.add_argument("--quick", action="store_true", help="no embeddings and no FAISS")
    parser.add_argument("--include-source", action="store_true", help="put source code into the code atlas")
    parser.add_argument("--keep-intermediate", action="store_true", help="keep the intermediate files after the run")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` and return the exit code: 0 success, 1 a stage failed, 2 not started."""
    parser = argument_parser()
    arguments = parser.parse_args(argv)
    overrides: dict[str, str] = {}
    if arguments.kit_cache == "":  # an unset shell variable; an empty path would mean the current folder
        parser.error("argument --kit-cache: expected a folder, found nothing")
    if arguments.kit_cache is not None:
        overrides["kit_cache"] = os.path.abspath(arguments.kit_cache)
    if arguments.max_extensions is not None:
        overrides["processing.max_extensions"] = str(arguments.max_extensions)
    if arguments.quick:
        overrides["quick"] = "1"
    if arguments.include_source:
        overrides["processing.include_source_code"] = "true"
    if arguments.keep_intermediate:
        overrides["output.keep_intermediates"] = "true"
    return run_command_line(arguments, overrides, {})


if __name__ == "__main__":
    sys.exit(main())
