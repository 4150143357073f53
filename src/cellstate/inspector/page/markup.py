"""HTML in which every text is escaped unless it was built here.

`element` makes `Markup`; any other string that it is given is text, whatever it contains.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Any

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset({"img", "meta", "source", "br", "hr", "link"})

Child = Any  # Markup, str, None, or an iterable of children


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(text: object) -> Markup:
    r"""Turn any text into HTML that shows it; what no page may hold becomes U+FFFD.

    Examples
    --------
    >>> escape("</script> & \x00")
    '&lt;/script&gt; &amp; �'
    """
    return Markup(html.escape(_UNPRINTABLE.sub("\ufffd", str(text))))


def element(tag: str, /, *children: Child, **attributes: object) -> Markup:
    """Build one element.

    Parameters
    ----------
    tag : str
        The element's name.
    *children
        Markup is taken as it is, other text escaped, None skipped, iterables flattened.
    **attributes
        A trailing underscore is dropped and underscores become hyphens (``class_``,
        ``aria_label``); None and False leave an attribute out, True writes it bare.

    Examples
    --------
    >>> element("p", "a < b", class_="note", hidden=True)
    '<p class="note" hidden>a &lt; b</p>'
    """
    opening = tag + "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Markup:
    """Put children one after the other."""
    return Markup("".join(_html(child) for child in children))


def data_block(data: object) -> Markup:
    r"""JSON for the page's script, in a form that cannot end its element.

    Examples
    --------
    >>> data_block({"name": "</script>"})
    '<script type="application/json">{"name":"\\u003c/script\\u003e"}</script>'
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(f'<script type="application/json">{text}</script>')


def _html(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, str):
        return child if isinstance(child, Markup) else escape(child)
    if isinstance(child, Iterable):
        return join(child)
    return escape(child)


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(value)}"'
