"""The page of a recommendation: what stands on it, and which options are used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart.downstream.interactions.measuring import by_popularity
from headstart.downstream.interactions.page import MEASURES
from headstart.errors import HeadstartError

SMALL: dict[str, Any] = {
    "budget": "3steps",
    "tracker": "none",
    "batch_size": 16,
    "encoder_options": {"width": 16, "layers": 1, "heads": 2},
}


@pytest.fixture(scope="module")
def judged(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, str]:
    """Plain values, the page, and what was printed, of an evaluation beside another run."""
    folder = tmp_path_factory.mktemp("judged")
    other = folder / "other"
    shutil.copytree(run, other)
    report = hs.evaluate(
        str(run),
        out=str(folder / "report.html"),
        alternatives_budget="3s",
        against=[str(other)],
        settings=["next_item.fit=validation"],
    )
    return report.to_dict(), (folder / "report.html").read_text(), str(report)


def test_every_part_stands_on_the_page(judged: tuple[dict[str, Any], str, str]) -> None:
    page = judged[1]
    for name in ("next", "ranking", "popularity", "users", "map", "training", "figures", "method"):
        assert f' id="{name}"' in page, name
        assert f'href="#{name}"' in page, name
    for words in MEASURES.values():
        assert words.split(":")[0] in page
    for name in ("HR", "NDCG", "MRR"):
        assert all(f"{name}@{cut}" in page for cut in (5, 10, 20))
    assert "because of" in page
    assert "shuffled" in page
    assert "the network stays as it was trained" in page


def test_the_same_network_of_another_run_differs_in_nothing(
    judged: tuple[dict[str, Any], str, str],
) -> None:
    found, _, printed = judged
    ours, other = (
        next(one for one in found["candidates"] if one["kind"] == kind)
        for kind in ("network", "other")
    )
    assert ours["NDCG@10"] == pytest.approx(other["NDCG@10"])
    assert "+0.0000 [+0.0000, +0.0000]." in printed


def test_what_alternatives_are_fitted_on_is_said(
    judged: tuple[dict[str, Any], str, str],
) -> None:
    found, _, printed = judged
    assert "next_item.fit=validation" in printed
    assert "validate as well" in found["about"]["fitted on"]


def test_other_records_and_other_options_are_refused_beside_it(
    run: Path, bought: Path, tmp_path: Path
) -> None:
    lines = bought.read_text().splitlines()
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("\n".join([lines[0], *lines[40:]]) + "\n")
    hs.pretrain(str(fewer), out=str(tmp_path / "fewer"), **SMALL)
    with pytest.raises(HeadstartError, match="was pre-trained on other records"):
        hs.evaluate(str(run), against=[str(tmp_path / "fewer")], out=str(tmp_path / "r.html"))
    every = {"interactions": {"hold_out": "none"}}
    hs.pretrain(str(bought), out=str(tmp_path / "every"), modality_options=every, **SMALL)
    with pytest.raises(HeadstartError, match=r"interactions\.hold_out=none"):
        hs.evaluate(str(run), against=[str(tmp_path / "every")], out=str(tmp_path / "r.html"))
    with pytest.raises(HeadstartError, match=r"evaluate RUN --against OTHER"):
        hs.compare(str(run), str(tmp_path / "fewer"))


def test_sessions_are_ranked_item_by_item(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["user_id,session_id,item_id,timestamp"]
    for user in range(60):
        for visit in range(4):
            item = int(rng.integers(20))
            for step in range(4):
                rows.append(f"u{user},s{user}-{visit},i{(item + step) % 20},{9 * visit + step}")
    events = tmp_path / "visits.csv"
    events.write_text("\n".join(rows) + "\n")
    by_session = {"interactions": {"hold_out": "session"}}
    hs.pretrain(str(events), out=str(tmp_path / "run"), modality_options=by_session, **SMALL)
    out = str(tmp_path / "r.html")
    found = hs.evaluate(str(tmp_path / "run"), out=out, alternatives_budget="3s").to_dict()
    assert (found["users"], found["unit"], found["tested"]) == (60, "sessions", 180)
    best = max(one["NDCG@10"] for one in found["candidates"] if one["kind"] == "alternative")
    assert best > 0.9  # each next item follows from the last one
    assert "Some sessions" in Path(out).read_text()
    listed = hs.recommend(str(tmp_path / "run"), user="u7", count=2)
    assert listed.to_dict()["recommendations"][0]["user"] == "u7#4"
    assert "1 session, 'u7#4', is the latest of each user" in str(listed)


def test_options_that_are_not_used_are_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hs.evaluate(
        str(run),
        out=str(tmp_path / "r.html"),
        alternatives_budget="1s",
        labels=["10"],
        published=["off"],
        seeds=3,
    )
    said = "".join(capsys.readouterr())
    assert "labels=, published= and seeds= are not used by next_item" in said
    assert "--out" not in said.split("not used")[0]


def test_a_curve_of_popularity_by_hand() -> None:
    counts = np.array([5, 20, 1, 10])
    found = by_popularity(np.array([0, 6, 2, 2]), counts)
    assert found == [(1.0, 0.6), (2.0, 0.8), (3.0, 0.8), (4.0, 1.0)]
    assert by_popularity(np.zeros(4), counts) == []


def test_figures_are_json(judged: tuple[dict[str, Any], str, str]) -> None:
    assert json.loads(json.dumps(judged[0]))["order"]["worth"]["mean"] > 0
