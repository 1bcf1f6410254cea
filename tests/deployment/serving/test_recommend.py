"""``/recommend``: for a history, and for a user whom the run knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import headstart as hs


def test_a_user_of_the_run_is_recommended_to_and_others_are_not_named(
    serve: Any, tmp_path: Path
) -> None:
    lines = ["user_id,item_id,timestamp"]
    for user in range(24):
        lines += [f"u{user},i{(user + time) % 8},{time}" for time in range(5)]
    (tmp_path / "events.csv").write_text("\n".join(lines) + "\n")
    small = {"width": 8, "layers": 1, "heads": 2}
    out = tmp_path / "shop"
    hs.pretrain(
        tmp_path / "events.csv", out=out, budget="2steps", tracker="none", encoder_options=small
    )
    with serve(str(out)) as asker:
        status, known = asker.post("/recommend", user="u3", count=3)
        assert status == 200, known
        assert len(known["recommendations"]) == 3
        _, typed = asker.post("/recommend", history=["i3", "i4", "i5", "i6", "i7"], count=3)
        items = [[row["item"] for row in each["recommendations"]] for each in (known, typed)]
        assert items[0] == items[1]
        status, message = asker.fault("/recommend", user="u99")
        assert (status, message) == (422, "'shop' does not know this 'user'.")
        for body in ({}, {"user": "u3", "history": ["i1"]}):
            assert "give one of" in asker.fault("/recommend", **body)[1]
        assert asker.fault("/recommend", user=" ")[0] == 422
        assert asker.fault("/recommend", user="u" * 100_000)[0] == 422
        for body in ({"user": "u\x003"}, {"history": ["i\x003"]}, {"history": ["i3", " "]}):
            status, message = asker.fault("/recommend", **body)
            assert (status, str(tmp_path) in message) == (422, False), message
    (tmp_path / "events.csv").unlink()
    with serve(str(out)) as asker:
        status, message = asker.fault("/recommend", user="u3")
        assert status in (422, 503), message
        assert str(tmp_path) not in message
        assert asker.post("/recommend", history=["i3"])[0] == 200
