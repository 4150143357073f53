"""The terminal twin of the page: the same sections, drawn with characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cellstate.inspector.judgement import (
    GATE_WORDS,
    Outlook,
    best_rows,
    gate_names,
    gate_range,
    is_ours,
    label_order,
    naming,
    row_shares,
    token_shares,
    unit_order,
)
from cellstate.inspector.plot import characters, formats, thin
from cellstate.inspector.plot.axis import LARGEST, Axis, number_axis, time_axis
from cellstate.tasks import sections

STYLES = ("blue", "dark_orange3", "green", "magenta", "yellow", "cyan")
TONES = {"good": ("✓", "green"), "warning": ("!", "dark_orange3")}
WIDEST = 110
MOST_ROWS = 40
MOST_PANELS = 6
MOST_KEY = 12
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_ASCII = str.maketrans({formats.MINUS: "-", formats.MISSING: "-", "✓": "+", "→": ">", "↓": "v"})


def print_story(story: sections.Story, console: Console | None = None) -> None:
    """Print a story that has been checked."""
    _Printer(console or Console()).story(story)


class _Printer:
    """Knows the console: its width, and whether it has more than ASCII."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.plain = console.options.ascii_only
        self.width = min(WIDEST, console.width)

    def story(self, story: sections.Story) -> None:
        self.console.print()
        self.say(story.title, "bold")
        if story.summary:
            self.say(story.summary)
        for section in story.sections:
            self.console.print()
            self.say(section.title, "bold blue")
            self.section(section)
            if not isinstance(section, sections.Text) and section.note:
                self.say(section.note, "dim", indent=2)

    def section(self, section: sections.Section) -> None:
        match section:
            case sections.Text():
                sign, style = TONES.get(section.tone, ("", ""))
                self.say(f"{sign} {section.body}".strip(), style, indent=2)
            case sections.Facts():
                self.facts(section)
            case sections.Table():
                self.table(section)
            case sections.Lines():
                self.lines(section)
            case sections.Forecasts():
                self.forecasts(section)
            case sections.Histogram():
                self.histogram(section)
            case sections.Calibration():
                self.calibration(section)
            case sections.Gates():
                self.gates(section)
            case sections.Matrix():
                self.matrix(section)
            case sections.Tokens():
                self.tokens(section)

    def text(self, words: str, style: str = "") -> Text:
        """Words as they are: no markup, no control characters, nothing the encoding lacks."""
        words = _CONTROL.sub("\ufffd", words)
        if self.plain:
            words = words.translate(_ASCII).encode("ascii", "replace").decode("ascii")
        return Text(words, style)

    def say(self, words: str, style: str = "", indent: int = 0) -> None:
        self.console.print(Padding(self.text(words, style), (0, 0, 0, indent), expand=False))

    def grid(self, rows: Iterable[Sequence[Text]], numbers: Sequence[int] = ()) -> None:
        """Rows that align, without lines."""
        table = Table.grid(padding=(0, 2))
        for row in rows:
            while len(table.columns) < len(row):
                aligned = "right" if len(table.columns) in numbers else "left"
                table.add_column(justify=aligned, overflow="fold")
            table.add_row(*row)
        if table.row_count:
            self.console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def facts(self, section: sections.Facts) -> None:
        self.grid([(self.text(name, "dim"), self.text(value)) for name, value in section.rows])

    def table(self, section: sections.Table) -> None:
        rows = section.rows[:MOST_ROWS]
        columns = list(zip(*rows, strict=True)) if rows else [() for _ in section.columns]
        table = Table(box=SIMPLE_HEAD, padding=(0, 1), header_style="dim", pad_edge=False)
        cells: list[list[Text]] = []
        for name, values in zip(section.columns, columns, strict=True):
            numeric = any(formats.is_number(value) for value in values)
            best = best_rows(values, section.best.get(name))
            sign = "*" if self.plain else "●"
            cells.append(
                [
                    self.text(f"{sign} {words}" if row in best else words, "bold" * (row in best))
                    for row, words in enumerate(formats.column(values))
                ]
            )
            table.add_column(
                self.text(name), justify="right" if numeric else "left", overflow="fold"
            )
        for row, line in zip(rows, zip(*cells, strict=True), strict=True):
            table.add_row(*line, style="blue" if is_ours(row) else "")
        self.console.print(Padding(table, (0, 0, 0, 1), expand=False))
        if len(section.rows) > len(rows):
            self.say(f"{len(section.rows) - len(rows):,} more rows are not shown.", "dim", 2)

    def lines(self, section: sections.Lines) -> None:
        x_values = np.asarray(section.x)
        order = np.argsort(x_values, kind="stable")
        curves = {n: np.asarray(c, np.float64)[order] for n, c in section.curves.items()}
        x_values = x_values[order]
        x = time_axis(x_values) if x_values.dtype.kind == "M" else number_axis(x_values, margin=0)
        y = number_axis(*curves.values(), log=section.log_y)
        canvas = self.canvas(8)
        for place, values in enumerate(curves.values()):
            canvas.line(x.place(x_values), y.place(values), STYLES[place % len(STYLES)])
        self.key((name, STYLES[place % len(STYLES)]) for place, name in enumerate(curves))
        self.chart(canvas, x, y)
        self.say(f"{section.x_label}; {section.y_label}{', log scale' * y.log}", "dim", 2)

    def forecasts(self, section: sections.Forecasts) -> None:
        self.key((("past", "bright_black"), ("truth", "default"), ("forecast", "blue")))
        for panel in section.panels[:MOST_PANELS]:
            self.panel(panel)
        if len(section.panels) > MOST_PANELS:
            self.say(f"{len(section.panels) - MOST_PANELS:,} more series are not drawn.", "dim", 2)

    def panel(self, panel: sections.ForecastPanel) -> None:
        self.say(" ".join(filter(None, (panel.name, panel.caption))), "italic", 2)
        outlook = Outlook.of(panel)
        x, y = outlook.axes()
        at = x.place(outlook.times)
        canvas = self.canvas(9)
        for low, high in list(outlook.bands.values())[:1]:
            canvas.shade(at, y.place(low), y.place(high), "on grey23")
        canvas.line(x.place(outlook.past_times), y.place(outlook.past), "bright_black")
        if outlook.truth is not None:
            canvas.line(at, y.place(outlook.truth), "default")
        canvas.line(at, y.place(outlook.point), "blue")
        self.chart(canvas, x, y)

    def histogram(self, section: sections.Histogram) -> None:
        counts = np.asarray(section.counts, np.float64)
        groups = np.array_split(np.arange(len(counts)), min(16, len(counts))) if len(counts) else []
        counts = np.clip(np.nan_to_num(counts), 0, LARGEST)
        sums = [float(counts[group].sum()) for group in groups]
        starts = formats.column([float(section.edges[group[0]]) for group in groups])
        ends = formats.column([float(section.edges[group[-1] + 1]) for group in groups])
        largest = max(sums, default=0.0) or 1.0
        width = max(8, self.width - 44)
        self.grid(
            [
                (
                    self.text(f"{start} to {end}", "dim"),
                    self.text(formats.number(total)),
                    self.text(characters.bar(total / largest, width, plain=self.plain), "blue"),
                )
                for start, end, total in zip(starts, ends, sums, strict=True)
            ],
            numbers=(0, 1),
        )
        self.say(section.x_label, "dim", 2)

    def calibration(self, section: sections.Calibration) -> None:
        width = max(8, self.width - 44)
        columns = [
            formats.column([round(float(value), 2) for value in values])
            for values in (section.nominal, section.observed)
        ]
        self.grid(
            [
                (
                    self.text(f"{promise} % nominal", "dim"),
                    self.text(f"{words} % observed"),
                    self.text(characters.bar(share / 100, width, plain=self.plain), "blue"),
                )
                for promise, words, share in zip(*columns, section.observed, strict=True)
            ],
            numbers=(0, 1),
        )

    def gates(self, section: sections.Gates) -> None:
        """Of each gate the mean, and the units of the longest, a middle and the shortest memory."""
        width = max(8, self.width - 34)
        order = unit_order(section.gates)
        rows: list[tuple[str, str, str]] = []
        if section.signal is not None:
            rows.append(("signal", "", characters.sparkline(section.signal, width, self.plain)))
        for name in gate_names(section.gates):
            values = np.asarray(section.gates[name], np.float64)
            span = gate_range(name, values)
            title = f"{name} {GATE_WORDS[name][0]}" if name in GATE_WORDS else name
            mean = thin.pool(values, values.shape[0], 1)[:, 0] if values.size else np.zeros(0)
            shown = {"mean": mean}
            for unit in dict.fromkeys(order[[0, len(order) // 2, -1]] if len(order) else ()):
                shown[f"unit {unit}"] = values[:, unit]
            ends = " to ".join(formats.number(end, 2) for end in span)
            for place, (label, line) in enumerate(shown.items()):
                head = (title, ends)[place] if place < 2 else ""
                rows.append((head, label, characters.sparkline(line, width, self.plain, span)))
        styles = ("", "dim", "blue")
        self.grid([[self.text(*cell) for cell in zip(row, styles, strict=True)] for row in rows])
        if section.step_labels:
            self.say(f"{section.step_labels[0]} to {section.step_labels[-1]}", "dim", 2)

    def matrix(self, section: sections.Matrix) -> None:
        if max(len(section.row_names), len(section.column_names)) > MOST_ROWS:
            self.say(f"{len(section.row_names)} rows: see the page.", "dim", 2)
            return
        shares = row_shares(np.asarray(section.values, np.float64))
        table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
        corner = f"{section.row_label} ↓  {section.column_label} →"
        for name in (corner, *section.column_names):
            table.add_column(self.text(name), justify="right", overflow="fold")
        for name, values, share in zip(section.row_names, section.values, shares, strict=True):
            cells = [
                self.text(formats.cell(value), "bold blue" if part >= 0.5 else "")
                for value, part in zip(values, share, strict=True)
            ]
            table.add_row(self.text(name, "dim"), *cells)
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def tokens(self, section: sections.Tokens) -> None:
        """Each passage in colour, and the strongest words with their numbers, for want of it."""
        names = label_order(section)
        if names:
            self.key(
                (name, STYLES[at % len(STYLES)]) for name, at in list(names.items())[:MOST_KEY]
            )
        if any(not passage.labels for passage in section.passages[:MOST_PANELS]):
            self.key((("speaks for it", STYLES[0]), ("speaks against it", STYLES[1])))
        for passage in section.passages[:MOST_PANELS]:
            if passage.labels:
                self.named(passage, names)
                continue
            values, shares = np.asarray(passage.values, np.float64), token_shares(passage.values)
            self.say(passage.caption, "italic", 2)
            line = Text()
            for piece, value, share in zip(passage.pieces, values, shares, strict=True):
                style = STYLES[0] if value > 0 else STYLES[1]
                strength = "bold underline " if share >= 0.6 else "bold " if share >= 0.3 else ""
                line.append_text(self.text(piece, strength + style if share >= 0.1 else ""))
            self.console.print(Padding(line, (0, 0, 0, 2), expand=False))
            strongest = [k for k in np.argsort(-shares)[:MOST_PANELS] if shares[k] > 0]
            words = (
                f"{passage.pieces[k].strip()} {'+' if values[k] > 0 else ''}"
                f"{formats.number(float(values[k]), 2)}"
                for k in strongest
            )
            self.say("strongest: " + ", ".join(words) if strongest else "", "dim", 2)
        if len(section.passages) > MOST_PANELS:
            self.say(f"{len(section.passages) - MOST_PANELS:,} more texts are not shown.", "dim", 2)

    def named(self, passage: sections.Passage, names: dict[str, int]) -> None:
        """A passage with its names in brackets; what is not right is said in words."""
        self.say(passage.caption, "italic", 2)
        line = Text()
        for piece, value, label in zip(passage.pieces, passage.values, passage.labels, strict=True):
            if not label:
                line.append_text(self.text(piece))
                continue
            state = naming(float(value))
            told = label if state == "right" else f"{label}, {state}"
            style = STYLES[names[label] % len(STYLES)]
            line.append_text(self.text(f"[{piece}]", f"bold {style}"))
            line.append_text(self.text(f"({told})", style))
        self.console.print(Padding(line, (0, 0, 1, 2), expand=False))

    def canvas(self, height: int) -> characters.Canvas:
        return characters.Canvas(max(10, self.width - 16), height, plain=self.plain)

    def key(self, entries: Iterable[tuple[str, str]]) -> None:
        sign = "*" if self.plain else "━━"
        key = Text("  ").join(self.text(f"{sign} {name}", style) for name, style in entries)
        self.console.print(Padding(key, (0, 0, 0, 2), expand=False))

    def chart(self, canvas: characters.Canvas, x: Axis, y: Axis) -> None:
        """A canvas between its axes."""
        ticks = {round((1 - t.place) * (canvas.height - 1)): t.label for t in y.ticks(3)}
        gutter = max(map(len, ticks.values()), default=0)
        for row, cells in enumerate(canvas.rows()):
            line = self.text("  " + ticks.get(row, "").rjust(gutter) + " ", "dim")
            line.append("|" if self.plain else "│", "dim")
            for sign, style in cells:
                line.append(sign, style)
            self.console.print(line, no_wrap=True, crop=True)
        under = [" "] * (canvas.width + gutter + 4)
        for tick in x.ticks(max(2, canvas.width // 16)):
            label = f"{tick.label} {tick.context}".strip()
            start = gutter + 4 + round(tick.place * (canvas.width - 1)) - len(label) // 2
            start = max(gutter + 4, min(len(under) - len(label), start))
            if all(sign == " " for sign in under[start - 1 : start + len(label) + 1]):
                under[start : start + len(label)] = label
        self.console.print(self.text("".join(under).rstrip(), "dim"), no_wrap=True, crop=True)
