"""Codes of events that a fitted model does not read: told of, not dropped in silence."""

from __future__ import annotations

import warnings

import numpy as np

from cellstate.data.health.events import Events
from cellstate.data.health.timelines import Layout
from cellstate.errors import InputError, did_you_mean, explain

FEW_NAMED = 5
"""Codes that a message names; the rest it counts."""


class UnreadCodesWarning(UserWarning):
    """Some events are of codes that the model does not read."""


def tell_unread(where: str, events: Events, layout: Layout) -> None:
    """Warn of codes that the model does not read, by their names.

    Parameters
    ----------
    where : str
        Begins each message.
    events : Events
    layout : Layout
        That of the fit.

    Raises
    ------
    InputError
        There are events, and the model reads none of their codes.

    Warns
    -----
    UnreadCodesWarning
        Some codes are new, or were too rare in the training data.
    """
    known = {*layout.variables, *layout.static}
    counts = np.bincount(events.code, minlength=len(events.codes))
    unread = [k for k, code in enumerate(events.codes) if counts[k] and code not in known]
    if not unread:
        return
    names = [events.codes[k] for k in unread]
    named = ", ".join(map(repr, names[:FEW_NAMED])) + ", …" * (len(names) > FEW_NAMED)
    lost = int(counts[unread].sum())
    if lost == len(events.code):
        must = f"some event must be of the {len(known):,} codes that the model reads"
        do = did_you_mean(names[0], known)
        raise InputError(explain(where, must, f"only {named}", do))
    noun = "code" if len(names) == 1 else "codes"
    given = f"{len(names):,} {noun} of {lost:,} events that it does not: {named}"
    do = "Fit again where these matter; fits leave out what few patients have"
    must = "the model should read every code"
    warnings.warn(explain(where, must, given, do), UnreadCodesWarning, stacklevel=4)
