"""Visits as the network reads them, and what is kept of their codes."""

import numpy as np

from cellstate.data.health.visits import make_visits
from cellstate.tasks.health.records.baselines import shares_of
from cellstate.tasks.health.records.encoding import Encoded, Scales
from cellstate.tasks.health.records.vocabulary import Vocabulary

DAY = 24.0
VISITS = make_visits(
    {
        "a": [(0, DAY, ["DX10:I10"]), (11 * DAY, 14 * DAY, ["DX10:I10", "DX10:I50"])],
        "b": [(0, 9, ["DX10:I10", "RX:rare"]), (99, 100, []), (999, 1000, ["DX10:I50"])],
    },
    values=[[1.0], [np.nan], [3.0], [np.nan], [5.0]],
    variables=("lab",),
)
VOCABULARY = Vocabulary.learn(VISITS)
ENCODED = Encoded.of(VISITS, VOCABULARY, Scales.of(VISITS))


def nodes(names):
    return [VOCABULARY.place[name] for name in names]


def test_rare_codes_are_read_as_other_codes_or_their_ancestors():
    assert VOCABULARY.nodes == ("other", "DX10:I10", "DX10:I50", "DX:circulatory")
    table = ENCODED.has(np.arange(5))
    assert table[2].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert table[3].sum() == 0


def test_features_are_of_the_past_alone():
    scales = Scales.of(VISITS)
    for steps in (1, 2):
        part = make_visits(
            {
                "b": [
                    (float(VISITS.start[n]), float(VISITS.end[n]), list(VISITS.codes_of(n)))
                    for n in range(2, 2 + steps)
                ]
            },
            values=VISITS.values[2 : 2 + steps],
            variables=("lab",),
        )
        again = Encoded.of(part, VOCABULARY, scales)
        assert np.array_equal(again.features, ENCODED.features[2 : 2 + steps])


def test_days_between_visits_and_stays_are_on_a_scale_of_their_own():
    scales = Scales.of(VISITS)
    told = ENCODED.features[:, :2] * np.array(scales.deviation[:2]) + np.array(scales.mean[:2])
    assert np.allclose(np.expm1(told[0]), [0.0, 1.0], atol=1e-5)
    assert np.allclose(np.expm1(told[1]), [10.0, 3.0], atol=1e-4)


def test_unknown_ages_and_values_are_zero_and_marked():
    assert (ENCODED.features[:, 4] == 0).all()
    value, there = ENCODED.features[:, 5], ENCODED.features[:, 6]
    assert there.tolist() == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert (value[there == 0] == 0).all()


def test_batches_hold_each_patient_in_a_row():
    batch = ENCODED.batch(np.array([1, 0]))
    assert batch["places"].tolist() == [[2, 3, 4], [0, 1, -1]]
    assert batch["lengths"].tolist() == [3, 2]
    assert np.array_equal(batch["codes"][0], ENCODED.has(np.arange(2, 5)))
    assert (batch["codes"][1, 2] == 0).all()


def test_codes_are_counted_by_whether_they_came_before():
    visits = make_visits(
        {k: [(0, 1, ["x"]), (2, 3, ["y"]), (4, 5, ["x"] if k else ["y"])] for k in range(40)}
    )
    vocabulary = Vocabulary.learn(visits)
    encoded = Encoded.of(visits, vocabulary, Scales.of(visits))
    chosen = np.flatnonzero(np.arange(len(visits)) % 3 < 2)
    shares = shares_of(encoded, chosen, np.array([vocabulary.place["x"]]))
    # After 40 visits with it, it never came; after 40 visits that followed such, 39 times.
    assert shares["again"][0] < 0.02
    assert shares["back"][0] > 0.95
    assert abs(shares["prior"][0] - 39 / 80) < 0.01


def test_a_table_of_what_was_so_far_holds_what_each_visit_had():
    now, by_then = ENCODED.table().toarray(), ENCODED.table(so_far=True).toarray()
    assert (by_then >= now).all()
    assert by_then[4, nodes(["DX10:I10", "DX10:I50"])].tolist() == [1.0, 1.0]
