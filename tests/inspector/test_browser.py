"""The page in a real browser: nothing is fetched, nothing overflows, everything can be read."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from cellstate.inspector import write_page
from cellstate.tasks.sections import Story
from tests.inspector import stories

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)
LEAST_CONTRAST = 4.5  # WCAG 2.1, level AA, for text of any size

# Each text's contrast with what lies behind it, painted on a canvas to resolve every colour form.
CONTRAST = """
() => {
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    pen.clearRect(0, 0, 1, 1);
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb
    .map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    const words = walk.currentNode.textContent.trim();
    if (!words || node.closest("script, style, svg, .unseen, .skip")) continue;
    const grounds = [];
    for (let up = node; up; up = up.parentElement) {
      grounds.unshift(getComputedStyle(up).backgroundColor);
    }
    const back = over(["white", ...grounds]);
    const front = over([`rgb(${back})`, getComputedStyle(node).color]);
    const [a, b] = [light(back), light(front)].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), words.slice(0, 40)]);
  }
  return found;
}
"""
OVERFLOW = """
() => document.documentElement.scrollWidth - document.documentElement.clientWidth
"""


@dataclass
class Visit:
    """A page that was opened, with all that went wrong in it."""

    page: object
    troubles: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs a browser: none of {', '.join(NAMES)} is installed")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def visit(browser, folder, request):
    """Open a story at a width and a colour scheme; fail on any console message or request."""
    visits: list[Visit] = []

    def opened(story: Story, width: int = 1600, scheme: str = "light", **options) -> object:
        page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        seen = Visit(page)
        page.on("console", lambda message: seen.troubles.append(message.text))
        page.on("pageerror", lambda error: seen.troubles.append(str(error)))
        page.on("dialog", lambda dialog: seen.troubles.append(dialog.message))
        page.on("request", lambda sent: seen.requests.append(sent.url))
        target = write_page(story, folder / "page.html")
        page.goto(target.as_uri())
        visits.append(seen)
        return page

    yield opened
    for seen in visits:
        seen.page.close()
        assert seen.troubles == []
        assert [url for url in seen.requests if not url.startswith("data:")] == [
            (folder / "page.html").as_uri()
        ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_page_fits_and_can_be_read(visit, width, scheme):
    page = visit(stories.climate(), width, scheme)
    assert page.evaluate(OVERFLOW) == 0
    for details in page.locator("details").all():
        details.evaluate("node => { node.open = true; }")
    assert page.evaluate(OVERFLOW) == 0
    contrasts = page.evaluate(CONTRAST)
    assert len(contrasts) > 300
    assert [(words, ratio) for ratio, words in contrasts if ratio < LEAST_CONTRAST] == []
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('main *')]"
        ".map((node) => parseFloat(getComputedStyle(node).fontSize))"
    )
    assert min(sizes) >= 11.5


def test_no_width_scrolls_sideways(visit):
    page = visit(stories.hostile("a_name_without_any_place_to_break_" * 5))
    for width in (320, 400, 700, 1000, 1151, 1153, 1600, 2400):
        page.set_viewport_size({"width": width, "height": 900})
        assert (width, page.evaluate(OVERFLOW)) == (width, 0)


def test_hostile_names_run_nothing(visit):
    page = visit(stories.hostile())
    assert "alert(1)" in page.locator("h1").inner_text()
    assert page.locator("img[src=x]").count() == 0


def test_any_values_can_be_looked_at(visit):
    parts = [
        dataclasses.replace(section, title=f"{section.title}: {name}")
        for name, values in stories.HARD_VALUES.items()
        for section in stories.with_values(np.array(values)).sections
    ]
    page = visit(Story("Hard values", "", tuple(parts)), 400)
    assert page.evaluate(OVERFLOW) == 0
    for reader in page.locator(".reader").all()[::5]:
        reader.focus()
        page.keyboard.press("End")


def test_crosshair_reads_values_and_dates(visit):
    page = visit(stories.climate())
    plot = page.locator(".panel .plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 60)
    tip = plot.locator(".tip")
    words = tip.inner_text()
    assert "2001" in words
    for name in ("truth", "forecast", "80 %", "95 %"):
        assert name in words
    assert plot.locator(".bead:visible").count() == 2
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 60)
    assert "past" in tip.inner_text()
    page.mouse.move(5, 5)
    assert not tip.is_visible()


def test_crosshair_never_leaves_the_window(visit):
    page = visit(stories.climate(), 400)
    for share in (0.02, 0.5, 0.98):
        plot = page.locator(".panel .plot").first
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + 50)
        tip = plot.locator(".tip").bounding_box()
        assert tip["x"] >= 0
        assert tip["x"] + tip["width"] <= 400
        assert page.evaluate(OVERFLOW) == 0


def test_crosshair_obeys_the_keyboard(visit):
    page = visit(stories.climate())
    reader = page.locator(".kind-lines .reader")
    reader.focus()
    page.keyboard.press("End")
    assert reader.get_attribute("aria-valuenow") == "59"
    assert "epoch 60" in reader.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    assert "epoch 59" in reader.get_attribute("aria-valuetext")
    page.keyboard.press("Home")
    assert "epoch 1," in reader.get_attribute("aria-valuetext")
    page.keyboard.press("Escape")
    assert not page.locator(".kind-lines .tip").is_visible()


def test_gates_share_one_crosshair(visit):
    page = visit(stories.climate())
    heat = page.locator(".strip-heat .plot").first
    heat.scroll_into_view_if_needed()
    box = heat.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 3)
    words = heat.locator(".tip").inner_text()
    assert "Mar 2024, 23:00" in words
    assert "unit" in words
    assert page.locator(".gates .hair:visible").count() == 11  # the signal, five gates, five means
    assert page.locator(".gates .tip:visible").count() == 1


def test_touch_reads_values_too(visit):
    page = visit(stories.climate(), 400, has_touch=True)
    plot = page.locator(".kind-histogram .plot")
    plot.scroll_into_view_if_needed()
    plot.tap()
    assert "count" in plot.locator(".tip").inner_text()


def test_command_is_copied(visit):
    page = visit(stories.climate(), permissions=["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="Copy")
    button.click()
    page.wait_for_function("() => document.querySelector('.copy').textContent === 'Copied'")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == "cellstate fit forecast climate.parquet --horizon 24"


def test_contents_follow_the_reader(visit):
    page = visit(stories.climate())
    page.locator(".contents a", has_text="What the gates did").click()
    current = page.locator(".contents [aria-current]")
    page.wait_for_function(
        "() => document.querySelector('.contents [aria-current]').textContent.includes('gates')"
    )
    assert current.count() == 1
    box = page.locator(".contents").bounding_box()
    assert 0 <= box["y"] < 200  # it stays in sight


def test_page_is_whole_without_its_script(visit):
    page = visit(stories.climate(), java_script_enabled=False)
    assert page.locator(".kind-forecasts .panel svg .point").count() == 3
    assert page.locator(".x span:visible").count() > 20
    assert page.locator("summary").first.is_visible()


def test_page_prints_on_white(visit):
    page = visit(stories.climate(), 800, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    paper = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(252, 251, 248)"
    assert not page.locator(".copy").is_visible()
