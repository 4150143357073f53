"""Stories to draw: one of real series with seasonal naive forecasts, and ones that are hard."""

from __future__ import annotations

from functools import cache

import numpy as np
import statsmodels.datasets as datasets

from cellstate.tasks.sections import (
    Calibration,
    Facts,
    ForecastPanel,
    Forecasts,
    Gates,
    Histogram,
    Lines,
    Matrix,
    Mover,
    Passage,
    RiskPanel,
    Risks,
    Story,
    Table,
    Text,
    Tokens,
)

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\x00\u202e\x1b[2J\ud800'\""
)


@cache
def climate() -> Story:
    """What a good fit of three real series would show; the numbers of the model are invented."""
    rng = np.random.default_rng(0)
    co2 = datasets.co2.load_pandas().data
    sunspots = datasets.sunspots.load_pandas().data
    sea = datasets.elnino.load_pandas().data.iloc[:, 1:].to_numpy().ravel()
    years = sunspots["YEAR"].to_numpy().astype(int) - 1970
    months = np.arange("1950-01", "2011-01", dtype="datetime64[M]")
    panels = (
        panel("co2", co2.index.to_numpy(), co2["co2"].to_numpy(), 52, 52, "best, MASE 0.41"),
        panel("sea surface", months, sea, 24, 12, "median, MASE 0.78"),
        panel(
            "sunspots",
            years.astype("datetime64[Y]"),
            sunspots["SUNACTIVITY"].to_numpy(),
            12,
            11,
            "worst, MASE 1.31",
        ),
    )
    epochs = np.arange(1.0, 61.0)
    noise = rng.standard_normal((2, 60)) * 0.012
    train = 0.9 * np.exp(-epochs / 12) + 0.1 + noise[0] * np.exp(-epochs / 30)
    valid = 0.9 * np.exp(-epochs / 13) + 0.13 + noise[1] + 0.0009 * np.maximum(0, epochs - 35)
    counts, edges = np.histogram(rng.standard_t(5, 4000) * 0.4, 31)
    nominal = np.array([10, 20, 30, 40, 50, 60, 70, 80, 90, 95.0])
    return Story(
        "Three climate series, a year or more ahead",
        "One LSTM for all three series, fitted in 48 seconds on two cores.",
        (
            Text("Verdict", "The LSTM wins: MASE 0.83 against 0.95, `seasonal naive`.", "good"),
            Text("Watch out", "The 95 % interval covers three points too few.", "warning"),
            Table(
                "Against the baselines",
                ("model", "MASE", "sMAPE", "OWA", "coverage 80", "coverage 95", "seconds"),
                (
                    ("LSTM", 0.8312, 4.21, 0.871, 79.2, 93.9, 48.2),
                    ("seasonal naive", 0.952, 4.83, 1.0, None, None, 0.01),
                    ("naive", 1.83, 9.12, 1.9, None, None, 0.01),
                    ("linear", 0.97, 4.9, 1.01, 74.1, 90.2, 0.4),
                    ("AutoETS", 0.991, 4.77, 0.99, 83.4, 96.6, 12.9),
                ),
                {"MASE": "min", "sMAPE": "min", "OWA": "min", "coverage 80": 80.0},
                "MASE: mean absolute error over that of the seasonal naive forecast.",
            ),
            Forecasts("Forecasts: best, median, worst", panels, "Shades are intervals."),
            Lines(
                "Loss",
                epochs,
                {"train": train, "validation": valid},
                "epoch",
                "quantile loss",
                True,
                ((44.0, "best, 44"),),
                "Early stopping restored the weights of epoch 44.",
            ),
            Histogram("Residuals", edges, counts, "residual, scaled"),
            Calibration("Calibration", nominal, nominal + rng.normal(0, 1.5, 10).round(2)),
            gates(rng, steps=96, units=48),
            Matrix(
                "Confusion",
                ("down", "flat", "up"),
                ("down", "flat", "up"),
                np.array([[412, 60, 21], [88, 230, 79], [14, 41, 390]]),
                "truth",
                "predicted",
            ),
            Tokens(
                "Which words decided",
                (
                    Passage(
                        "warm, rightly",
                        ("A", " ", "mild", " ", "and", " ", "sunny", " ", "winter"),
                        np.array([0.0, np.nan, 0.8, np.nan, 0.1, np.nan, 1.4, np.nan, -0.9]),
                    ),
                ),
                "Numbers are log odds.",
            ),
            Tokens(
                "Names in sentences",
                (
                    Passage(
                        "The truth: mild winter (season); Bern (place); Rhine (river)",
                        ("A ", "mild", " winter in ", "Bern", " on the ", "Rhine", "."),
                        np.array([np.nan, -1.0, np.nan, 1.0, np.nan, 0.0, np.nan]),
                        ("", "season", "", "place", "", "river", ""),
                    ),
                ),
            ),
            storms(rng),
            Facts(
                "Data and how to reproduce",
                (
                    ("rows", "3,325"),
                    ("fingerprint", "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c"),
                    ("versions", "cellstate 0.1.0, torch 2.13.0, numpy 2.4.6"),
                    ("reproduce", "cellstate fit forecast climate.parquet --horizon 24"),
                ),
            ),
        ),
    )


