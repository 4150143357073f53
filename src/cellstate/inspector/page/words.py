"""Sections of words: paragraphs and named facts."""

from __future__ import annotations

import re

from cellstate.inspector.page.markup import Markup, element
from cellstate.tasks import sections

TONES = {"good": ("✓", "Good:"), "warning": ("!", "Warning:")}
_COMMAND = re.compile(r"\b(reproduce|command)\b", re.IGNORECASE)
_CODE = re.compile(r"cellstate [a-z]+ .*|[\w.]+\(.*\)", re.DOTALL)
_DIGEST = re.compile(r"(\w+:)?[0-9a-f]{16,}", re.IGNORECASE)


def text(section: sections.Text) -> Markup:
    """A paragraph per blank line; its tone is said in a sign and in words, not only in colour."""
    body = paragraphs(section.body)
    if section.tone not in TONES:
        return element("div", body, class_="prose")
    sign, word = TONES[section.tone]
    return element(
        "div",
        element("span", sign, class_="sign", aria_hidden="true"),
        element("span", word, class_="unseen"),
        element("div", body, class_="prose"),
        class_=f"callout {section.tone}",
    )


def facts(section: sections.Facts) -> Markup:
    """Names beside values; what reproduces the fit, a command or a call, can be copied."""
    rows: list[Markup] = []
    for name, value in section.rows:
        told = _COMMAND.search(section.title) and _CODE.fullmatch(value)
        command = bool(_COMMAND.search(name) or told)
        shown = element("dd", _value(value, command))
        rows.append(
            element("div", element("dt", name), shown, class_="command" if command else None)
        )
    return element("dl", rows, class_="facts")


def note(words: str) -> Markup | None:
    """The small print under a section."""
    return element("div", paragraphs(words), class_="note prose") if words else None


def paragraphs(words: str) -> list[Markup]:
    """Blank lines part paragraphs; `backticks` set code."""
    return [
        element("p", _inline(part)) for part in re.split(r"\n\s*\n", words.strip()) if part.strip()
    ]


def _inline(words: str) -> list[str]:
    parts = words.split("`")
    if len(parts) % 2 == 0:  # an odd backtick is a character, not a mark
        return [words]
    return [element("code", part) if i % 2 else part for i, part in enumerate(parts)]


def _value(value: str, command: bool) -> Markup | str:
    if command:
        return element("pre", element("code", value), data_copy=True, tabindex="0")
    return element("code", value) if _DIGEST.fullmatch(value) else value
