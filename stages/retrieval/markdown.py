"""Conversion of Markdown to the plain text of the rendered page."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token

_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^>]*>", re.DOTALL)
_OPTION = re.compile(r"\s*:[\w-]+:")
# MyST directives without prose: lists of pages, generated API, raw markup.
_NO_PROSE = re.compile(r"\{(?:toctree|eval-rst|auto\w*|include|literalinclude|raw|image|figure|mermaid|repo_\w+)\}")


def plain_text(markdown: str) -> str:
    """Return the text of a Markdown document, with blocks separated by an empty line.

    Headings, paragraphs, list items (after ``- ``), table rows (with `` | `` between cells) and code are kept. Images
    are replaced by their alternative text, links by their label. HTML, comments and directives without prose are left
    out.
    """
    from markdown_it import MarkdownIt

    blocks: list[str] = []
    items: list[str] = []
    cells: list[str] | None = None
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "inline":
            text = _inline(token)
            if cells is not None:
                cells.append(text)
            elif text:
                prefix = "".join(items)
                blocks.append(prefix + text)
                # Only an item's first block has the dash; the rest is indented below it.
                items = [" " * len(item) for item in items]
        elif token.type in ("fence", "code_block"):
            if not _NO_PROSE.match(token.info):
                lines = token.content.rstrip("\n").split("\n")
                is_directive = token.info.startswith("{")
                blocks.append("\n".join(line for line in lines if not (is_directive and _OPTION.match(line))))
        elif token.type == "html_block":
            blocks.append(_without_tags(token.content))
        elif token.type == "list_item_open":
            items.append("- ")
        elif token.type == "list_item_close":
            items.pop()
        elif token.type == "tr_open":
            cells = []
        elif token.type == "tr_close":
            blocks.append(" | ".join(cells or []))
            cells = None
    return "\n\n".join(block for block in (block.strip("\n") for block in blocks) if block.strip())


def _inline(token: Token) -> str:
    parts: list[str] = []
    for child in token.children or []:
        if child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type != "html_inline":  # an image's content is its alternative text
            parts.append(child.content)
    return "".join(parts).strip()


def _without_tags(text: str) -> str:
    return re.sub(r"\n\s*\n+", "\n", html.unescape(_TAG.sub("", text))).strip()
