"""Sections of words: paragraphs and named facts."""

from __future__ import annotations

import re

from cellstate.inspector.page.markup import Markup, element
from cellstate.tasks import sections

TONES = {"good": ("✓", "Good:"), "warning": ("!", "Warning:")}
_COMMAND = re.compile(r"\b(reproduce|command)\b", re.IGNORECASE)
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
    """Names beside values; the command that reproduces the fit can be copied."""
    rows = [
        element("div", element("dt", name), element("dd", _value(name, value)), class_=_kind(name))
        for name, value in section.rows
    ]
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


def _kind(name: str) -> str | None:
    return "command" if _COMMAND.search(name) else None


def _value(name: str, value: str) -> Markup | str:
    if _COMMAND.search(name):
        return element("pre", element("code", value), data_copy=True, tabindex="0")
    return element("code", value) if _DIGEST.fullmatch(value) else value