def panel(
    name: str, times: np.ndarray, values: np.ndarray, horizon: int, season: int, caption: str = ""
) -> ForecastPanel:
    """Forecast the held-out end of a series by its last season."""
    past, truth = values[:-horizon], values[-horizon:]
    steps = np.arange(len(past))
    known = np.isfinite(past)
    filled = np.interp(steps, steps[known], past[known])
    point = np.resize(filled[-season:], horizon)
    spread = np.std(filled[season:] - filled[:-season]) * np.sqrt(1 + np.arange(horizon) / season)
    bands = {
        level: (point - factor * spread, point + factor * spread)
        for level, factor in ((80.0, 1.28), (95.0, 1.96))
    }
    return ForecastPanel(
        name, times[:-horizon], past, times[-horizon:], point, bands, truth, caption
    )


def gates(rng: np.random.Generator, steps: int, units: int) -> Gates:
    """Run made-up gates over a made-up day and night."""
    hours = np.arange(steps)
    signal = np.sin(hours / 24 * 2 * np.pi) + 0.15 * rng.standard_normal(steps)
    pull = rng.standard_normal((4, units))
    keep = 1 / (1 + np.exp(-(rng.uniform(-1, 4, units) + 0.6 * pull[0] * signal[:, None])))
    let_in = 1 / (1 + np.exp(-1.2 * pull[1] * signal[:, None]))
    let_out = 1 / (1 + np.exp(-pull[2] * signal[:, None] - 0.3))
    candidate = np.tanh(1.4 * pull[3] * signal[:, None])
    cell = np.zeros((steps, units))
    state = np.zeros(units)
    for step in range(steps):
        state = keep[step] * state + let_in[step] * candidate[step]
        cell[step] = state
    labels = np.datetime64("2024-03-01T00") + hours
    return Gates(
        "What the gates did",
        tuple(str(label).replace("T", " ") for label in labels),
        {"i": let_in, "f": keep, "g": candidate, "o": let_out, "c": cell},
        signal,
        "One window of the series `co2`.",
    )


def storms(rng: np.random.Generator) -> Risks:
    """Show the risk of a storm at two made-up stations, with alarms on one of them."""
    hours = np.arange(72.0)
    calm = 0.06 + 0.02 * np.sin(hours / 6) + 0.005 * rng.standard_normal(72)
    rising = calm + 0.5 / (1 + np.exp((52 - hours) / 4))
    movers = (
        Mover(44.0, "pressure falls", 0.18),
        Mover(49.0, "wind turns", 0.11),
        Mover(30.0, "sea cools", -0.04),
    )
    return Risks(
        "Risk hour by hour",
        (
            RiskPanel(
                "station 1", hours, rising, np.array([51.0, 57.0, 63.0]), 66.0, movers, "hit"
            ),
            RiskPanel("station 2", hours, calm, np.zeros(0), None, (), "spared"),
        ),
        threshold=0.25,
        event="storm",
        note="Made up.",
    )


