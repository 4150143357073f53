"""By what patients are told apart in a report, where the static values say so."""

from __future__ import annotations

import numpy as np

from cellstate.data.health.timelines import Timelines
from cellstate.tasks.health.subgroups import age_bands

SEX = {0.0: "female", 1.0: "male"}
"""Of PhysioNet's challenges, where men are 1."""
KINDS = {
    "age": ("age",),
    "sex": ("gender", "sex"),
    "unit": ("icutype", "unit1", "unit"),
}
MOST = 12
"""Different values beyond which a static value names no groups."""


def groups_of(timelines: Timelines) -> dict[str, np.ndarray]:
    """Give for each kind of group that is known the name of each stay's group.

    Returns
    -------
    dict of str to ndarray
        Kind -> (n,) names, None where unknown.
    """
    names = [name.casefold() for name in timelines.static_names]
    groups: dict[str, np.ndarray] = {}
    for kind, known in KINDS.items():
        place = next((names.index(name) for name in known if name in names), None)
        if place is None:
            continue
        values = timelines.static[:, place].astype(np.float64)
        if kind == "age":
            groups[kind] = age_bands(values)
            continue
        if len(np.unique(values[~np.isnan(values)])) > MOST:
            continue
        said = [
            None if v != v else SEX.get(v, f"{v:g}") if kind == "sex" else f"{v:g}"
            for v in values.tolist()
        ]
        groups[kind] = np.array(said, dtype=object)
    return groups
