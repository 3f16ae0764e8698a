"""How `make score` counts. `test_recordings.py` has the scores themselves."""

from collections import Counter

import pytest
from score import LABELLED, RULES, Label, Rule, read_labels, score

IDS = [rule.name for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_labels_are_readable_unique_and_have_reasons(rule: Rule) -> None:
    labels = read_labels(rule)
    assert labels
    assert all(label.id and label.reason for label in labels)
    assert all(label.expected for label in labels if label.is_match)
    pairs = [frozenset((label.id, label.expected)) for label in labels]
    assert Counter(pairs).most_common(1)[0][1] == 1
    assert {label.is_match for label in labels} == {True, False}


def test_every_labelled_file_has_a_rule() -> None:
    assert {file.stem for file in LABELLED.glob("*.csv")} == set(IDS)


def test_a_find_is_wrong_if_it_is_labelled_so_or_if_the_record_has_another_value() -> None:
    labels = [
        Label("a", "1", True, "found"),
        Label("b", "2", True, "found as 3"),
        Label("c", "4", False, "a tempting one"),
        Label("d", "", False, "has none"),
        Label("e", "5", True, "not found"),
    ]
    found = {("a", "1"), ("b", "3"), ("c", "4"), ("d", "9"), ("unlabelled", "7")}
    result = score(Rule("values", ""), labels, found)
    assert result.right == 1
    assert result.wrong == (
        "b = 3 (labelled otherwise)",
        "c = 4 (a tempting one)",
        "d = 9 (labelled otherwise)",
    )
    assert result.missed == ("b = 2 (found as 3)", "e = 5 (not found)")
    assert (result.precision, result.recall) == (0.25, 1 / 3)


def test_a_record_with_many_counterparts_may_have_unlabelled_ones() -> None:
    labels = [Label("a", "1", True, "found")]
    result = score(Rule("pairs", "", has_many=True), labels, {("a", "1"), ("a", "2")})
    assert (result.precision, result.recall) == (1.0, 1.0)
