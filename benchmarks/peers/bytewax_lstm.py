"""The served LSTM in a Bytewax dataflow: ``bytewax_lstm FOLDER BATCH``.

Reads ``step.onnx`` and ``events.json`` (pairs of name and reading), keeps each key's state by
`stateful_map`, and lets Bytewax write the states down to its own SQLite files after every batch of
the source. Each event is a step of its own: the engine has no step over several keys. Leaves
``answers.json`` and prints the seconds that the dataflow took.
"""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
import numpy as np
import onnxruntime
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, run_main


def main():
    """Run the dataflow once."""
    folder, batch = Path(sys.argv[1]), int(sys.argv[2])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(folder / "step.onnx"), options, providers=["CPUExecutionProvider"]
    )
    shape = next(one.shape for one in session.get_inputs() if one.name == "body.h_0")
    zero = np.zeros((1, 1, shape[2]), np.float32)
    events = [(name, x) for name, x in json.loads((folder / "events.json").read_text("utf-8"))]

    def step(state, x):
        h, c = state or (zero, zero)
        feeds = {"x": np.array([x], np.float32), "body.h_0": h, "body.c_0": c}
        y, h, c = session.run(["y", "body.h_n", "body.c_n"], feeds)
        return (h, c), y[0].tolist()

    out = []
    flow = Dataflow("lstm")
    stream = op.input("events", flow, TestingSource(events, batch_size=batch))
    op.output("answers", op.stateful_map("step", stream, step), TestingSink(out))
    recovery = folder / "recovery"
    recovery.mkdir()
    init_db_dir(recovery, 1)
    start = time.perf_counter()
    run_main(flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(str(recovery)))
    seconds = time.perf_counter() - start
    (folder / "answers.json").write_text(json.dumps(out), "utf-8")
    sys.stdout.write(f"{seconds}\n")


if __name__ == "__main__":
    main()
