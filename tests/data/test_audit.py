"""The audit: counts that add up, and a summary that can be gone on from."""

from __future__ import annotations

import json
from typing import Any

from headstart.data.audit import Audit
from headstart.data.audit_page import AuditPage


def filled() -> Audit:
    audit = Audit()
    audit.keep("a", 5)
    audit.keep("b", 2)
    audit.blank, audit.duplicates = 3, 1
    audit.quarantine("a:7", "it is bad")
    audit.notes.append("something was not looked at.")
    audit.findings["languages"] = {"en": 7}
    return audit


def test_a_summary_can_be_written_and_gone_on_from() -> None:
    summary = json.loads(json.dumps(filled().summary()))
    assert Audit.of(summary).summary() == summary
    assert (summary["kept"], summary["quarantine"], summary["languages"]) == (7, 1, {"en": 7})


def test_what_is_found_later_is_added_to_what_is_known() -> None:
    audit = Audit.of(filled().summary())
    audit.quarantine("a:9", "it is bad")
    audit.quarantine("b:1", "it is worse")
    summary = audit.summary()
    assert summary["reasons"] == {"it is bad": 2, "it is worse": 1}
    assert [row["where"] for row in summary["records"]] == ["a:7", "a:9", "b:1"]
    assert summary["languages"] == {"en": 7}


def test_going_on_leaves_the_first_summary_alone() -> None:
    first = filled().summary()
    again = Audit.of(first)
    again.quarantine("x", "late")
    again.notes.append("late")
    assert len(first["records"]) == len(first["notes"]) == 1


def test_only_so_many_are_named_and_all_are_counted() -> None:
    audit = Audit(examples=2)
    for number in range(5):
        audit.quarantine(f"a:{number}", "it is bad")
    assert (audit.quarantined, len(audit.summary()["records"])) == (5, 2)


def test_two_readings_add_up() -> None:
    audit = filled()
    audit.merge(filled())
    assert (audit.kept, audit.blank, audit.duplicates, audit.quarantined) == (14, 6, 2, 2)
    assert audit.sources == {"a": 10, "b": 4}


def test_a_record_that_is_dropped_is_no_longer_kept() -> None:
    audit = filled()
    audit.drop("a:1", "it also occurs in t", "overlap")
    audit.drop("a:2", "it also occurs in t", "overlap")
    summary = audit.summary()
    assert (summary["kept"], summary["removed"]) == (5, {"overlap": 2})
    assert summary["reasons"]["it also occurs in t"] == 2


def test_what_was_set_aside_is_named_and_told_as_a_share_above_a_hundredth() -> None:
    audit = Audit()
    audit.keep("a", 996)
    for number in range(4):
        audit.quarantine(f"a:{number}", "it is bad")
    said = audit.sentences()[0]
    assert said == "4 records were set aside: 4 it is bad (a:0, a:1, a:2, ...)"
    assert AuditPage(page_of(audit)).headline().startswith("None of 996 texts")
    for number in range(96):
        audit.quarantine(f"b:{number}", "it is worse")
    said = audit.sentences()[0]
    assert said.startswith("100 records were set aside (9.1% of all): 96 it is worse, 4 it is bad")
    assert AuditPage(page_of(audit)).headline().startswith(said)


def page_of(audit: Audit) -> dict[str, Any]:
    return {"noun": "texts", "near_duplicates": {"count": 0}, **audit.summary()}
