"""The served LSTM as a model of Triton's Python backend: one step by ONNX Runtime, states kept.

Triton's sequence batcher says to which sequence a request belongs and which requests run together;
the states of all sequences live in this process, and die with it. It runs in an environment of its
own, `.venv-serving`, and imports nothing of this project.
"""

from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

LAYERS = 1


class TritonPythonModel:
    """Triton's name for what its Python backend loads."""

    def initialize(self, args):
        """Load ``step.onnx`` beside this file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = Path(args["model_repository"], args["model_version"], "step.onnx")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        shape = next(one.shape for one in self._session.get_inputs() if one.name == "body.h_0")
        self._zero = np.zeros((LAYERS, 1, shape[2]), np.float32)
        self._states = {}

    def execute(self, requests):
        """Take one step for all sequences that Triton hands over."""
        names, xs, hs, cs = [], [], [], []
        for request in requests:
            x, start, name = (
                pb_utils.get_input_tensor_by_name(request, one).as_numpy()
                for one in ("x", "START", "CORRID")
            )
            names.append(int(name.ravel()[0]))
            new = bool(start.ravel()[0])
            h, c = (self._zero, self._zero) if new else self._states[names[-1]]
            xs.append(x)
            hs.append(h)
            cs.append(c)
        feeds = {"x": np.concatenate(xs), "body.h_0": np.concatenate(hs, 1)}
        feeds["body.c_0"] = np.concatenate(cs, 1)
        y, h, c = self._session.run(["y", "body.h_n", "body.c_n"], feeds)
        for k, name in enumerate(names):
            self._states[name] = h[:, k : k + 1], c[:, k : k + 1]
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("y", y[k : k + 1])])
            for k in range(len(names))
        ]
