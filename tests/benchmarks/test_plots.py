"""Charts in the documentation show the figures of the result files, each bar to scale."""

import re

import pytest

from benchmarks import plots
from benchmarks.harness.record import Row, read, write
from cellstate.errors import InputError

FASTER = "times_faster_than_"


@pytest.fixture
def results(tmp_path):
    rows = [
        Row("B 1", "cellstate", f"{FASTER}torch.nn.LSTM", 4.0, machine="A machine"),
        Row("B 1", "cellstate", f"{FASTER}onnxruntime", 0.5, machine="A machine"),
        Row("B <2>", "cellstate", f"{FASTER}torch.nn.LSTM", 2.0, machine="A machine"),
        Row("all shapes", "cellstate", f"{FASTER}torch_least", 0.1, machine="A machine"),
        Row("B 1", "cellstate", "percent_of_peak", 25.0, machine="A machine"),
        Row("B 1", "onnxruntime", "percent_of_peak", 50.0, machine="A machine"),
        Row("B 1", "cellstate", "peak_mib", 300.0, seed="1", machine="A machine"),
        Row("B 1", "cellstate", "peak_mib", 100.0, seed="2", machine="A machine"),
        Row("B 1", "cellstate", "peak_mib", 200.0, seed="3", machine="A machine"),
    ]
    write(tmp_path / "layer.csv", rows)
    return tmp_path


def bars(drawn):
    """Give each bar's place, width and title."""
    found = re.findall(r'<rect x="(\d+)" width="(\d+)".*?class="(.*?)"><title>(.*?)</title>', drawn)
    return {title: (int(x), int(width), class_) for x, width, class_, title in found}


def test_faster_is_to_the_right_of_one_and_slower_to_the_left(results):
    found = bars(plots.chart("layer", results=results))
    assert found == {
        "B 1, torch.nn.LSTM: 4": (3333, 6667, "bench-orange"),
        "B 1, onnxruntime: 0.500": (0, 3333, "bench-green"),
        "B &lt;2&gt;, torch.nn.LSTM: 2": (3333, 3333, "bench-orange"),
    }


def test_per_cent_run_to_a_hundred(results):
    found = bars(plots.chart("layer", "percent_of_peak", results))
    assert [(x, width) for x, width, _ in found.values()] == [(0, 2500), (0, 5000)]


def test_several_seeds_are_one_bar_at_their_median(results):
    assert list(bars(plots.chart("layer", "peak_mib", results))) == ["B 1, cellstate: 200"]


def test_names_figures_and_machine_stand_in_words(results):
    drawn = plots.chart("layer", results=results)
    for words in ("torch.nn.LSTM</li>", "B &lt;2&gt;</span>", ">0.500</span>", "on A machine."):
        assert words in drawn
    assert "all shapes" not in drawn


def test_no_two_names_share_a_colour():
    names = ("cellstate", "torch.nn.LSTM", "recompute=True", "recompute='sqrt'", "onnxruntime")
    assert len(set(plots._colours(names).values())) == len(names)


@pytest.mark.parametrize("name", ["layer-cpu", "layer-train-cpu", "step", "ragged"])
def test_every_ratio_of_the_kept_results_has_its_bar(name):
    rows = read(plots.RESULTS / f"{name}.csv")
    shown = {(row.case, row.metric) for row in rows if row.metric.startswith(FASTER)}
    assert len(bars(plots.chart(name))) == len(shown)


def test_a_metric_that_is_not_there_offers_the_nearest(results):
    with pytest.raises(InputError, match="Did you mean 'percent_of_peak'"):
        plots.chart("layer", "percent_of_peek", results)
    with pytest.raises(InputError, match="Run the benchmark first"):
        plots.chart("nothing", results=results)
