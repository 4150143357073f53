"""The whole page: one file that needs nothing but a browser.

The page forbids itself everything else: its content security policy allows inline styles, pictures
in the file itself, and the one script whose hash it names. No address is ever asked for anything.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Sequence
from importlib import resources

import cellstate
from cellstate.inspector.page import (
    colour,
    distribution,
    forecasts,
    gates,
    lines,
    matrix,
    risks,
    table,
    tokens,
    words,
)
from cellstate.inspector.page.frame import Detail, stack
from cellstate.inspector.page.markup import Markup, element
from cellstate.tasks import sections

LARGEST = 1_900_000  # bytes
COARSEST = 5  # halvings of detail

MARK = Markup(
    '<svg class="logo" viewBox="0 0 48 24" aria-hidden="true"><path d="M2 7H46"/>'
    '<path d="M8 20C15 20 12 7 19 7M23 20C30 20 27 7 34 7"/>'
    '<circle cx="19" cy="7" r="3.4"/><circle cx="34" cy="7" r="3.4"/></svg>'
)


def render(story: sections.Story) -> str:
    """Write a story as HTML, with as much detail as fits under two megabytes.

    The story has been checked.
    """
    detail = Detail()
    for _ in range(COARSEST):
        page = _render(story, detail)
        if len(page.encode("utf-8")) <= LARGEST:
            break
        detail = detail.halved()
    else:
        page = _render(story, detail)
    return page


def _render(story: sections.Story, detail: Detail) -> str:
    style, script = _asset("page.css"), _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    ramps = (
        f":root{{--sequential:{colour.gradient(colour.SEQUENTIAL.light)};"
        f"--diverging:{colour.gradient(colour.DIVERGING.light)}}}"
        "@media screen and (prefers-color-scheme:dark){"
        f":root{{--sequential:{colour.gradient(colour.SEQUENTIAL.dark)};"
        f"--diverging:{colour.gradient(colour.DIVERGING.dark)}}}}}"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="generator", content=f"cellstate {cellstate.__version__}"),
        element("link", rel="icon", href="data:,"),
        element("title", story.title),
        element("style", Markup(style + ramps)),
    )
    body = element(
        "body",
        element("a", "Skip to the report", href="#report", class_="skip"),
        element(
            "div",
            _contents(story.sections),
            element("main", _header(story), _sections(story.sections, detail), id="report"),
            class_="layout",
        ),
        _footer(),
        element("script", Markup(script)),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _header(story: sections.Story) -> Markup:
    return element(
        "header",
        element("p", MARK, "Cellstate", class_="brand"),
        element("h1", story.title),
        stack(words.paragraphs(story.summary), "lead") if story.summary else None,
    )


def _contents(parts: Sequence[sections.Section]) -> Markup | None:
    if len(parts) < 2:
        return element("div", class_="contents")
    links = [
        element("li", element("a", part.title, href=f"#s{place}"))
        for place, part in enumerate(parts)
    ]
    return element(
        "nav",
        element("p", "In this report"),
        element("ol", links),
        class_="contents",
        aria_label="In this report",
    )


def _sections(parts: Sequence[sections.Section], detail: Detail) -> list[Markup]:
    """Small pictures that follow each other share a row, where the page is wide enough."""
    rows: list[Markup] = []
    numbered = enumerate(parts)
    for shape, group in itertools.groupby(numbered, key=lambda pair: _row_shape(pair[1])):
        drawn = [_section(part, f"s{place}", detail) for place, part in group]
        rows += _shared(drawn, shape) if shape else drawn
    return rows


def _row_shape(part: sections.Section) -> str:
    """Which kind of row a section may share with its neighbours, if any."""
    if isinstance(part, sections.Text):
        return "row words"
    small = sections.Lines | sections.Histogram | sections.Calibration
    return "row pictures" if isinstance(part, small) else ""


def _shared(drawn: list[Markup], shape: str) -> list[Markup]:
    """Rows of three or two; a single one keeps the width."""
    rows: list[Markup] = []
    while drawn:
        size = 2 if len(drawn) in (2, 4) else min(3, len(drawn))
        rows.append(stack(drawn[:size], shape if size > 1 else "alone"))
        drawn = drawn[size:]
    return rows


def _section(part: sections.Section, ident: str, detail: Detail) -> Markup:
    return element(
        "section",
        element("h2", element("a", part.title, href=f"#{ident}")),
        _content(part, ident, detail),
        None if isinstance(part, sections.Text) else words.note(part.note),
        id=ident,
        class_=f"kind-{type(part).__name__.lower()}",
    )


def _content(part: sections.Section, ident: str, detail: Detail) -> Markup:
    match part:
        case sections.Text():
            return words.text(part)
        case sections.Facts():
            return words.facts(part)
        case sections.Table():
            return table.table(part, detail)
        case sections.Lines():
            return lines.lines(part, ident, detail)
        case sections.Forecasts():
            return forecasts.forecasts(part, ident, detail)
        case sections.Histogram():
            return distribution.histogram(part, ident, detail)
        case sections.Calibration():
            return distribution.calibration(part, ident, detail)
        case sections.Gates():
            return gates.gates(part, ident, detail)
        case sections.Matrix():
            return matrix.matrix(part, detail)
        case sections.Tokens():
            return tokens.tokens(part, detail)
        case sections.Risks():
            return risks.risks(part, ident, detail)


def _footer() -> Markup:
    return element(
        "footer",
        element(
            "p",
            f"Made with Cellstate {cellstate.__version__}. "
            "This page is one file: it asks no address for anything and can be kept or sent on.",
        ),
    )


def _asset(name: str) -> str:
    return resources.files("cellstate.inspector.page").joinpath(name).read_text(encoding="utf-8")
