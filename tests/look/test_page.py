"""`unroll data` on a table whose faults are known, and its page in a real browser."""

import csv
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from browser import Browser, start_browser
from unroll.base.files import read_json
from unroll.base.process import run_stage
from unroll.cli.data import describe
from unroll.cli.main import main
from unroll.look.drops import METRICS
from unroll.look.page import render_page
from unroll.look.summary import summarize
from unroll.look.texts import read_splits
from workspaces import ROOT, make_environment

STAGES = ("download", "preprocess", "split")
HOSTILE = "<i>Sports</i> & 'more'"  # the name of a class
ATTACK = '<script>document.title = "owned"</script><img src="http://127.0.0.1:9/x"> gnp\u202etxt \x1b[31mred'
LONG = "unbroken" * 400
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
TABLES = """
const cells = row => [...row.children].map(cell => cell.innerText.trim());
const tables = {};
for (const heading of document.querySelectorAll('h2[id]')) {
    tables[heading.id] = [];
    for (let at = heading.nextElementSibling; at && at.tagName != 'H2'; at = at.nextElementSibling)
        if (at.querySelector('table')) tables[heading.id].push([...at.querySelectorAll('tr')].map(cells));
}
return tables;
"""


def make_tables() -> tuple[list[list[str]], list[list[str]]]:
    """Return training and test rows: text, label. What is wrong with them, the tests say."""
    random = np.random.default_rng(0)
    made = [" ".join("".join(random.choice(LETTERS, 7)) for _ in range(8)) for _ in range(80)]
    train = [[made[number], ("Business", HOSTILE)[number % 2]] for number in range(60)]
    train += [["", "Business"], ["no label", ""], ["???", "Business"]]  # rows 61 to 63
    train += [[ATTACK, "Business"], [ATTACK, "Business"], [ATTACK.upper(), "Business"]]  # 64 to 66, the first is kept
    train += [["two minds", "Business"], ["Two minds!", HOSTILE]]  # 67, 68
    train += [["in both", "Business"]]  # 69
    train += [["ελλάδα " * 6, HOSTILE], [LONG, HOSTILE]]  # 70, 71
    test = [[made[60 + number], ("Business", HOSTILE)[number % 2]] for number in range(20)]
    test += [["in both", "Business"]]  # 21
    test += [[f"{train[number][0]}s", HOSTILE] for number in range(6)]  # 22 to 27, three of them with the other label
    return train, test


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the stages up to split have run on these tables."""
    for name, rows in zip(("train", "test"), make_tables(), strict=True):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["text", "label"], *rows])
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["data"] |= {"dataset": "csv", "file": "train.csv", "test_file": "test.csv"}
    yaml.dump(params, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    for stage in STAGES:
        run_stage(import_module(f"unroll.stages.{stage}").main)
    signal.signal(signal.SIGTERM, before)
    return tmp_path


@pytest.fixture
def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """`unroll data …` there: its exit code, and what it says."""
    capsys.readouterr()

    def run_command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["unroll", "data", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        output = capsys.readouterr()
        return caught.value.code or 0, output.err or output.out

    return run_command


def check_drops(tables: dict[str, list[list[list[str]]]]) -> None:
    """Every reason with its count, and the rows with the numbers that they have in their files."""
    counts, *examples = tables["rows"]
    assert {row[0]: int(row[1]) for row in counts[1:]} == {
        **{"missing": 2, "empty_after_cleaning": 1, "conflicting_label": 2, "in_test": 1, "duplicate": 2}
    }
    shown = {
        reason: [(row[0], row[-1]) for row in rows[1:]] for (reason, *_), rows in zip(counts[1:], examples, strict=True)
    }
    assert shown == {
        "missing": [("train 61", ""), ("train 62", "")],
        "empty_after_cleaning": [("train 63", "")],
        "conflicting_label": [("train 67", f"train 68 ({HOSTILE})"), ("train 68", "train 67 (Business)")],
        "in_test": [("train 69", "test 21 (Business)")],
        "duplicate": [
            ("train 65", "train 64 (Business), train 66 (Business)"),
            ("train 66", "train 64 (Business), train 65 (Business)"),
        ],
    }
    printed = ATTACK.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    assert examples[-1][1][2] == printed and examples[-1][2][2] == printed.upper().replace("\\X1B", "\\x1b").replace(
        "\\U202E", "\\u202e"
    )


def check_content(tables: dict[str, list[list[list[str]]]]) -> None:
    header, *classes, total = tables["classes"][0]
    assert header[:4] == ["class", "train", "val", "test"]
    assert {row[0]: sum(map(int, row[1:4])) for row in classes} == {"Business": 42, HOSTILE: 48}
    assert sum(map(int, total[1:4])) == 90 and total[3] == "27"
    scripts = {row[0]: row[1:] for row in tables["scripts"][0][1:]}
    assert set(scripts) == {"Latin", "Greek"} and scripts["Greek"].count("0.00%") == 2
    unknown = {row[0]: row for row in tables["unknown"][0][1:]}
    assert set(unknown) == {"val", "test"} and unknown["test"][1:3] == ["210", "80.0%"]  # all but 42
    assert re.fullmatch(r"(\w+ \(\d+\), ){19}\w+ \(\d+\)", unknown["test"][3])
    near = {tuple(row[:2]): (int(row[2]), int(row[4])) for row in tables["near"][0][1:]}
    assert near["val", "train"] == (0, 0)
    assert np.add(near["test", "train"], near["test", "val"]).tolist() == [6, 3]
    pairs = [row for table in tables["near"][1:] for row in table[1:]]
    assert sorted(row[1] for row in pairs[::2]) == [f"test {number}" for number in range(22, 28)]
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        assert int(second[0].removeprefix("train ")) == int(first[1].removeprefix("test ")) - 21
        assert first[3] == f"{second[2]}s"
    longest = tables["longest"][0][1]
    assert longest[0] == "train 71" and longest[3:5] == ["1", "3,200"] and longest[5] == f"{LONG[:300]}…"
    assert [len(table) - 1 for table in tables["examples"]] == [5, 5]


def check_harmless(browser: Browser) -> None:
    """Nothing of the texts was taken for HTML, and nothing was asked for."""
    assert browser.run("return document.title") == "Data: train.csv"
    assert browser.run("return document.querySelectorAll('script, img, i, link, iframe, [src], [href]').length") == 0
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    script = "const script = document.createElement('script'); script.textContent = 'window.owned = true';"
    assert not browser.run(f"{script} document.body.append(script); return window.owned")  # even one that gets in
    assert HOSTILE in browser.run("return [...document.querySelectorAll('h3')].map(one => one.innerText)")


def check_drawings(browser: Browser) -> None:
    """Bars are as wide as they should be; each text is in one bar of the histogram."""
    titles = browser.run("return [...document.querySelectorAll('rect title')].map(title => title.textContent)")
    assert sum(int(title.split(": ")[1].removesuffix(" texts")) for title in titles) == 90
    widths = browser.run(
        "return [...document.querySelectorAll('.bar svg')].map(bar => "
        "[...bar.querySelectorAll('rect')].reduce((sum, one) => sum + one.width.baseVal.value, 0))"
    )
    assert widths == pytest.approx([100, 100 * 42 / 48], abs=0.05)
    heights = browser.run(
        "return [...document.querySelectorAll('rect')].map(one => one.getBoundingClientRect().height)"
    )
    assert max(heights) > 20


@pytest.mark.slow
def test_the_page_shows_what_is_in_the_table(run: Callable, folder: Path) -> None:
    code, told = run()
    assert code == 0
    assert "98 rows, 90 kept; dropped: 2 conflicting label, 2 duplicate, 1 empty after cleaning, 1 in test, 2 m" in told
    assert "2 classes, of 42 to 48 rows" in told and "\x1b" not in told
    page = folder / "data.html"
    with start_browser(1000, 1400) as browser:
        browser.open(page.as_uri())
        tables = browser.run(TABLES)
        browser.keep("data")
        check_drops(tables)
        check_content(tables)
        check_drawings(browser)
        check_harmless(browser)
        papers = set()
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            papers.add(browser.run("return getComputedStyle(document.body).backgroundColor"))
        assert papers == {"rgb(255, 255, 255)", "rgb(22, 24, 27)"}
    with start_browser(360, 700) as browser:
        browser.open(page.as_uri())
        browser.keep("data_phone")
        assert browser.run("return document.documentElement.scrollWidth") <= 360
        assert (
            browser.run("return Math.min(...[...document.querySelectorAll('td.text')].map(t => t.offsetWidth))") > 150
        )


def test_the_same_table_gives_the_same_bytes(run: Callable, folder: Path) -> None:
    """In this process, and in one with other hashes of strings."""
    assert run()[0] == 0
    environment = make_environment() | {"PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "7"}
    command = ["unroll", "data", "--output", "again.html"]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert (folder / "again.html").read_bytes() == (folder / "data.html").read_bytes()


def test_of_a_large_table_a_part_is_looked_at_and_the_page_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, rows = read_json(METRICS), read_splits(most=50)
    summary = summarize(rows, set())
    page = " ".join(render_page("large", counted, {}, summary).split())
    assert "All else is of 50 rows, chosen at random from 90." in page
    assert "Only rows that were chosen are compared: in the whole table, more have one." in page
    assert "the rest is of 50 rows, chosen at random; of all, more have near-duplicates" in describe(counted, summary)
    whole = summarize(read_splits(), set())
    monkeypatch.setattr("unroll.look.page.CLASSES", 1)
    assert "The 1 largest of 2 classes." in render_page("many", counted, {}, whole)
    assert "at random" not in render_page("small", counted, {}, whole) and len(describe(counted, whole)) == 7


def test_what_does_not_fit_together_is_told_in_one_line(run: Callable, folder: Path) -> None:
    assert run("--output", "data.txt") == (1, "error: --output data.txt: expected a name that ends in .html\n")
    params = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(params.replace("punctuation: drop", "punctuation: keep"))
    other = "data/raw and the parameters are not those that metrics/data.json counts: `dvc repro split` mends that"
    assert run() == (1, f"error: {other}\n")
    (folder / "params.yaml").write_text(params)
    counts = (folder / "metrics" / "data.json").read_text()
    (folder / "metrics" / "data.json").write_text(counts.replace('"rows_out": 90', '"rows_out": 91'))
    few = "data/splits has 90 rows, metrics/data.json counts 91: `dvc repro split` mends that"
    assert run() == (1, f"error: {few}\n")
    Path("data/splits/test.parquet").unlink()
    assert run() == (1, "error: data/splits/test.parquet is missing: `dvc repro` makes it, `dvc pull` fetches it\n")
    assert not list(folder.glob("*.html"))
