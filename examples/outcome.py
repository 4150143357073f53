"""Foretell the outcome of a stay from irregular vitals and labs, and how sure that is."""

import numpy as np
import polars as pl

from cellstate import OutcomePredictor

rng = np.random.default_rng(0)
rows = []
outcomes = []
for patient in range(240):
    is_ill = bool(rng.random() < 0.3)
    hours = np.sort(rng.uniform(0, 24, rng.integers(6, 20)))  # looked at when somebody had time
    for hour in hours:
        drift = is_ill * hour / 24
        rows.append((patient, hour, "HR", rng.normal(80 + 20 * drift, 8)))
        if rng.random() < 0.3:  # a lab, seldom
            rows.append((patient, hour, "Lactate", rng.lognormal(0.3 + 0.6 * drift, 0.3)))
    rows.append((patient, None, "Age", rng.normal(60, 12)))  # no time: it does not change
    outcomes.append((patient, 24.0, int(is_ill)))  # nothing after hour 24 is read

events = pl.DataFrame(rows, ["subject_id", "time", "code", "numeric_value"], orient="row")
asked = pl.DataFrame(outcomes, ["subject_id", "prediction_time", "died"], orient="row")

model = OutcomePredictor("died", random_state=0).fit(events, asked[:200])
print(model.predict_risk(events, asked[200:205]).round(2))
print(model.evaluate(events, asked[200:]))
