"""The page to try the model, in a real browser.

`SCREENSHOTS=docs/images python -m pytest -n0 tests/serving/test_page.py -k bars` takes the picture of the README.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from browser import Browser, start_browser
from builders import write_models
from services import Service, change_model, serve
from workspaces import Workspace

pytestmark = pytest.mark.slow
TEXT = "The final tennis tournament starts next week."
BARS = """
return [...document.querySelectorAll('#classes li')].map(row =>
    [row.querySelector('.name').innerText, row.querySelector('.bar').getBoundingClientRect().width /
        row.querySelector('.track').clientWidth]);
"""
WORDS = """
return [...document.querySelectorAll('#words li')].map(item => {
    const [word, weight] = item.innerText.split(/\\s+/);
    return [word, weight, item.className, getComputedStyle(item).backgroundColor];
});
"""
SHOWS = "return !document.querySelector('#answer').hidden"
FOCUS = "return document.activeElement.id"
REQUESTS = "return performance.getEntriesByType('resource').map(entry => entry.name)"
WIDTH = "return document.documentElement.scrollWidth"
COLOURS = """
return [document.body, document.querySelector('.soft')].flatMap(element =>
    [getComputedStyle(document.body).backgroundColor, getComputedStyle(element).color]
        .map(colour => colour.match(/\\d+/g).map(Number)));
"""


@pytest.fixture(scope="module")
def service(reproduced: Workspace) -> Iterator[Service]:
    with serve(reproduced.path / "models") as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_browser(760, 640) as browser:
        yield browser


def press(browser: Browser, *keys: str) -> None:
    """Press keys, wherever the page has put the focus."""
    ActionChains(browser.driver).send_keys(*keys).perform()


def type_text(browser: Browser, service: Service, text: str) -> None:
    """Open the page and type, without a mouse; wait for the words."""
    browser.open(f"{service.address}/")
    browser.wait(FOCUS, "text".__eq__)
    press(browser, text)
    words = len(service.ask("/explain", text=text).json()["words"])
    browser.wait(WORDS, lambda shown: len(shown) == words)


def test_bars_and_words_show_while_one_types(browser: Browser, service: Service) -> None:
    type_text(browser, service, TEXT)
    browser.keep("serve")
    answer = service.ask("/explain", text=TEXT).json()
    bars = browser.run(BARS)
    assert bars[0][0] == answer["prediction"] == "Sports"
    for name, share in bars:
        assert share == pytest.approx(answer["probabilities"][name], abs=0.01)
    shown = browser.run(WORDS)
    for (word, weight, side, colour), item in zip(shown, answer["words"], strict=True):
        assert (word, float(weight.replace("−", "-"))) == (item["word"], pytest.approx(item["weight"], abs=1e-4))
        assert side == ("" if abs(item["weight"]) < 0.005 else "for" if item["weight"] > 0 else "against")
        assert (colour == "rgba(0, 0, 0, 0)") is (side == "")
    assert "for" in {side for *_, side, _ in shown}
    asked = browser.run(REQUESTS)
    assert f"{service.address}/explain" in asked
    assert [name for name in asked if not name.startswith((service.address, "data:"))] == []


def test_it_works_by_keyboard(browser: Browser, service: Service) -> None:
    type_text(browser, service, TEXT)
    press(browser, Keys.TAB)
    assert browser.run(FOCUS) == "clear"
    press(browser, Keys.ENTER)
    browser.wait(SHOWS, lambda shows: not shows)
    assert browser.run(FOCUS) == "text"
    press(browser, "???")
    browser.wait_for("This text has no words that the model reads.")


def test_markup_stays_a_text(browser: Browser, tmp_path: Path) -> None:
    names = ["<img src=x onerror='document.title = 1'>", "<b>Sport</b>"]
    with serve(change_model(write_models(tmp_path / "models"), names)) as service:
        type_text(browser, service, "team &lt;b&gt; wins")
        assert {name for name, _ in browser.run(BARS)} == set(names)
        assert browser.run("return [document.images.length, document.querySelectorAll('b').length]") == [0, 0]
        assert browser.driver.title == "unroll: try the model"


def test_on_the_width_of_a_phone_nothing_is_cut(browser: Browser, service: Service) -> None:
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    type_text(browser, service, f"{TEXT} {'supercalifragilistic' * 5}")
    browser.keep("serve-phone")
    assert browser.run(WIDTH) == 360


def compute_contrast(one: list[int], other: list[int]) -> float:
    """Return the ratio of two colours' luminances, as WCAG 2 defines it."""
    lights = []
    for colour in (one, other):
        parts = [value / 255 for value in colour[:3]]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
        lights.append(sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize(("scheme", "page"), [("light", [255, 255, 255]), ("dark", [21, 23, 26])])
def test_it_is_readable_in_dark_and_light(browser: Browser, service: Service, scheme: str, page: list[int]) -> None:
    features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    type_text(browser, service, TEXT)
    browser.keep(f"serve-{scheme}")
    ground, ink, same, soft = browser.run(COLOURS)
    assert ground == same == page
    assert compute_contrast(ground, ink) > 7 and compute_contrast(ground, soft) > 4.5
