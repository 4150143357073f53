import pytest

from cellstate.tasks.text.translation.evaluation import compare
from cellstate.tasks.text.translation.metrics import score, sentence_bleu

TRUTH = ["The small dog sees a red ball.", "An old man likes the house."]


def test_perfect_translations_score_a_hundred():
    assert score(TRUTH, TRUTH).values == pytest.approx({"BLEU": 100.0, "chrF": 100.0})


def test_case_counts_and_the_signature_says_so():
    lower = score([text.lower() for text in TRUTH], TRUTH)
    assert lower.values["BLEU"] < 90
    assert "case:mixed" in lower.signatures["BLEU"]
    assert "version:" in lower.signatures["chrF"]


def test_sentences_are_ordered_by_how_well_they_are_translated():
    good, bad = sentence_bleu([TRUTH[0], "No."], TRUTH)
    assert good == pytest.approx(100.0)
    assert bad < 20


def test_the_winner_is_named_and_a_lost_comparison_is_admitted():
    lexicon = {"Hund": "dog"}
    won = compare(["Hund"] * 2, TRUTH, TRUTH, lexicon, protocol="Protocol: two.")
    assert won.winner == "LSTM"
    assert won.verdict.startswith("LSTM wins: BLEU 100.0; the best baseline")
    lost = compare(TRUTH, TRUTH, ["No.", "No."], {}, protocol="Protocol: two.")
    assert lost.winner != "LSTM"
    assert "A baseline wins" in lost.verdict
    assert "source copied" in str(lost)


def test_a_tie_goes_to_the_network():
    tie = compare(TRUTH, TRUTH, TRUTH, {}, protocol="Protocol: two.")
    assert tie.winner == "LSTM"
    assert "ties with" in tie.verdict


def test_an_evaluation_as_data_has_definitions_and_signatures():
    found = compare(TRUTH, TRUTH, TRUTH, {}, protocol="Protocol: two.", notes=["N."])
    document = found.as_dict()
    assert set(document["definitions"]) == {"BLEU", "chrF"}
    assert "case:mixed" in found.metrics["BLEU"].signature
    assert document["notes"][0] == "N."
    assert any("nrefs:1" in note for note in document["notes"])
