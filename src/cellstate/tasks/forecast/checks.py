"""What a forecaster's arguments and data must be, checked once before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.data.columns import Columns
from cellstate.data.panel import Panel
from cellstate.errors import FrameError, InputError, did_you_mean, explain
from cellstate.tasks.arguments import check_whole
from cellstate.tasks.forecast.plan import SIZES
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.tasks.forecast.forecaster import Forecaster

CHOICES = {
    "decoder": ("direct", "recursive"),
    "size": tuple(SIZES),
    "distribution": ("student_t", "negative_binomial", "quantiles"),
}
LARGEST = 1e30  # networks compute in float32, which ends near 3e38


def check_arguments(forecaster: Forecaster) -> None:
    """Raise `InputError` unless every argument is of its kind and in its range."""
    check_whole("Forecaster", "horizon", forecaster.horizon)
    if forecaster.context is not None:
        check_whole("Forecaster", "context", forecaster.context)
    if forecaster.random_state is not None:
        check_whole("Forecaster", "random_state", forecaster.random_state, least=0)
    for name, choices in CHOICES.items():
        value = getattr(forecaster, name)
        if value not in choices:
            raise _fail(f"{name} must be known", value, did_you_mean(str(value), choices))
    _check_levels(forecaster.levels)
    for name, kind in (("columns", Columns), ("train", TrainConfig)):
        value = getattr(forecaster, name)
        if not isinstance(value, kind) and not (name == "train" and value is None):
            do = f"Give {name}={kind.__name__}(...)"
            raise _fail(f"{name} must be a {kind.__name__}", value, do)
    if forecaster.columns.target is None:
        raise _fail("columns must name a target", None, "Give for example Columns(target='y')")
    if forecaster.decoder == "recursive" and forecaster.columns.past:
        raise InputError(
            explain(
                "Forecaster",
                "the recursive decoder needs covariates that are known for the future",
                f"past={forecaster.columns.past!r}",
                "Use decoder='direct', or name them under future",
            )
        )


def check_panel(forecaster: Forecaster, panel: Panel) -> None:
    """Raise `InputError` unless the data can be learnt from with these arguments."""
    check_values("Forecaster.fit", panel)
    name = panel.target_name
    observed = panel.target[np.isfinite(panel.target)]
    if len(observed) == 0:
        raise FrameError(
            explain(
                "Forecaster.fit",
                f"the target {name!r} must have observed values",
                f"{len(panel.target)} rows, all missing",
                "Check the column's name and how the file marks missing values",
            )
        )
    longest = int(panel.lengths.max())
    if longest <= forecaster.horizon:
        raise InputError(
            explain(
                "Forecaster.fit",
                f"a series must be longer than horizon={forecaster.horizon}",
                f"series of at most {longest} periods",
                "Give longer series or a smaller horizon",
            )
        )
    if forecaster.context is not None and forecaster.context > longest:
        do = f"Give context={longest - forecaster.horizon} or less, or leave it out"
        raise _fail("context must be no longer than the longest series", forecaster.context, do)
    if forecaster.distribution == "negative_binomial" and forecaster.decoder == "recursive":
        odd = observed[(observed < 0) | (observed != np.floor(observed))]
        if len(odd):
            must = f"distribution='negative_binomial' needs counts 0, 1, 2 … in {name!r}"
            raise _fail(must, float(odd[0]), "Use distribution='student_t'")


def check_values(where: str, panel: Panel) -> None:
    """Raise `FrameError` if a target is too large to be computed with."""
    size = np.nanmax(np.abs(panel.target), initial=0.0)
    if size > LARGEST:
        raise FrameError(
            explain(
                where,
                f"the target {panel.target_name!r} must stay below {LARGEST:g} in size",
                f"{size:g}",
                "Give it in a larger unit",
            )
        )


def check_ids(known: Panel, new: Panel) -> None:
    """Raise `FrameError` unless new rows name their series as the known ones are named."""
    kinds = [_kind_of_ids(panel) for panel in (known, new)]
    if kinds[0] != kinds[1]:
        raise FrameError(
            explain(
                "Forecaster.update",
                f"new rows must have {kinds[0]}, as the known series have",
                kinds[1],
                "Give the id column of the frame that the forecaster was fitted on",
            )
        )


def _kind_of_ids(panel: Panel) -> str:
    if panel.origin.id_column is None:
        return "no id column"
    return "ids of text" if isinstance(panel.ids[0], str) else "ids that are integers"


def _check_levels(levels: Any) -> None:
    given = levels if isinstance(levels, (tuple, list)) else None
    if given is None or not all(_is_level(level) for level in given):
        must = "levels must be a tuple of percentages between 0 and 100"
        raise _fail(must, levels, "Give for example levels=(80, 95)")


def _is_level(level: Any) -> bool:
    number = isinstance(level, (int, float, np.number)) and not isinstance(level, bool)
    return number and bool(0 < level < 100)


def _fail(must: str, given: Any, do: str) -> InputError:
    return InputError(explain("Forecaster", must, repr(given), do))
