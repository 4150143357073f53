"""ICD-9-CM and ICD-10-CM codes: written in one way, and what each is a part of.

A code is written with its kind and revision before it: ``DX10:I5023`` for a diagnosis of ICD-10-CM,
``PX9:3961`` for a procedure of ICD-9-CM (volume 3). Other codes, such as ``RX:aspirin`` for a drug,
have a kind and no hierarchy.
"""

from __future__ import annotations

import re
from typing import Any

from cellstate.data.health.icd_chapters import CHAPTERS, Chapter
from cellstate.errors import InputError, explain

VERSIONS = (9, 10)
KINDS = ("DX", "PX")
_FORMS = {
    ("DX", 9): r"\d{3}\d{0,2}|V\d{2}\d{0,2}|E\d{3}\d?",
    ("DX", 10): r"[A-Z]\d[0-9A-Z][0-9A-Z]{0,4}",
    ("PX", 9): r"\d{2}\d{0,2}",
    ("PX", 10): r"[0-9A-HJ-NP-Z]{3}([0-9A-HJ-NP-Z]{4})?",  # neither I nor O, lest they be 1 and 0
}
"""Codes and categories without dots, by kind and revision."""


def normalise(code: str, version: int, kind: str = "DX") -> str:
    """Write a code in capitals without dots and spaces.

    Raises
    ------
    InputError
        It is no code of that kind and revision.

    Examples
    --------
    >>> normalise(" i50.23 ", 10), normalise("428.0", 9), normalise("e849.0", 9)
    ('I5023', '4280', 'E8490')
    >>> normalise("12345678", 10)
    Traceback (most recent call last):
    cellstate.errors.InputError: icd: a code must be one of ICD-10-CM; got '12345678'. Check the \
code and its revision, 9 or 10.
    """
    plain = _plain(code)
    if not is_code(plain, version, kind):
        must = f"a code must be one of {_title(version, kind)}"
        do = "Check the code and its revision, 9 or 10"
        raise InputError(explain("icd", must, repr(code), do))
    return plain


def is_code(code: str, version: int, kind: str = "DX") -> bool:
    """Tell whether a code has the form of its kind and revision; dots and case do not matter.

    Examples
    --------
    >>> is_code("I50.23", 10), is_code("I50.23", 9), is_code("V70.7", 9), is_code("39.61", 9, "PX")
    (True, False, True, True)
    """
    form = _FORMS.get((kind, version))
    return form is not None and re.fullmatch(form, _plain(code)) is not None


def dotted(code: str, version: int, kind: str = "DX") -> str:
    """Write a code as it is printed.

    Examples
    --------
    >>> dotted("I5023", 10), dotted("4280", 9), dotted("E8490", 9), dotted("3961", 9, "PX")
    ('I50.23', '428.0', 'E849.0', '39.61')
    >>> dotted("0BH17EZ", 10, "PX")  # codes of procedures have no dot there
    '0BH17EZ'
    """
    plain = normalise(code, version, kind)
    if (kind, version) == ("PX", 10):
        return plain
    size = len(category(plain, version, kind))
    return plain if len(plain) <= size else f"{plain[:size]}.{plain[size:]}"


def category(code: str, version: int, kind: str = "DX") -> str:
    """Roll a code up to its category.

    That is three characters; four of a code of ICD-9-CM that begins with E, and two of its
    procedures.

    Examples
    --------
    >>> category("I50.23", 10), category("428.0", 9), category("E849.0", 9)
    ('I50', '428', 'E849')
    >>> category("3961", 9, "PX")
    '39'
    """
    plain = normalise(code, version, kind)
    if kind == "PX":
        return plain[:2] if version == 9 else plain[:3]
    return plain[:4] if version == 9 and plain.startswith("E") else plain[:3]


def chapter(code: str, version: int, kind: str = "DX") -> Chapter | None:
    """Find the chapter of a code; None for a code between the chapters.

    Examples
    --------
    >>> chapter("I50.23", 10).title, chapter("428.0", 9).span
    ('Diseases of the circulatory system', '390-459')
    >>> chapter("O9A.2", 10).key, chapter("E849", 9).key, chapter("V70.7", 9).key
    ('pregnancy', 'external', 'factors')
    """
    own = category(code, version, kind)
    for one in CHAPTERS[kind, version]:
        # Text compares as the classification orders it: digits before letters, lengths alike.
        if len(own) >= len(one.first) and one.first <= own[: len(one.last)] <= one.last:
            return one
    return None


