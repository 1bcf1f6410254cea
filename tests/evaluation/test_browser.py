"""The report in a real browser: silent, self-contained, readable, and it answers a finger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import (
    HOSTILE,
    made_images,
    made_perplexity,
    made_results,
    made_run,
    made_texts,
)

from headstart.evaluation.report import Report
from headstart.evaluation.report.perplexity import write_perplexity

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed; pip install playwright"
)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH")

CLASSES = ["cats", "dogs", "owls", HOSTILE]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

#: Returns [contrast, text] of every text below the ratio that WCAG 2.2 (1.4.3) asks for.
FAINT = """() => {
  const parse = text => {
    const found = text.match(/[\\d.]+/g).map(Number);
    return found.length > 3 ? found : [...found, 1];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = colour => {
    const [r, g, b] = colour.slice(0, 3).map(x => x / 255)
      .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = node => {
    const layers = [];
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some(x => x.nodeType === 3 && x.textContent.trim());
    if (!own || node.closest("script, title, defs") || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const ground = behind(node.closest("svg")?.parentElement ?? node);
    const ink = over(parse(node.namespaceURI.includes("svg") ? style.fill : style.color), ground);
    const [high, low] = [light(ink), light(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) faint.push([ratio, node.textContent.slice(0, 40)]);
  }
  return faint;
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    keys = ("effective_rank", "alignment", "uniformity", "spread")
    rows: list[dict[str, Any]] = [
        {
            "step": step,
            "loss": 5 - step / 50,
            "validation_loss": 5 - step / 60,
            **dict.fromkeys(keys, 2.0 + step),
            "clock": {"seconds": step, "cpu_seconds": step, "peak_memory": 1e9},
        }
        for step in range(100)
    ]
    rows.append({"step": 60, "alarm": {"kind": "plateau", "message": "The loss stands still."}})
    audits = {
        "train": {
            "kept": 60,
            "records": [{"where": "x" * 300, "reason": HOSTILE}],
            "overlap": {"exact": 1, "near": 0, "examples": [["a" * 90, "b"]]},
        }
    }
    samples, truth = made_texts(CLASSES)
    report = Report(
        made_results(CLASSES, truth),
        run=made_run(folder / "run", rows),
        command="headstart evaluate " + "a-long-name/" * 30,
        versions={"headstart": "1.0"},
        audits=audits,
        notes=["A note."],
        samples=samples,
    )
    report.write(folder / "report.html")
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """Open an address; afterwards, nothing may have been complained of or asked for."""
    contexts: list[Any] = []
    troubles: list[str] = []
    requested: list[str] = []

    def opened(address: str, **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        page.on("request", lambda request: requested.append(request.url))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []
    assert requested
    assert {url.partition(":")[0] for url in requested} <= {"file", "data"}


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_nothing_is_wider_than_the_screen(visit: Any, address: str, width: int) -> None:
    page = visit(address, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_pointing_at_a_mark_shows_its_record(visit: Any, address: str) -> None:
    page = visit(address, viewport=WIDE)
    mark = page.locator(".dot").nth(7)
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    text = page.locator(".card").inner_text()
    assert "predicted" in text
    assert "about" in text
    assert "Point at a mark" not in text
    assert page.locator(".card script").count() == 0


def test_a_tap_on_a_phone_shows_the_record_near_it(visit: Any, address: str) -> None:
    page = visit(address, viewport=PHONE, has_touch=True, is_mobile=True)
    drawing = page.locator("svg.spots")
    drawing.scroll_into_view_if_needed()
    mark = page.locator(".dot").first.bounding_box()
    page.touchscreen.tap(mark["x"] + 9, mark["y"] + 2)  # beside it, as fingers do
    assert "predicted" in page.locator(".card").inner_text()
    assert page.locator(".dot.chosen").count() == 1


def test_the_arrow_keys_walk_over_the_map(visit: Any, address: str) -> None:
    page = visit(address, viewport=WIDE)
    page.locator("svg.spots").focus()
    seen = []
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        seen.append(page.locator(".card").inner_text())
    assert len(set(seen)) == 3


def test_a_key_picks_one_group_out(visit: Any, address: str) -> None:
    page = visit(address, viewport=WIDE)
    page.locator("button.key").nth(1).click()
    assert page.locator(".dot.dim").count() == 45
    assert page.locator("button.key[aria-pressed=true]").count() == 1
    page.locator("button.key").nth(1).click()
    assert page.locator(".dot.dim").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_all_words_stand_out_from_their_ground(
    visit: Any, address: str, scheme: str, viewport: dict[str, int]
) -> None:
    page = visit(address, viewport=viewport, color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.evaluate("document.querySelectorAll('details').forEach(x => { x.open = true })")
    assert page.evaluate(FAINT) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_page_of_a_language_model_can_be_read(
    visit: Any, tmp_path: Path, scheme: str, viewport: dict[str, int]
) -> None:
    out = tmp_path / "page.html"
    run = made_run(tmp_path / "run", [{"step": n, "loss": 5 - n / 9} for n in range(9)])
    write_perplexity(made_perplexity(-0.4), out, run=run, command="x", versions={}, audits={})
    page = visit(out.as_uri(), viewport=viewport, color_scheme=scheme)
    assert page.evaluate(FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shades = [span.evaluate("x => getComputedStyle(x).backgroundColor") for span in spans(page)]
    assert len(set(shades)) == 3


def spans(page: Any) -> list[Any]:
    """Return the pieces of a text whose surprise is drawn."""
    return list(page.locator("p.surprises span").all())


def test_without_scripts_the_page_shows_the_same(visit: Any, address: str) -> None:
    page = visit(address, viewport=WIDE, java_script_enabled=False)
    assert page.locator(".dot > title").count() == 60
    assert page.locator("h2").count() >= 10


def test_thumbnails_are_displayed_for_images(visit: Any, tmp_path: Path) -> None:
    samples, truth = made_images(["a", "b"], 24, 32)
    Report(made_results(["a", "b"], truth), samples=samples).write(tmp_path / "report.html")
    page = visit((tmp_path / "report.html").as_uri(), viewport=WIDE)
    page.locator("svg.spots").focus()
    page.keyboard.press("ArrowRight")
    image = page.locator(".card img")
    image.wait_for()
    assert image.evaluate("x => x.decode().then(() => x.naturalWidth)") == 48
    widths = page.locator("img.thumb").evaluate_all(
        "all => Promise.all(all.map(x => x.decode().then(() => x.naturalWidth)))"
    )
    assert len(widths) >= 36
    assert np.all(np.array(widths) == 72)


def test_all_is_there_on_paper(visit: Any, address: str) -> None:
    page = visit(address, viewport=WIDE)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator("svg.wide").first.is_visible()
    assert len(page.pdf()) > 10_000
