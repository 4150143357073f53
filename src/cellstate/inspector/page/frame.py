"""What stands around a drawing: axes, labels, the crosshair's numbers, the table behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cellstate.inspector.page import shape
from cellstate.inspector.page.markup import Markup, data_block, element, join
from cellstate.inspector.plot.axis import Axis, Tick

PIXELS_PER_TICK = 46


@dataclass(frozen=True)
class Detail:
    """How much of a long series goes into the page, so that it stays small."""

    points: int = 1200  # of each drawing
    rows: int = 200  # of each table
    columns: int = 400  # of each heatmap

    def halved(self) -> Detail:
        """The next coarser level."""
        return Detail(*(max(8, amount // 2) for amount in (self.points, self.rows, self.columns)))


@dataclass(frozen=True)
class Curve:
    """What the crosshair says of one curve: a text at every point, and a place or NaN.

    Without places, only the text is shown.
    """

    name: str
    class_: str
    texts: Sequence[str]
    places: np.ndarray | None = None
    style: str = ""


@dataclass(frozen=True)
class Reading:
    """What the crosshair can stop at: places along the axis, their labels, the curves there."""

    places: np.ndarray
    labels: Sequence[str]
    curves: Sequence[Curve]

    def data(self, *, shared: bool = False) -> dict[str, object]:
        """The same as JSON, places in canvas units; a shared axis is told once, elsewhere."""
        axis = {} if shared else {"x": _units(shape.across(self.places)), "t": list(self.labels)}
        return {
            **axis,
            "s": [
                {
                    "n": curve.name,
                    "c": curve.class_,
                    "i": curve.style,
                    "y": [] if curve.places is None else _units(shape.up(curve.places)),
                    "v": list(curve.texts),
                }
                for curve in self.curves
            ],
        }


@dataclass(frozen=True)
class Axes:
    """The ticks of a drawing; a narrow column gets fewer of them from left to right."""

    wide: Sequence[Tick]
    narrow: Sequence[Tick]
    y: Sequence[Tick]
    x_label: str = ""
    y_label: str = ""

    @classmethod
    def of(cls, x: Axis, y: Axis, height: int, x_label: str = "", y_label: str = "") -> Axes:
        """Ticks for two axes and a height in pixels."""
        count = max(2, height // PIXELS_PER_TICK)
        return cls(x.ticks(9), x.ticks(4), y.ticks(count), x_label, y_label)


@dataclass(frozen=True)
class Drawing:
    """A picture with its name and its description for those who cannot see it."""

    ident: str
    title: str
    description: str
    shapes: Sequence[Markup]
    axes: Axes
    height: int = 260
    data: dict[str, object] | None = None  # what the crosshair reads, `Reading.data()`
    over: Sequence[Markup] = field(default_factory=tuple)  # HTML laid over the drawing
    class_: str = ""
    gutter: int | None = None  # characters left of the drawing; as many as the labels need


def draw(drawing: Drawing) -> Markup:
    """Put a drawing into its axes."""
    axes, ident = drawing.axes, drawing.ident
    gutter = drawing.gutter or max((len(tick.label) for tick in axes.y), default=0)
    rules = [shape.level(tick.place, "grid") for tick in axes.y if -0.001 <= tick.place <= 1.001]
    svg = element(
        "svg",
        element("title", drawing.title, id=f"{ident}-t"),
        element("desc", drawing.description, id=f"{ident}-d"),
        rules,
        drawing.shapes,
        viewBox=f"0 0 {shape.CANVAS} {shape.CANVAS}",
        preserveAspectRatio="none",
        role="img",
        aria_labelledby=f"{ident}-t {ident}-d",
    )
    return element(
        "div",
        element("div", axes.y_label, class_="y-label") if axes.y_label else None,
        element(
            "div",
            svg,
            drawing.over,
            _y_ticks(axes.y),
            data_block(drawing.data) if drawing.data is not None else None,
            class_="plot",
            data_name=drawing.title,
        ),
        _x_ticks(axes.wide, "wide"),
        _x_ticks(axes.narrow, "narrow"),
        element("div", axes.x_label, class_="x-label") if axes.x_label else None,
        class_=f"chart {drawing.class_}".strip(),
        style=f"--gutter:{gutter}ch;--height:{drawing.height}px",
    )


def legend(entries: Iterable[tuple[str, str, str]]) -> Markup:
    """A key: class of the swatch, its style, its name."""
    return element(
        "ul",
        [
            element("li", element("i", class_=f"swatch {class_}", style=style or None), name)
            for class_, style, name in entries
        ],
        class_="legend",
    )


def values_table(
    caption: str, header: Sequence[str], columns: Sequence[Sequence[str]], count: int
) -> Markup:
    """The numbers behind a drawing, folded away; the first column names the rows.

    There may be fewer rows than the `count` that there is, which the caption then says.
    """
    kept = list(zip(*columns, strict=True))
    more = f"The first {len(kept):,} of {count:,} rows." if count > len(kept) else None
    return element(
        "details",
        element("summary", "Values as a table"),
        element(
            "div",
            element(
                "table",
                element("caption", f"{caption}. {more}" if more else caption),
                element("thead", element("tr", [element("th", h, scope="col") for h in header])),
                element(
                    "tbody",
                    [
                        element(
                            "tr",
                            element("th", row[0], scope="row"),
                            [element("td", value) for value in row[1:]],
                        )
                        for row in kept
                    ],
                ),
            ),
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label=f"Table: {caption}",
        ),
        class_="values",
    )


def _y_ticks(ticks: Sequence[Tick]) -> Markup:
    spans = [
        element("span", tick.label, style=f"top:{(1 - tick.place) * 100:.2f}%") for tick in ticks
    ]
    return element("div", spans, class_="y", aria_hidden="true")


def _x_ticks(ticks: Sequence[Tick], class_: str) -> Markup | None:
    if not ticks:
        return None
    deep = " deep" if any(tick.context for tick in ticks) else ""
    return element(
        "div",
        [
            element(
                "span",
                tick.label,
                element("small", tick.context) if tick.context else None,
                style=f"left:{tick.place * 100:.2f}%",
                class_="first" if tick.place < 0.04 else "last" if tick.place > 0.96 else None,
            )
            for tick in ticks
        ],
        class_=f"x {class_}{deep}",
        aria_hidden="true",
    )


def _units(values: np.ndarray) -> list[int | None]:
    return [round(value) if np.isfinite(value) else None for value in values.tolist()]


def mark_label(place: float, label: str, *, before: bool = False) -> Markup:
    """Words beside a vertical mark, on the side that has room."""
    left = place > 0.25 if before else place > 0.6
    style = f"right:{(1 - place) * 100:.2f}%" if left else f"left:{place * 100:.2f}%"
    return element("span", label, class_="mark-label", style=style)


def stack(children: Iterable[object], class_: str) -> Markup:
    """A plain box around children."""
    return element("div", join(children), class_=class_)
