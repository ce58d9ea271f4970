"""Small synthetic source trees, and the stages run on them in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stages import artifacts, code_examples, extension_data, preparation, pull_repo_exts, settings
from stages.artifacts.preparation import EXTENSIONS, Extensions
from stages.failures import StageWarning
from stages.sources.configured import configured_sources


def write_tree(root: Path, files: dict[str, str | bytes]) -> Path:
    """Write files below a folder and return it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


class MadeRun:
    """The first five stages, run on sources."""

    def __init__(
        self, work_dir: Path, *sources: Path | dict[str, Any], excluded_modules: list[str] | None = None
    ) -> None:
        self.work_dir = work_dir
        described = [
            source if isinstance(source, dict) else {"kind": "path", "path": str(source)} for source in sources
        ]
        pull_repo_exts.pull(configured_sources(described), work_dir=work_dir, kit_version="107.3.3")
        preparation.prepare(work_dir, excluded=[], max_extensions=-1)
        self.prepared = artifacts.read(work_dir / EXTENSIONS, Extensions)
        for extension in self.prepared.extensions:
            extension_data.extract(
                extension,
                work_dir=work_dir,
                excluded_modules=excluded_modules or [],
                include_source_code=False,
                encoding="cl100k_base",
            )
        extension_data.merge(work_dir)
        for extension in self.prepared.extensions:
            code_examples.select(
                extension,
                work_dir=work_dir,
                mode="regular",
                min_lines=50,
                min_complexity=3,
                encoding="cl100k_base",
                kit_version="107.3.3",
            )
        for owner in self.prepared.owners():
            settings.scan(owner, work_dir=work_dir)
        settings.merge(work_dir)

    def json(self, path: str) -> Any:
        """Return a file of the work directory."""
        return json.loads((self.work_dir / path).read_bytes())

    @property
    def ids(self) -> list[str]:
        """The ids of the extensions that were chosen."""
        return [extension.id for extension in self.prepared.extensions]

    def entry(self, id_: str) -> Any:
        """Return an extension's entry in the database."""
        return self.json("extension_data/extensions_database.json")["extensions"][id_]

    def atlas(self, id_: str) -> Any:
        """Return an extension's code atlas."""
        return self.json(f"extension_data/{self.entry(id_)['codeatlas_path']}")

    def settings(self) -> Any:
        """Return the settings by path."""
        return self.json("settings/setting_summary.json")["settings"]

    def warnings(self, *kinds: str) -> list[StageWarning]:
        """Return the warnings of preparation and extraction, of these kinds if any are given."""
        found = self.prepared.warnings + self.json("extension_data/extraction_report.json")["warnings"]
        return [warning for warning in found if not kinds or warning["kind"] in kinds]
