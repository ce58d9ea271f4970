"""The argument types in a docstring of Google, NumPy or Sphinx style."""

from __future__ import annotations

import re

# A docstring without any of these contains no types.
_MARKS = ("Args:", "Arguments:", "Parameters", "Params:", ":param", ":type", "Keyword Args:", "Other Parameters")
_GOOGLE = re.compile(r"(?:Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters):\s*\Z")
_GOOGLE_ENTRY = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*\(")
_NUMPY = re.compile(r"(?:Parameters|Other Parameters)\s*\Z")
_NUMPY_ENTRY = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*:\s*(\S.*)\Z")
_SPHINX_PARAM = re.compile(r"[ \t]*:param\s+([^:\n]*\S)\s+\\?(\*{0,2}\w+)\s*:", re.MULTILINE)
_SPHINX_TYPE = re.compile(r"[ \t]*:type\s+\\?(\*{0,2}\w+)\s*:[ \t]*(\S[^\n]*)", re.MULTILINE)
# Remarks beside the type of an argument.
_EXTRAS = re.compile(
    r"\s*[,;]\s*(?:optional|required|keyword[- ]only|positional[- ]only|default(?:s|\s+is|\s*:|\s*=|\s+to|\s).*)\s*\Z",
    re.IGNORECASE,
)
_ROLE = re.compile(r":[\w:]+:`~?([^`]*)`|``?([^`]+)``?")
_LONGEST = 200
_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def argument_types(docstring: str | None) -> dict[str, str]:
    """Return the argument types in a docstring: name, without stars -> type as written.

    Args:
        docstring: The docstring, cleaned by `inspect.cleandoc`.
    """
    if docstring is None or not any(mark in docstring for mark in _MARKS):
        return {}
    found: dict[str, str] = {}
    lines = docstring.expandtabs().split("\n")
    for index, line in enumerate(lines):
        stripped = line.strip()
        if _GOOGLE.match(stripped):
            _google(lines, index, found)
        elif _NUMPY.match(stripped) and index + 1 < len(lines) and re.fullmatch(r"\s*-{3,}\s*", lines[index + 1]):
            _numpy(lines, index, found)
    for match in _SPHINX_PARAM.finditer(docstring):
        _add(found, match[2], match[1])
    for match in _SPHINX_TYPE.finditer(docstring):
        _add(found, match[1], match[2])
    return found


def _google(lines: list[str], start: int, found: dict[str, str]) -> None:
    """Add the entries of a section: the least indented lines below its heading."""
    outer, inner = _indentation(lines[start]), None
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        depth = _indentation(line)
        if depth <= outer:
            return
        inner = depth if inner is None else inner
        if depth != inner or not (match := _GOOGLE_ENTRY.match(line, depth)):
            continue
        # A long type may continue on the next line.
        text = " ".join([line, *(item.strip() for item in lines[number + 1 : number + 3])])
        end = _closing(text, match.end() - 1)
        if end and text[end:].lstrip().startswith(":"):
            _add(found, match[1], text[match.end() : end - 1])


def _numpy(lines: list[str], start: int, found: dict[str, str]) -> None:
    outer = _indentation(lines[start])
    for number in range(start + 2, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        depth = _indentation(line)
        underlined = number + 1 < len(lines) and re.fullmatch(r"\s*-{3,}\s*", lines[number + 1])
        if depth < outer or underlined:
            return
        if depth == outer and (match := _NUMPY_ENTRY.match(line, depth)):
            _add(found, match[1], match[2])


def _closing(text: str, start: int) -> int:
    """Return the index after the bracket that closes the one at ``start``; 0 if it is not closed."""
    depth = 0
    for index in range(start, len(text)):
        depth += _BRACKETS.get(text[index], 0)
        if not depth:
            return index + 1
    return 0


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _add(found: dict[str, str], names: str, text: str) -> None:
    text = _ROLE.sub(lambda match: match[1] or match[2], text).strip().rstrip(".")
    while (shorter := _EXTRAS.sub("", text)) != text:
        text = shorter
    if not text or len(text) > _LONGEST or text.lower() in {"optional", "required"}:
        return
    for name in names.split(","):
        name = name.strip().lstrip("*")
        if name.isidentifier():
            found.setdefault(name, text)
