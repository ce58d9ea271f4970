"""Create the documentation's pictures of the report and the task graph, from a run on the default sources.

    python docs/make_screenshots.py [REPORT.html]

Needs Chromium (``CHROMIUM`` or on the path). The task graph also needs the extra ``graph`` and Graphviz. With a page as
argument, only the screenshots are created.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
Picture = tuple[str, int, int, Literal["light", "dark"]]
# File name -> view, width, height and colour scheme.
PICTURES: dict[str, Picture] = {
    "report-extension": ("#/extension/isaaclab_rl", 1280, 900, "dark"),
}


def main() -> None:
    """Create all pictures. The last line on standard output gives their folder."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 1:
        take_screenshots(Path(sys.argv[1]).resolve(), PICTURES)
    else:
        with tempfile.TemporaryDirectory() as folder:
            places = [f"work_dir={folder}/work", f"target_dir={folder}/data"]
            page = Path(folder) / "work" / "report.html"
            # A failing run: nothing listens on that port. The next run resumes it.
            service = ["backend=openai", "endpoint_url=http://127.0.0.1:9/v1", "model=none", "max_tries=1"]
            run("doit", *places, *service, expected=1)
            run("doit", "report", *places, *service)
            take_screenshots(page, {"report-failed": ("#/", 1280, 1000, "light")})
            run("doit", *places)
            run("doit", "report", *places)
            take_screenshots(page, PICTURES)
            draw_tasks(places)
    print(f"Pictures: {IMAGES}")


def run(module: str, *arguments: str, expected: int = 0) -> None:
    """Run a Python module in the project's folder. Exit if its exit code is not the expected one."""
    environ = {**os.environ, "NVIDIA_API_KEY": os.environ.get("NVIDIA_API_KEY", "none")}
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False, env=environ)
    if done.returncode != expected:
        sys.exit(f"{module} {' '.join(arguments)}: exit code {done.returncode}, expected {expected}")


def take_screenshots(page_file: Path, pictures: dict[str, Picture]) -> None:
    """Take screenshots of a report."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (view, width, height, scheme) in pictures.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(page_file.as_uri() + view)
            page.wait_for_function("!document.querySelector('[aria-busy]')")
            page.screenshot(path=IMAGES / f"{name}.png")
            page.close()
        browser.close()


def draw_tasks(places: list[str]) -> None:
    """Draw the stages with ``doit graph`` and Graphviz."""
    with tempfile.TemporaryDirectory() as folder:
        dot = f"{folder}/tasks.dot"
        run("doit", "graph", "--reverse", "--horizontal", "--output", dot, *places)
        subprocess.run(
            ["dot", "-Tsvg", "-Nfontname=Helvetica,Arial,sans-serif", dot, "-o", str(IMAGES / "graph.svg")], check=True
        )


if __name__ == "__main__":
    main()
