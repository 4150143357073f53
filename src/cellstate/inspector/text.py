"""The terminal twin of the page: the same sections, drawn with characters."""

from __future__ import annotations

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
from cellstate.inspector.plot.axis import LARGEST, number_axis, time_axis
from cellstate.inspector.risk_text import print_risks
from cellstate.inspector.terminal import STYLES, Terminal, fitted, in_blocks, longest_word
from cellstate.tasks import sections

TONES = {"good": ("✓", "green"), "warning": ("!", "dark_orange3")}
MOST_ROWS = 40
MOST_PANELS = 6
MOST_KEY = 12


def print_story(story: sections.Story, console: Console | None = None) -> None:
    """Print a story that has been checked."""
    _Printer(console or Console()).story(story)


class _Printer:
    """Draws each kind of section."""

    def __init__(self, console: Console) -> None:
        self.out = Terminal(console)

    def story(self, story: sections.Story) -> None:
        self.out.console.print()
        self.out.say(story.title, "bold")
        if story.summary:
            self.out.say(story.summary)
        for section in story.sections:
            self.out.console.print()
            self.out.say(section.title, "bold blue")
            self.section(section)
            if not isinstance(section, sections.Text) and section.note:
                self.out.say(section.note, "dim", indent=2)

    def section(self, section: sections.Section) -> None:
        match section:
            case sections.Text():
                sign, style = TONES.get(section.tone, ("", ""))
                self.out.say(f"{sign} {section.body}".strip(), style, indent=2)
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
            case sections.Risks():
                print_risks(self.out, section)

    def facts(self, section: sections.Facts) -> None:
        self.out.grid(
            [(self.out.text(name, "dim"), self.out.text(value)) for name, value in section.rows]
        )

    def table(self, section: sections.Table) -> None:
        rows = section.rows[:MOST_ROWS]
        columns = list(zip(*rows, strict=True)) if rows else [() for _ in section.columns]
        cells: list[list[Text]] = []
        is_numeric: list[bool] = []
        for name, values in zip(section.columns, columns, strict=True):
            is_numeric.append(any(formats.is_number(value) for value in values))
            best = best_rows(values, section.best.get(name))
            sign = "*" if self.out.plain else "●"
            cells.append(
                [
                    self.out.text(
                        f"{sign} {words}" if row in best else words, "bold" * (row in best)
                    )
                    for row, words in enumerate(formats.column(values))
                ]
            )
        words = [
            [name, *(cell.plain for cell in column)]
            for name, column in zip(section.columns, cells, strict=True)
        ]
        needs = [
            max(longest_word(told), *map(len, told[1:]), 0) if number else longest_word(told)
            for told, number in zip(words, is_numeric, strict=True)
        ]
        room = self.out.console.width - 1
        # Three blanks stand between columns.
        for block in in_blocks([need + 3 for need in needs], room) if needs else []:
            wishes = [max(map(len, words[place])) for place in block]
            spare = room - 3 * len(block)
            widths = fitted([needs[place] for place in block], wishes, spare)
            table = Table(box=SIMPLE_HEAD, padding=(0, 1), header_style="dim", pad_edge=False)
            for place, width in zip(block, widths, strict=True):
                table.add_column(
                    self.out.text(section.columns[place]),
                    justify="right" if is_numeric[place] else "left",
                    overflow="fold",
                    width=width,
                )
            for row, line in enumerate(rows):
                shown = [cells[place][row] for place in block]
                table.add_row(*shown, style="blue" if is_ours(line) else "")
            self.out.console.print(Padding(table, (0, 0, 0, 1), expand=False))
        if len(section.rows) > len(rows):
            self.out.say(f"{len(section.rows) - len(rows):,} more rows are not shown.", "dim", 2)

    def lines(self, section: sections.Lines) -> None:
        x_values = np.asarray(section.x)
        order = np.argsort(x_values, kind="stable")
        curves = {n: np.asarray(c, np.float64)[order] for n, c in section.curves.items()}
        x_values = x_values[order]
        x = time_axis(x_values) if x_values.dtype.kind == "M" else number_axis(x_values, margin=0)
        y = number_axis(*curves.values(), log=section.log_y)
        canvas = self.out.canvas(8)
        for place, values in enumerate(curves.values()):
            canvas.line(x.place(x_values), y.place(values), STYLES[place % len(STYLES)])
        self.out.key((name, STYLES[place % len(STYLES)]) for place, name in enumerate(curves))
        self.out.chart(canvas, x, y)
        self.out.say(f"{section.x_label}; {section.y_label}{', log scale' * y.log}", "dim", 2)

    def forecasts(self, section: sections.Forecasts) -> None:
        self.out.key((("past", "bright_black"), ("truth", "default"), ("forecast", "blue")))
        for panel in section.panels[:MOST_PANELS]:
            self.panel(panel)
        if len(section.panels) > MOST_PANELS:
            self.out.say(
                f"{len(section.panels) - MOST_PANELS:,} more series are not drawn.", "dim", 2
            )

    def panel(self, panel: sections.ForecastPanel) -> None:
        self.out.say(" ".join(filter(None, (panel.name, panel.caption))), "italic", 2)
        outlook = Outlook.of(panel)
        x, y = outlook.axes()
        at = x.place(outlook.times)
        canvas = self.out.canvas(9)
        for low, high in list(outlook.bands.values())[:1]:
            canvas.shade(at, y.place(low), y.place(high), "on grey23")
        canvas.line(x.place(outlook.past_times), y.place(outlook.past), "bright_black")
        if outlook.truth is not None:
            canvas.line(at, y.place(outlook.truth), "default")
        canvas.line(at, y.place(outlook.point), "blue")
        self.out.chart(canvas, x, y)

    def histogram(self, section: sections.Histogram) -> None:
        counts = np.asarray(section.counts, np.float64)
        groups = np.array_split(np.arange(len(counts)), min(16, len(counts))) if len(counts) else []
        counts = np.clip(np.nan_to_num(counts), 0, LARGEST)
        sums = [float(counts[group].sum()) for group in groups]
        starts = formats.column([float(section.edges[group[0]]) for group in groups])
        ends = formats.column([float(section.edges[group[-1] + 1]) for group in groups])
        largest = max(sums, default=0.0) or 1.0
        width = max(8, self.out.width - 44)
        self.out.grid(
            [
                (
                    self.out.text(f"{start} to {end}", "dim"),
                    self.out.text(formats.number(total)),
                    self.out.text(
                        characters.bar(total / largest, width, plain=self.out.plain), "blue"
                    ),
                )
                for start, end, total in zip(starts, ends, sums, strict=True)
            ],
            numbers=(0, 1),
        )
        self.out.say(section.x_label, "dim", 2)

    def calibration(self, section: sections.Calibration) -> None:
        width = max(8, self.out.width - 44)
        columns = [
            formats.column([round(float(value), 2) for value in values])
            for values in (section.nominal, section.observed)
        ]
        self.out.grid(
            [
                (
                    self.out.text(f"{promise} % nominal", "dim"),
                    self.out.text(f"{words} % observed"),
                    self.out.text(characters.bar(share / 100, width, plain=self.out.plain), "blue"),
                )
                for promise, words, share in zip(*columns, section.observed, strict=True)
            ],
            numbers=(0, 1),
        )

    def gates(self, section: sections.Gates) -> None:
        """Of each gate the mean, and the units of the longest, a middle and the shortest memory."""
        width = max(8, self.out.width - 34)
        order = unit_order(section.gates)
        rows: list[tuple[str, str, str]] = []
        if section.signal is not None:
            rows.append(("signal", "", characters.sparkline(section.signal, width, self.out.plain)))
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
                rows.append((head, label, characters.sparkline(line, width, self.out.plain, span)))
        styles = ("", "dim", "blue")
        self.out.grid(
            [[self.out.text(*cell) for cell in zip(row, styles, strict=True)] for row in rows]
        )
        if section.step_labels:
            self.out.say(f"{section.step_labels[0]} to {section.step_labels[-1]}", "dim", 2)

    def matrix(self, section: sections.Matrix) -> None:
        if max(len(section.row_names), len(section.column_names)) > MOST_ROWS:
            self.out.say(f"{len(section.row_names)} rows: see the page.", "dim", 2)
            return
        shares = row_shares(np.asarray(section.values, np.float64))
        table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
        corner = f"{section.row_label} ↓  {section.column_label} →"
        for name in (corner, *section.column_names):
            table.add_column(self.out.text(name), justify="right", overflow="fold")
        for name, values, share in zip(section.row_names, section.values, shares, strict=True):
            cells = [
                self.out.text(formats.cell(value), "bold blue" if part >= 0.5 else "")
                for value, part in zip(values, share, strict=True)
            ]
            table.add_row(self.out.text(name, "dim"), *cells)
        self.out.console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def tokens(self, section: sections.Tokens) -> None:
        """Each passage in colour, and the strongest words with their numbers, for want of it."""
        names = label_order(section)
        if names:
            self.out.key(
                (name, STYLES[at % len(STYLES)]) for name, at in list(names.items())[:MOST_KEY]
            )
        if any(not passage.labels for passage in section.passages[:MOST_PANELS]):
            self.out.key((("speaks for it", STYLES[0]), ("speaks against it", STYLES[1])))
        for passage in section.passages[:MOST_PANELS]:
            if passage.labels:
                self.named(passage, names)
                continue
            values, shares = np.asarray(passage.values, np.float64), token_shares(passage.values)
            self.out.say(passage.caption, "italic", 2)
            line = Text()
            for piece, value, share in zip(passage.pieces, values, shares, strict=True):
                style = STYLES[0] if value > 0 else STYLES[1]
                strength = "bold underline " if share >= 0.6 else "bold " if share >= 0.3 else ""
                line.append_text(self.out.text(piece, strength + style if share >= 0.1 else ""))
            self.out.console.print(Padding(line, (0, 0, 0, 2), expand=False))
            strongest = [k for k in np.argsort(-shares)[:MOST_PANELS] if shares[k] > 0]
            words = (
                f"{passage.pieces[k].strip()} {'+' if values[k] > 0 else ''}"
                f"{formats.number(float(values[k]), 2)}"
                for k in strongest
            )
            self.out.say("strongest: " + ", ".join(words) if strongest else "", "dim", 2)
        if len(section.passages) > MOST_PANELS:
            self.out.say(
                f"{len(section.passages) - MOST_PANELS:,} more texts are not shown.", "dim", 2
            )

    def named(self, passage: sections.Passage, names: dict[str, int]) -> None:
        """A passage with its names in brackets; what is not right is said in words."""
        self.out.say(passage.caption, "italic", 2)
        line = Text()
        for piece, value, label in zip(passage.pieces, passage.values, passage.labels, strict=True):
            if not label:
                line.append_text(self.out.text(piece))
                continue
            state = naming(float(value))
            told = label if state == "right" else f"{label}, {state}"
            style = STYLES[names[label] % len(STYLES)]
            line.append_text(self.out.text(f"[{piece}]", f"bold {style}"))
            line.append_text(self.out.text(f"({told})", style))
        self.out.console.print(Padding(line, (0, 0, 1, 2), expand=False))