def hostile(name: str = HOSTILE) -> Story:
    """Put a name that breaks out of HTML, scripts and terminals in every place for a text."""
    two, times = np.array([1.0, 2.0]), np.array([3, 4])
    return Story(
        name,
        name,
        (
            Text(name, name, "good"),
            Facts(name, ((name, name), (f"reproduce {name}", name)), name),
            Table(name, (name, "b"), ((name, 1.0),), {name: "min"}, name),
            Lines(name, two, {name: two}, name, name, False, ((1.5, name),), name),
            Forecasts(
                name,
                (ForecastPanel(name, two, two, times, two, {80.0: (two, two)}, two, name),),
                name,
            ),
            Histogram(name, np.array([0.0, 1.0]), np.array([3]), name, name),
            Calibration(name, two, two, name),
            Gates(name, (name, name), {name: np.ones((2, 2))}, two, name),
            Matrix(name, (name,), (name,), np.ones((1, 1)), name, name, name),
            Tokens(name, (Passage(name, (name,), np.ones(1)),), name),
            Tokens(name, (Passage(name, (name,), np.ones(1), (name,)),), name),
            Risks(
                name,
                (RiskPanel(name, two, two, two, 1.5, (Mover(1.0, name, 0.5),), name),),
                1.5,
                name,
                name,
                name,
                name,
            ),
        ),
    )


def with_values(values: np.ndarray) -> Story:
    """Draw one array in every picture, as past, truth, forecast, band, curve, count and gate."""
    values = np.asarray(values, np.float64)
    count = len(values)
    times = np.arange(count)
    forecast = ForecastPanel(
        "series", times, values, times + count, values, {80.0: (values, values)}, values
    )
    cells = np.repeat(values[:, None], 2, axis=1)
    movers = tuple(Mover(1.0, "value", value) for value in values.tolist())
    event = values.tolist()[-1] if count else None
    risk = RiskPanel("stay 1", times, values, times[::2], event, movers)
    return Story(
        "Values",
        "",
        (
            Table("Table", ("name", "value"), tuple(("row", v) for v in values), {"value": "max"}),
            Lines("Lines", times, {"curve": values}, "step", "value"),
            Lines("Logarithm", times, {"curve": values}, "step", "value", True),
            Forecasts("Forecasts", (forecast,)),
            Histogram("Histogram", np.arange(count + 1), values, "value"),
            Calibration("Calibration", values, values),
            Gates("Gates", tuple(map(str, times)), dict.fromkeys("ifgoc", cells), values),
            Matrix("Matrix", tuple(map(str, times)), ("a", "b"), cells, "row", "column"),
            Tokens("Tokens", (Passage("", tuple(map(str, times)), values),)),
            Risks("Risks", (risk,), 0.5),
        ),
    )


HARD_VALUES = {
    "none": [],
    "one": [1.5],
    "one_missing": [np.nan],
    "all_missing": [np.nan] * 5,
    "constant": [7.0] * 5,
    "zeros": [0.0] * 5,
    "gap": [1.0, np.nan, 3.0, 4.0],
    "islands": [1.0, np.nan, 3.0, np.nan, 4.0],
    "infinite": [1.0, np.inf, -np.inf, 2.0],
    "huge": [-1.7e308, 0.0, 1.7e308],
    "tiny": [5e-324, 1e-320, 1e-310],
    "near_constant": [1.0, 1.0 + 2e-16, 1.0],
    "large_offset": [1e15, 1e15 + 1, 1e15 + 2],
    "negative": [-3.0, -2.0, -5.0],
}
