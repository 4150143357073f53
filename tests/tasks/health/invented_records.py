"""Invented patients whose next codes follow from a visit before the last: a memory finds them."""

import numpy as np

from cellstate.data.health.visits import make_visits

DAY = 24.0
CHRONIC = ("DX10:I10", "DX10:E11")
LATE = {"DX10:A40": "DX10:B50", "DX10:C40": "DX10:D50"}  # two visits later, never at the next


def patients(count, seed=0):
    """Give records in which an early code comes back as another two visits later."""
    rng = np.random.default_rng(seed)
    records, values = {}, []
    for patient in range(count):
        own = {code for code in CHRONIC if rng.random() < 0.5}
        level, visits, day = rng.normal(), [], 0.0
        waiting = [set(), set()]
        for _ in range(int(rng.integers(1, 8))):
            early = {code for code in LATE if rng.random() < 0.4}
            codes = own | early | waiting[0]
            waiting = [waiting[1], {LATE[code] for code in early}]
            visits.append((day * DAY, (day + 2.0) * DAY, sorted(codes)))
            values.append([100.0 + 10.0 * level + rng.normal(), rng.normal()])
            day += 2.0 + float(rng.choice([10.0, 90.0]))
        records[1000 * seed + patient] = visits
    return make_visits(records, values=values, variables=("lab", "noise"))
