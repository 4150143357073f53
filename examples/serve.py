"""Serve machines: a memory each, and events that come twice, late, or cannot be true."""

import tempfile

import numpy as np
import polars as pl

from cellstate import Columns, Forecaster, TrainConfig
from cellstate.errors import EventError
from cellstate.serve.client import Client
from cellstate.serve.testclient import TestClient

rng = np.random.default_rng(0)
hours = pl.datetime_range(pl.datetime(2024, 5, 1), pl.datetime(2024, 5, 10), "1h", eager=True)
wave = 20 * np.sin(np.arange(len(hours)) * np.pi / 12)
table = pl.concat(
    pl.DataFrame(
        {"unique_id": name, "ds": hours, "load": level + wave + rng.normal(0, 1, len(hours))}
    )
    for name, level in (("press", 50.0), ("lathe", 80.0))
)
columns, train = Columns(target="load"), TrainConfig(epochs=4, progress=False)
model = Forecaster(6, columns=columns, random_state=0, train=train).fit(table)


def reading(hour: int, load: float, name: str = "press") -> dict[str, object]:
    """Make an event with an id of its own."""
    time = f"2024-05-10T{hour:02}:00:00Z"
    return {"entity": name, "id": f"{name}-{hour}", "time": time, "data": {"load": load}}


with tempfile.TemporaryDirectory() as folder:
    model.save(f"{folder}/machines")
    store = f"{folder}/state.db"  # what cellstate serve --store takes: here it outlives the server
    with TestClient(f"{folder}/machines", store=store) as client:
        answer = client.push("press", {"load": 55.0}, time="2024-05-10T01:00:00Z")["answer"]
        print(
            f"expected {answer['expected']:.1f}, then {answer['next']:.1f} at {answer['next_ds']}"
        )

        twice = client.push_many([reading(3, 64.0), reading(3, 64.0)])
        print("the same id again:", twice[1]["status"], twice[1]["answer"] == twice[0]["answer"])
        late = client.push_many([reading(2, 60.0)])[0]
        print("an hour that was missing:", late["status"], "late" if late["late"] else "in time")
        try:
            client.push("press", {"load": "much"}, time="2024-05-10T04:00:00Z")
        except EventError as problem:
            print("quarantined:", problem)
    with TestClient(f"{folder}/machines", store=store) as client:  # another process, later
        known = client.state("press")
        print(known["events"], "events in", known["state_bytes"], "bytes, after a restart")
        with Client(client.url) as other:
            live = other.stream("press")
            client.push("press", {"load": 68.0}, time="2024-05-10T04:00:00Z")
            print("heard of event", next(live)["seq"])
            live.close()
        print("forgotten:", client.forget("press"), "and", client.state("press"))
