"""Watch vital signs: a risk with every event, alarms at a stated rate, one bed at a time."""

import numpy as np
import polars as pl

from cellstate import VitalsMonitor

rng = np.random.default_rng(0)
stays, hours = np.repeat(np.arange(150), 30), np.tile(np.arange(30.0), 150)
onset = np.where(rng.random(150) < 0.3, rng.integers(14, 26, 150), 99)[stays]
worse = np.clip(hours - (onset - 8), 0, None)  # eight hours before it shows
table = pl.DataFrame(
    {
        "subject_id": stays,
        "time": hours,
        "HR": rng.normal(80 + 2.5 * worse, 6),
        "Resp": np.where(rng.random(4500) < 0.6, rng.normal(16 + 0.8 * worse, 2), np.nan),
        "sepsis": (hours >= onset - 6).astype(int),  # labels run six hours ahead
    }
)

monitor = VitalsMonitor("sepsis", alarms_per_day=0.5, lead_h=6.0, random_state=0)
monitor.fit(table.filter(pl.col("subject_id") < 120))
print(monitor.evaluate(table.filter(pl.col("subject_id") >= 120)))

bed = monitor.stream()  # a memory of fixed size; each event costs the same
for hour, rate in ((0.0, 78.0), (1.0, 95.0), (2.0, 112.0)):
    print(bed.push(hour, {"HR": rate}))
