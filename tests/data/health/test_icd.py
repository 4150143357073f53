"""Codes of both revisions: forms, categories, chapters and ancestors."""

from itertools import pairwise

import pytest

from cellstate.data.health import icd
from cellstate.data.health.icd_chapters import CHAPTERS
from cellstate.errors import InputError


@pytest.mark.parametrize(
    ("code", "version", "kind", "category", "key"),
    [
        ("I50.23", 10, "DX", "I50", "circulatory"),
        ("c4a.9", 10, "DX", "C4A", "neoplasms"),
        ("D49.9", 10, "DX", "D49", "neoplasms"),
        ("D50", 10, "DX", "D50", "blood"),
        ("H59.9", 10, "DX", "H59", "eye"),
        ("H60", 10, "DX", "H60", "ear"),
        ("T88.9XXA", 10, "DX", "T88", "injury"),
        ("V00.1", 10, "DX", "V00", "external"),
        ("O9A.2", 10, "DX", "O9A", "pregnancy"),
        ("Z99.81", 10, "DX", "Z99", "factors"),
        ("001.9", 9, "DX", "001", "infectious"),
        ("4139", 9, "DX", "413", "circulatory"),
        ("V707", 9, "DX", "V70", "factors"),
        ("E849.0", 9, "DX", "E849", "external"),
        ("999", 9, "DX", "999", "injury"),
        ("3961", 9, "PX", "39", "circulatory"),
        ("00.66", 9, "PX", "00", "unclassified"),
        ("0BH17EZ", 10, "PX", "0BH", "surgical"),
        ("XW03321", 10, "PX", "XW0", "technology"),
    ],
)
def test_a_code_has_its_category_and_its_chapter(code, version, kind, category, key):
    assert icd.category(code, version, kind) == category
    found = icd.chapter(code, version, kind)
    assert found is not None
    assert found.key == key
    written = icd.prefixed(code, version, kind)
    chain = icd.ancestors(written)
    assert chain[0] == f"{kind}:{key}"
    assert chain[1] == f"{kind}{version}:{category}"
    assert chain[-1] == written


@pytest.mark.parametrize(
    ("code", "version", "kind"),
    [
        ("I50", 9, "DX"),
        ("428", 10, "DX"),
        ("", 10, "DX"),
        ("I5", 10, "DX"),
        ("I50.12345", 10, "DX"),
        ("0BH17E", 10, "PX"),
        ("0BI17EZ", 10, "PX"),
        ("39611", 9, "PX"),
        ("I50", 11, "DX"),
        ("I50", 10, "RX"),
    ],
)
def test_what_is_no_code_is_refused(code, version, kind):
    assert not icd.is_code(code, version, kind)
    with pytest.raises(InputError, match="icd: a code must be one of"):
        icd.normalise(code, version, kind)


def test_normalising_twice_changes_nothing():
    for code, version, kind in (("i50.23", 10, "DX"), ("e849.0", 9, "DX"), ("39.61", 9, "PX")):
        once = icd.normalise(code, version, kind)
        assert icd.normalise(once, version, kind) == once
        assert icd.normalise(icd.dotted(once, version, kind), version, kind) == once


@pytest.mark.parametrize("key", CHAPTERS, ids=str)
def test_chapters_are_in_order_and_do_not_overlap(key):
    chapters = [one for one in CHAPTERS[key] if not one.first.startswith(("E0", "V0"))]
    chapters = CHAPTERS[key] if key != ("DX", 9) else chapters
    for before, after in pairwise(chapters):
        assert before.first <= before.last < after.first


def test_both_revisions_share_their_chapters():
    old, new = icd.ancestors("DX9:428"), icd.ancestors("DX10:I50")
    assert old[0] == new[0] == "DX:circulatory"
    assert icd.title("DX:circulatory") == "Diseases of the circulatory system"


def test_a_rolled_up_code_is_its_own_category():
    assert icd.ancestors("DX10:I50") == ("DX:circulatory", "DX10:I50")
    assert icd.prefixed("I50.23", "10", roll_up=True) == "DX10:I50"


@pytest.mark.parametrize("version", ["ten", None, 8])
def test_a_revision_is_nine_or_ten(version):
    with pytest.raises(InputError, match="the revision must be 9 or 10"):
        icd.prefixed("I50", version)


def test_other_codes_have_a_kind_and_no_hierarchy():
    assert icd.ancestors("RX:sodium chloride: 0.9%") == ("RX", "RX:sodium chloride: 0.9%")
    assert icd.ancestors("DX10:nonsense") == ("DX10", "DX10:nonsense")
    assert icd.ancestors("alone") == ("alone",)
