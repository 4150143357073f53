"""Write `format-1/` once, by hand: a released format's golden folder never changes again.

python tests/golden/write_format_1.py
"""

from pathlib import Path

import numpy as np

from cellstate import artifact
from cellstate.network import LSTM, LayerNorm, Linear, to_json

FOLDER = Path(__file__).parent / "format-1"


def main() -> None:
    if FOLDER.exists():
        raise SystemExit(f"{FOLDER} exists: it must keep loading as it is.")
    layers = (Linear("embed", 2, 3, "relu"), LSTM("memory", 3, 2), LayerNorm("norm", 2))
    manifest = artifact.Manifest(
        task="forecast",
        arguments={"horizon": 24, "levels": (80, 95), "columns": {"time": "ds"}, "train": None},
        network={"chain": to_json(layers)},
        encoders={"ids": ["Zürich", "東京", ""], "scale": {"mean": -0.1, "tiny": 5e-324}},
        decoding={"quantiles": (0.025, 0.1, 0.5, 0.9, 0.975)},
        record={"seed": 7, "data": "sha256:00", "history": [{"epoch": 0, "loss": None}]},
    )
    count = iter(range(1000))

    def ramp(shape: tuple[int, ...], dtype: str) -> np.ndarray:
        size = int(np.prod(shape))
        return (np.array([next(count) for _ in range(size)]) / 8).astype(dtype).reshape(shape)

    tensors = {
        "embed.weight": ramp((3, 2), "float32"),
        "embed.bias": ramp((3,), "float32"),
        "memory.weight_ih_l0": ramp((8, 3), "float32"),
        "memory.weight_hh_l0": ramp((8, 2), "float32"),
        "memory.bias_ih_l0": ramp((8,), "float32"),
        "memory.bias_hh_l0": ramp((8,), "float32"),
        "norm.weight": ramp((2,), "float32"),
        "norm.bias": ramp((2,), "float32"),
        "anchor": ramp((), "float64"),
        "last_time": np.array([0, -1, 2**62], dtype="int64"),
        "half": ramp((1, 2), "float16"),
        "seen": np.array([True, False]),
        "empty": np.zeros((0, 4), dtype="float32"),
    }
    artifact.save(FOLDER, manifest, tensors)


if __name__ == "__main__":
    main()
