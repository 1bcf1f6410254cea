"""What the parts of the package promise, each alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset

from headstart.seeding import generator


def records(*series: list[float]) -> Dataset:
    return Dataset.from_dict({"id": [str(n) for n in range(len(series))], "series": list(series)})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1 2 3 4 5 6 7 8", None),
        ([1, 2, 3, 4, 5, 6, 7, 8.5], None),
        (None, None),
        ("1 2 3", "it has 3 readings, and 8 are the fewest"),
        ("1 2 3 4 5 6 7 up", "its readings are not all numbers"),
        (7.0, "its readings are not all numbers"),
        ("1 2 3 4 5 6 7 nan", "not all of its readings are finite"),
    ],
)
def test_what_is_no_series_says_why(value: object, reason: str | None) -> None:
    from headstart_sensors.content import parse

    series, told = parse(value)
    assert told == reason
    assert (series is None) == (reason is not None or value is None)


def test_equal_readings_have_equal_digests() -> None:
    from headstart_sensors.content import SERIES

    first = records([1.0, 2.0], [1.0, 2.5], [1.0, 2.0])
    one, other, same = SERIES.digests(first)
    assert one == same != other
    assert SERIES.count_repeats(first, None) == 1
    assert list(SERIES.find_matches(first, records([1.0, 2.5]), [], False)) == [(1, 0, True)]


def test_series_are_brought_to_one_length() -> None:
    from headstart_sensors.readings import even

    np.testing.assert_allclose(even([[0, 1, 2], [0, 2]], 3), [[0, 1, 2], [0, 1, 2]])


@pytest.mark.parametrize("kind", ["auto", "jitter", "scaling", "crop"])
def test_a_view_keeps_the_shape_and_follows_from_the_generator(kind: str) -> None:
    from headstart_sensors.views import VIEWS

    series = torch.randn(4, 2, 32, generator=generator(0))
    view = VIEWS[kind](series, generator(1))
    assert view.shape == series.shape
    assert torch.equal(view, VIEWS[kind](series, generator(1)))
    assert not torch.equal(view, VIEWS[kind](series, generator(2)))


def test_a_crop_of_a_line_is_a_flatter_line_within_it() -> None:
    from headstart_sensors.views import crop

    line = torch.linspace(0, 1, 33)[None, None]
    view = crop(line, generator(0))[0, 0]
    steps = view.diff()
    torch.testing.assert_close(steps, steps.mean().expand_as(steps), atol=1e-5, rtol=0)
    assert 0 <= view.min() < view.max() <= 1


def test_lost_readings_repeat_the_one_before() -> None:
    from headstart_sensors.corruptions import dropout

    readings = [float(n) for n in range(100)]
    found = dropout(readings, 3, np.random.default_rng(0))
    assert found[0] == 0.0
    rows = zip(readings[1:], found[1:], found[:-1], strict=True)
    assert all(new in (old, before) for old, new, before in rows)
    assert 10 < sum(new != old for old, new in zip(readings, found, strict=True)) < 50


def test_the_loss_counts_masked_readings_alone() -> None:
    from headstart_sensors.encoder import SeriesConv, SeriesConvOptions
    from headstart_sensors.objective import MaskedReadings, MaskedReadingsOptions

    encoder = SeriesConv(SeriesConvOptions(width=16)).eval()
    objective = MaskedReadings(encoder, None, MaskedReadingsOptions(mask_ratio=0.5, span=4))
    corrupted = objective.corrupt({"series": torch.randn(3, 1, 30)}, generator(0))
    masked = corrupted["masked"]
    assert masked.float().mean() == pytest.approx(0.5, abs=0.1)
    assert not corrupted["series"][masked].any()
    loss = objective(corrupted)["loss"]
    corrupted["original"] = corrupted["original"] + 100.0 * ~masked
    torch.testing.assert_close(objective(corrupted)["loss"], loss)


def test_an_encoder_is_saved_and_opened(tmp_path) -> None:
    from headstart_sensors.encoder import SeriesConv, SeriesConvOptions

    encoder = SeriesConv(SeriesConvOptions(width=16)).eval()
    encoder.save(tmp_path)
    batch = {"series": torch.randn(2, 1, 32)}
    opened = SeriesConv.load(tmp_path).eval()
    torch.testing.assert_close(opened.pool(batch), encoder(batch).pooled)
    assert encoder(batch).tokens.shape == (2, 32 // SeriesConv.step, 16)
    assert len(encoder.layers()) == 3
