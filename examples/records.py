"""Foretell the next visit's codes from a patient's visits, and ask which visit and code said so.

python examples/records.py [folder of MIMIC-IV tables]
"""

import sys

import numpy as np

from cellstate import RecordsModel, TrainConfig
from cellstate.data.health.mimic import read_mimic
from cellstate.data.health.visits import Visits, make_visits

CHRONIC = ["DX10:I10", "DX10:E11", "DX10:J44", "DX10:N18"]
# What a long illness leads to, some visits later.
LEADS_TO = {"DX10:I10": "DX10:I50", "DX10:E11": "DX10:N18", "DX10:J44": "DX10:J96"}
ACUTE = ["DX10:S72", "DX10:K35", "DX10:R07", "DX10:J18", "DX10:A41"]
DAY = 24.0


def patients(count: int) -> Visits:
    """Make records of invented patients: long illnesses stay, and lead to others."""
    rng = np.random.default_rng(0)
    records = {}
    for patient in range(count):
        illnesses = set(rng.choice(CHRONIC, size=rng.integers(0, 3), replace=False).tolist())
        visits, day = [], 0.0
        for _ in range(rng.integers(1, 7)):
            stay = 1.0 + rng.exponential(4.0)
            codes = illnesses | {str(rng.choice(ACUTE))}
            visits.append((day * DAY, (day + stay) * DAY, sorted(codes)))
            day += stay + rng.exponential(120.0)
            illnesses |= {LEADS_TO[c] for c in illnesses if c in LEADS_TO and rng.random() < 0.5}
        records[patient] = visits
    return make_visits(records)


if len(sys.argv) > 1:
    visits, settings = read_mimic(sys.argv[1], events=()).visits, None
else:
    # Few epochs and one network, so that this runs in seconds; leave them out for real data.
    visits, settings = patients(150), TrainConfig(epochs=8)
train, test = visits.split(0.25)

short = {} if settings is None else {"networks": 1, "train": settings}
model = RecordsModel(random_state=0, **short).fit(train)
print(model.evaluate(test))
for said in model.predict(test)[:3]:
    print([f"{code} {probability:.0%}" for code, probability in said[:4]])
for told in model.attributions(test.take(range(3))):
    print(told)

readmission = RecordsModel(target="readmission", random_state=0, **short).fit(train)
print("risk of another visit within 30 days:", readmission.predict_proba(test)[:5].round(2))
