"""The pictures of the page: plots as static SVG, and the layouts of the two graphs.

pygal draws each plot twice: for a wide page, and for a phone, on which a shrunken plot would be illegible. Colours are
CSS variables of the page, so that they follow its light and dark themes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from console.report.run_state import StageState

WIDE, NARROW = 920, 380
# Most bars of a plot. The tables show all values, sorted.
MOST_BARS = 20
_BAR_HEIGHT = 26
_LAYER_ROWS = 40
_SWEEPS = 4


@dataclass(frozen=True)
class Box:
    """A stage in the picture of the pipeline.

    Attributes:
        stage: The stage.
        x: Left edge.
        y: Top edge.
    """

    stage: StageState
    x: float
    y: float


@dataclass(frozen=True)
class Diagram:
    """The pipeline as boxes and lines, in CSS pixels.

    Attributes:
        name: ``wide`` or ``narrow``.
        width: Width of the whole.
        height: Height of the whole.
        box_width: Width of a box.
        box_height: Height of a box.
        boxes: The stages.
        lines: SVG path data of the arrows.
    """

    name: str
    width: float
    height: float
    box_width: float
    box_height: float
    boxes: list[Box]
    lines: list[str]


def diagrams(stages: Sequence[StageState]) -> list[Diagram]:
    """Return the diagram of the pipeline from left to right, and from top to bottom for a narrow page."""
    return [_diagram(stages, across=True), _diagram(stages, across=False)] if stages else []


def _diagram(stages: Sequence[StageState], *, across: bool) -> Diagram:
    import networkx as nx

    by_name = {stage.name: stage for stage in stages}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(by_name)
    graph.add_edges_from((before, stage.name) for stage in stages for before in stage.after if before in by_name)
    # Draws no arrow that follows from others: the picture shows the order, the table lists every dependency.
    graph = nx.transitive_reduction(graph)
    order = {name: number for number, name in enumerate(by_name)}
    layers = [sorted(layer, key=order.__getitem__) for layer in nx.topological_generations(graph)]
    most = max(len(layer) for layer in layers)
    gap, between, margin = (28.0, 22.0, 3.0) if across else (22.0, 12.0, 3.0)
    box_width, box_height = (146.0, 100.0) if across else (max(340.0 / most - between * (most - 1), 150.0), 60.0)
    along, aside = (box_width, box_height) if across else (box_height, box_width)
    breadth = most * aside + (most - 1) * between
    place: dict[str, tuple[float, float]] = {}
    for column, layer in enumerate(layers):
        start = (breadth - len(layer) * aside - (len(layer) - 1) * between) / 2
        for row, name in enumerate(layer):
            first, second = margin + column * (along + gap), margin + start + row * (aside + between)
            place[name] = (first, second) if across else (second, first)
    lines = []
    for before, after in sorted(graph.edges, key=lambda edge: (order[edge[0]], order[edge[1]])):
        (x1, y1), (x2, y2) = place[before], place[after]
        if across:
            x1, y1, y2, x2 = x1 + box_width, y1 + box_height / 2, y2 + box_height / 2, x2 - 7
            bend = (x2 - x1) / 2
            lines.append(f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}")
        else:
            x1, y1, x2, y2 = x1 + box_width / 2, y1 + box_height, x2 + box_width / 2, y2 - 7
            bend = (y2 - y1) / 2
            lines.append(f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}")
    length = len(layers) * along + (len(layers) - 1) * gap
    width, height = (length, breadth) if across else (breadth, length)
    boxes = [Box(by_name[name], *place[name]) for name in by_name]
    name = "wide" if across else "narrow"
    return Diagram(name, width + 2 * margin, height + 2 * margin, box_width, box_height, boxes, lines)


def bars(
    name: str, title: str, series: Mapping[str, Mapping[str, float]], *, unit: str = "", decimals: int = 0
) -> dict[str, Markup]:
    """Return a horizontal bar chart, longest bar first, as SVG for a wide and for a narrow page.

    Args:
        name: A short name that makes the ids of the plot unique on the page.
        title: The title for screen readers.
        series: The values of each series by label. Bars of one label are stacked.
        unit: Written after each value.
        decimals: Digits after the point.

    Returns:
        ``{"wide": svg, "narrow": svg}`` with at most `MOST_BARS` bars; empty without values.
    """
    totals: dict[str, float] = {}
    for values in series.values():
        for label, value in values.items():
            totals[label] = totals.get(label, 0) + value
    longest = sorted(totals, key=lambda label: (-totals[label], label))[:MOST_BARS]
    if not longest or not totals[longest[0]]:
        return {}
    labels = longest[::-1]  # pygal draws from the bottom up
    return {
        size: _bars(
            f"{name}-{size}",
            title,
            labels=labels,
            series=series,
            width=width,
            unit=f" {unit}" if unit else "",
            decimals=decimals,
        )
        for size, width in (("wide", WIDE), ("narrow", NARROW))
    }


def _bars(
    name: str,
    title: str,
    *,
    labels: Sequence[str],
    series: Mapping[str, Mapping[str, float]],
    width: int,
    unit: str,
    decimals: int,
) -> Markup:
    import pygal
    from pygal.style import Style

    many = len(series) > 1
    totals = {label: sum(values.get(label, 0) for values in series.values()) for label in labels}
    narrow = width < WIDE
    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--muted)",
        foreground_strong="var(--text)",
        foreground_subtle="var(--line)",
        guide_stroke_color="var(--line)",
        major_guide_stroke_color="var(--line)",
        guide_stroke_dasharray="none",
        major_guide_stroke_dasharray="none",
        opacity="1",
        opacity_hover="1",
        stroke_opacity="0",
        stroke_opacity_hover="0",
        transition="0s",
        font_family="inherit",
        label_font_size=13,
        major_label_font_size=13,
        value_font_size=12,
        colors=tuple(f"var(--series-{number})" for number in range(1, 6)),
        value_colors=("var(--text)",) * 5,
    )
    chart = (pygal.HorizontalStackedBar if many else pygal.HorizontalBar)(
        width=width,
        height=len(labels) * _BAR_HEIGHT + 44,
        style=style,
        js=(),
        title=None,
        show_legend=False,  # pygal's legend overlaps on narrow pages; the page has its own
        print_values=False,
        spacing=8,
        margin=4,
        margin_right=12,
        min_scale=2,
        max_scale=3 if narrow else 8,
        value_formatter=lambda value: f"{value:,.{decimals if value % 1 else 0}f}{unit}",
        rounded_bars=2,
    )
    chart.uuid = name
    most = 20 if narrow else 44
    chart.x_labels = [f"{_short(label, most)}  {totals[label]:,.{decimals}f}{unit}" for label in labels]
    for key, values in series.items():
        chart.add(key if many else title, [values.get(label, 0) for label in labels])
    # Removes pygal's remote script and dated comments, so that the SVG is static and reproducible.
    root = chart.render_tree()
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("class", f"plot plot-{'narrow' if narrow else 'wide'}")
    return Markup(_markup(root))  # noqa: S704  serialised from a tree, which escapes every text


def _markup(root: Any) -> str:
    from xml.etree import ElementTree as ET

    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] in ("script", "title", "desc"):
                parent.remove(child)
    return ET.tostring(root, encoding="unicode")


def _short(label: str, most: int) -> str:
    """Return a label with its middle cut out if it is too long. The end distinguishes related extensions."""
    if len(label) <= most:
        return label
    return f"{label[: most // 3]}…{label[-(most - most // 3 - 1) :]}"


def layered(edges: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
    """Return the column and row of each node of a graph. The graph may have cycles.

    A node is left of its dependencies. The nodes of a cycle share a column. A column of more than forty nodes is split.

    Args:
        edges: The dependencies of each node.
    """
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(sorted(edges))
    graph.add_edges_from((node, other) for node in sorted(edges) for other in edges[node])
    condensed = nx.condensation(graph)
    layers = [
        sorted(node for group in generation for node in condensed.nodes[group]["members"])
        for generation in nx.topological_generations(condensed)
    ]
    row = {node: float(number) for layer in layers for number, node in enumerate(layer)}
    for sweep in range(_SWEEPS):
        near = graph.successors if sweep % 2 else graph.predecessors
        for layer in reversed(layers) if sweep % 2 else layers:
            mean = {}
            for node in layer:
                near_rows = [row[other] for other in near(node)]
                mean[node] = sum(near_rows) / len(near_rows) if near_rows else row[node]
            layer.sort(key=lambda node, mean=mean: (mean[node], node))  # type: ignore[misc]
            row |= {node: float(number) for number, node in enumerate(layer)}
    place: dict[str, tuple[int, int]] = {}
    column = 0
    for layer in layers:
        columns = -(-len(layer) // _LAYER_ROWS)
        length = -(-len(layer) // columns)
        place |= {node: (column + number // length, number % length) for number, node in enumerate(layer)}
        column += columns
    return place
