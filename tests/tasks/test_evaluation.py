import numpy as np
import pytest

from cellstate.errors import InputError
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.metrics import Metric

WORDS = {"words": Metric("words written", "min", ".1f", signature="w|2")}


def scored(rows, **options):
    return Evaluation(rows, "words", "Protocol.", metrics=WORDS, **options)


def test_a_job_can_bring_metrics_of_its_own():
    evaluation = scored({"LSTM": {"words": 3.25}, "copy": {"words": 4.0}})
    assert evaluation.winner == "LSTM"
    assert evaluation.verdict == "LSTM wins: words 3.2; the best baseline, copy, has 4.0."
    assert evaluation.as_dict()["definitions"] == {"words": "words written"}
    assert "words: words written." in str(evaluation)


def test_a_part_of_the_network_is_shown_and_cannot_win():
    rows = {"LSTM": 3.0, "LSTM with more": 1.0, "copy": 4.0}
    evaluation = scored({name: {"words": value} for name, value in rows.items()})
    assert evaluation.winner == "LSTM"
    assert "copy, has 4.0" in evaluation.verdict


def test_nobody_wins_where_the_score_is_not_defined():
    nothing, something = {"words": float("nan")}, {"words": 4.0}
    evaluation = scored({"LSTM": nothing, "copy": nothing})
    assert evaluation.winner == ""
    assert "Nobody wins: words is not defined" in evaluation.verdict
    assert "*" not in str(evaluation)
    assert scored({"LSTM": something, "copy": nothing}).winner == "LSTM"
    assert scored({"LSTM": nothing, "copy": something}).winner == "copy"


def test_what_is_not_in_the_table_is_refused_with_the_nearest_name():
    evaluation = scored({"LSTM": {"words": 3.0}, "copy": {"words": 4.0}})
    with pytest.raises(
        InputError, match=r"metric must be known; got 'word'\. Did you mean 'words'"
    ):
        evaluation.metric("word")
    with pytest.raises(InputError, match=r"system must be known; got 'copi'\. Did you mean 'copy'"):
        evaluation.metric("words", "copi")


def test_counts_and_values_that_are_not_defined_can_be_read():
    table = {"a": {"F1": np.nan, "true": 123_456.0}}
    text = str(scored({"LSTM": {"words": 1.0}, "copy": {"words": 2.0}}, by_class=table))
    assert "–" in text
    assert "123,456" in text
