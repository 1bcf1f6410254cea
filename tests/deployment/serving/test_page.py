"""The page in a real browser: it asks the server, loads nothing else, and fits a phone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed; pip install playwright"
)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH")


@pytest.mark.parametrize("width", [390, 1280])
def test_runs_are_tried_in_a_browser_of_any_width(served, tmp_path: Path, width: int) -> None:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (20, 20), "red").save(picture)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800})
        faults, elsewhere = list[str](), list[str]()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda told: faults.append(told.text))
        page.on("request", lambda sent: elsewhere.append(sent.url))
        own = f"http://localhost:{served.port}"
        page.goto(own)

        def press(model: str, button: str, awaited: str) -> Any:
            page.select_option("#model", model)
            if model == "pictures":
                page.set_input_files("#file", str(picture))
            else:
                page.fill("#typed", "the sly <b>song</b> was awful")
            page.click(f"#actions >> text={button}")
            return page.wait_for_selector(f"#answer {awaited}", timeout=60_000)

        press("labels", "Predict", ".shares")
        assert "%" in page.text_content("#answer")
        press("labels", "Explain", ".weighed")
        assert "<b>song</b>" in page.text_content("#answer")
        assert len(page.query_selector_all(".near li")) == 0
        press("words", "Nearest", ".near")
        assert len(page.query_selector_all(".near li")) == 8
        press("pictures", "Embed", ".vector")
        press("writer", "Write on", ".written")
        page.wait_for_selector("#status:has-text('Write on: ')", timeout=60_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.goto(f"{own}/docs")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
    assert faults == []
    assert {url for url in elsewhere if not url.startswith((own, "data:", "blob:"))} == set()