def prefixed(code: str, version: Any, kind: str = "DX", *, roll_up: bool = False) -> str:
    """Write a code with its kind and revision, as whole or rolled up to its category.

    Parameters
    ----------
    code : str
    version : int or str
        9 or 10, as in the column ``icd_version`` of MIMIC-IV.
    kind : {"DX", "PX"}
    roll_up : bool
        Whether to give the category instead.

    Raises
    ------
    InputError
        There is no such revision, or it is no code of it.

    Examples
    --------
    >>> prefixed("I50.23", 10), prefixed("39.61", "9", "PX", roll_up=True)
    ('DX10:I5023', 'PX9:39')
    """
    revision = read_version(version)
    write = category if roll_up else normalise
    return f"{kind}{revision}:{write(code, revision, kind)}"


def read_version(version: Any) -> int:
    """Read a revision, 9 or 10.

    Examples
    --------
    >>> read_version("10")
    10
    >>> read_version(11)
    Traceback (most recent call last):
    cellstate.errors.InputError: icd: the revision must be 9 or 10; got 11. Check the column \
icd_version.
    """
    text = str(version).strip()
    if text not in ("9", "10"):
        do = "Check the column icd_version"
        raise InputError(explain("icd", "the revision must be 9 or 10", repr(version), do))
    return int(text)


def ancestors(code: str) -> tuple[str, ...]:
    """List what a prefixed code is a part of, from the widest down to the code itself.

    Both revisions share their chapters, so that what is learned of one serves the other. A code of
    another kind than ICD is a part of its kind alone.

    Examples
    --------
    >>> ancestors("DX10:I5023")
    ('DX:circulatory', 'DX10:I50', 'DX10:I5023')
    >>> ancestors("DX9:428")
    ('DX:circulatory', 'DX9:428')
    >>> ancestors("RX:Aspirin"), ancestors("alone")
    (('RX', 'RX:Aspirin'), ('alone',))
    """
    known = _parse(code)
    if known is None:
        kind, colon, _ = code.partition(":")
        return (kind, code) if colon and kind else (code,)
    kind, version, plain = known
    found = chapter(plain, version, kind)
    chain = [f"{kind}:{found.key}"] if found else [kind]
    chain.append(f"{kind}{version}:{category(plain, version, kind)}")
    return tuple(dict.fromkeys([*chain, code]))


def title(code: str) -> str:
    """Say what a prefixed code is, by its chapter where no more is known.

    Examples
    --------
    >>> title("DX10:I5023")
    'I50.23 (Diseases of the circulatory system)'
    >>> title("DX:circulatory"), title("RX:Aspirin")
    ('Diseases of the circulatory system', 'Aspirin')
    """
    known = _parse(code)
    if known is None:
        kind, _, name = code.partition(":")
        for revision in reversed(VERSIONS):
            for one in CHAPTERS.get((kind, revision), ()):
                if one.key == name:
                    return one.title
        return name or code
    kind, version, plain = known
    found = chapter(plain, version, kind)
    shown = dotted(plain, version, kind)
    return f"{shown} ({found.title})" if found else shown


def _parse(code: str) -> tuple[str, int, str] | None:
    """Take a prefixed ICD code apart; None for any other code."""
    kind, colon, plain = code.partition(":")
    for version in VERSIONS:
        name = kind.removesuffix(str(version))
        # "DX10" must not be read as a kind "DX1" of revision 0.
        if colon and kind == f"{name}{version}" and name in KINDS:
            return (name, version, plain) if is_code(plain, version, name) else None
    return None


def _plain(code: str) -> str:
    return re.sub(r"[.\s]", "", str(code)).upper()


def _title(version: int, kind: str) -> str:
    names = {("DX", 9): "ICD-9-CM", ("DX", 10): "ICD-10-CM"}
    names |= {("PX", 9): "ICD-9-CM, volume 3", ("PX", 10): "ICD-10-PCS"}
    return names.get((kind, version), f"{kind}{version}, which is unknown")
