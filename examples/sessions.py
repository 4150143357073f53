"""Follow machines event by event: one memory each, forecasts that say when they are surprised."""

import tempfile

import numpy as np
import polars as pl

from cellstate import Forecaster, TrainConfig
from cellstate.runtime import Session, Snapshot
from cellstate.tasks.streams import load_stream

rng = np.random.default_rng(0)
hours = np.arange(24 * 20)
start = np.datetime64("2024-05-01T00:00", "us")


def load_of(phase: float, at: np.ndarray) -> np.ndarray:
    """Give a machine's load: a daily wave and some noise."""
    return 50 + 20 * np.sin((at + phase) * np.pi / 12) + rng.normal(0, 1, len(at))


table = pl.concat(
    pl.DataFrame(
        {
            "unique_id": name,
            "ds": start + hours.astype("timedelta64[h]"),
            "y": load_of(phase, hours),
        }
    )
    for name, phase in (("press", 0.0), ("lathe", 6.0))
)
model = Forecaster(6, random_state=0, train=TrainConfig(epochs=8)).fit(table)

with tempfile.TemporaryDirectory() as folder:
    model.save(f"{folder}/model")
    stream = load_stream(f"{folder}/model")  # from here on without PyTorch

lathe, kept = Session(stream, "lathe"), b""
coming = hours[-1] + 1 + np.arange(8)
for at, load in zip(coming, load_of(6.0, coming), strict=True):
    if at == coming[5]:
        kept = lathe.snapshot().to_bytes()
        load += 40  # something is stuck
    answer = lathe.push({"y": load}, start + np.timedelta64(at, "h"))
    print(
        f"{load:6.1f}, expected {answer['expected']:5.1f}: "
        f"{'surprising' if answer['surprise'] > 0.95 else 'as expected'}; "
        f"at {answer['next_ds']} come {answer['next_lo_80']:.1f} to {answer['next_hi_80']:.1f}"
    )

lathe.restore(Snapshot.from_bytes(kept))  # it was a mistake of the sensor
answer = lathe.push({"y": None}, start + np.timedelta64(coming[5], "h"))
print(f"without it, {answer['next']:.1f} come next; memory of {stream.state_dtype.itemsize} bytes")
