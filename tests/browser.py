"""A real browser, for tests of pages."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.ui import WebDriverWait

SECONDS_TO_SHOW = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
TEXT = "return document.body.innerText.replace(/[ \\n\\t]+/g, ' ')"
# What a person dismisses once: MLflow's pages for language models, its assistant and its news.
MLFLOW_CHOICES = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.panelOpen_v1": "false",
    "mlflow.telemetry.info.alert.dismissed_v1": "true",
    "mlflow.settings.telemetry.enabled_v1": "false",
}


@dataclass(frozen=True)
class Browser:
    """Headless Chromium."""

    driver: webdriver.Chrome

    def open(self, address: str) -> None:
        """Load a page from scratch, even if its address differs from the previous one only after the #."""
        self.driver.get("about:blank")
        self.driver.get(address)

    def run(self, script: str) -> Any:
        """Return what the body of a JavaScript function returns in the page."""
        return self.driver.execute_script(script)

    def wait(self, script: str, is_there: Callable[[Any], bool] = bool) -> Any:
        """Run the script again and again until the page shows what is looked for; return it."""
        seen: list[Any] = []

        def look(_: webdriver.Chrome) -> bool:
            seen.append(self.run(script))
            return is_there(seen[-1])

        try:
            WebDriverWait(self.driver, SECONDS_TO_SHOW).until(look)
        except TimeoutException:
            pytest.fail(f"the page never showed it; {script!r} gave {seen[-1]!r}; text: {self.read_text()[:1000]}")
        return seen[-1]

    def wait_for(self, *texts: str) -> str:
        """Wait until the page shows all the texts; return all of its text, in one line."""
        return self.wait(TEXT, lambda shown: all(text in shown for text in texts))

    def read_text(self) -> str:
        return self.run(TEXT)

    def keep(self, name: str) -> None:
        """Keep a picture of the page, in the folder SCREENSHOTS if that is set."""
        if folder := os.environ.get("SCREENSHOTS"):
            self.driver.save_screenshot(str(Path(folder) / f"{name}.png"))


@contextmanager
def start_browser(width: int, height: int) -> Iterator[Browser]:
    """Start Chromium; if it is missing, skip the test, but fail it in CI, where it has to be there."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not program or not driver:
        missing = "Chromium and chromedriver are not installed (on Debian: apt-get install chromium chromium-driver)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--window-size={width},{height}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        choices = json.dumps(MLFLOW_CHOICES)
        script = f"if (location.protocol == 'http:') Object.assign(localStorage, {choices})"
        chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        yield Browser(chrome)
    finally:
        chrome.quit()
