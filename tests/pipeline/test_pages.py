"""MLflow's pages and DVC's plots, in a real browser."""

import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from browser import Browser, start_browser
from workspaces import Workspace, find_free_port, list_networks, make_environment

pytestmark = pytest.mark.slow
MODEL_TRAINING = "workflowType=machine_learning"
# The cells of the runs' table, a dictionary for each row.
ROWS = """
const rows = {};
for (const cell of document.querySelectorAll('.ag-row[row-index] .ag-cell[col-id]')) {
    const row = cell.closest('.ag-row').getAttribute('row-index');
    const name = cell.getAttribute('col-id').replaceAll('`', '');
    (rows[row] ??= {})[name] = cell.innerText.trim().split('\\n').at(-1);  // without the run's colour
}
return Object.keys(rows).sort((a, b) => a - b).map(row => rows[row]);
"""
# How many bars or points with lines between them each chart has.
CHARTS = """
const marks = '.bars .point path, .scatterlayer .trace path.js-line';
return [...document.querySelectorAll('.js-plotly-plot')].map(chart => chart.querySelectorAll(marks).length);
"""
# The sizes of the pictures, but for small ones such as logos.
PICTURES = "return [...document.images].filter(i => i.naturalWidth > 400).map(i => [i.width, i.height])"


@contextmanager
def serve_ui(workspace: Workspace) -> Iterator[str]:
    """Run `unroll ui`, and yield the address that it prints."""
    command = ["unroll", "ui", "--port", str(find_free_port())]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    ui = subprocess.Popen(command, cwd=workspace.path, env=make_environment(), **pipes)
    try:
        lines = iter(ui.stdout.readline, "")
        address = next((line.split()[-1] for line in lines if line.startswith("MLflow UI: ")), None)
        assert address, "unroll ui ended without an address"
        yield address
    finally:
        ui.send_signal(signal.SIGINT)
        rest, _ = ui.communicate(timeout=60)
    assert (ui.returncode, "Traceback" in rest) == (0, False), rest


class Stranger(BaseHTTPRequestHandler):
    """Answers as MLflow does, of another store."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"OK" if self.path == "/health" else b'{"experiment": {"experiment_id": "1", "tags": []}}')

    def log_message(self, *arguments: object) -> None:
        pass


def is_starting_mlflow(ui: psutil.Popen) -> bool:
    """Other children of `unroll ui` are Git's, which come before the port is looked at."""
    with suppress(psutil.NoSuchProcess):
        return any("mlflow" in child.cmdline() for child in ui.children())
    return False


def test_a_program_that_takes_the_port_is_told(reproduced: Workspace, tmp_path: Path) -> None:
    """While MLflow starts: before that, the port is free, and afterwards MLflow has it."""
    workspace, port = reproduced.copy_to(tmp_path / "repository"), find_free_port()
    command = ["unroll", "ui", "--port", str(port)]
    ui = psutil.Popen(
        command, cwd=workspace.path, env=make_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not is_starting_mlflow(ui):
        assert ui.poll() is None
    with ThreadingHTTPServer(("127.0.0.1", port), Stranger) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        said, errors = (output.decode() for output in ui.communicate(timeout=120))
        server.shutdown()
    assert "MLflow UI" not in said
    told = f"error: another program answers at http://127.0.0.1:{port}: choose another port with `unroll ui --port` or"
    assert ui.returncode == 1 and [line for line in errors.splitlines() if line.startswith(told)], errors


def list_runs(workspace: Workspace) -> list[Run]:
    client = MlflowClient(tracking_uri=f"sqlite:///{workspace.path / 'mlflow.db'}")
    return client.search_runs(["1"], order_by=["metrics.`test/macro_f1` DESC"])


def check_table_of_runs(browser: Browser, address: str, runs: list[Run]) -> None:
    """The page that `make ui` opens: cells and scores, the best first."""
    browser.open(address)
    browser.wait_for(*(run.info.run_name for run in runs))
    rows = browser.wait(ROWS, lambda rows: all(row.get("metrics.test/macro_f1") for row in rows) and len(rows) > 1)
    browser.keep("runs")
    assert [row["attributes.Run Name"] for row in rows] == [run.info.run_name for run in runs]
    assert [row["params.model.cell"] for row in rows] == [run.data.params.get("model.cell", "-") for run in runs]
    assert {row["params.model.cell"] for row in rows} == {"rnn", "gru", "lstm", "-"}  # and the baseline
    scores = [float(row["metrics.test/macro_f1"]) for row in rows]
    assert scores == [run.data.metrics["test/macro_f1"] for run in runs]


def check_run(browser: Browser, page: str, run: Run) -> None:
    browser.open(f"{page}?{MODEL_TRAINING}")
    # The line that describes it, and no number with more digits than mean something.
    text = browser.wait_for(run.info.run_name, f"macro-F1 {run.data.metrics['test/macro_f1']:.4f}", "curve/val_loss")
    browser.keep("run")
    assert not re.findall(r"\d\.\d{9,}", text)
    browser.open(f"{page}/model-metrics?{MODEL_TRAINING}")
    browser.wait_for("best (3)", "curve (", "test (")
    charts = browser.wait(CHARTS, lambda charts: len(charts) >= 6 and all(charts[:6]))
    browser.keep("charts")
    assert len(charts) >= 6
    text = browser.read_text()
    assert text.index("best (3)") < text.index("curve (") < text.index("test (") < text.index("test/Business (5)")
    for picture in ("confusion_matrix", "learning_curves", "precision_recall", "reliability"):
        browser.open(f"{page}/artifacts/{picture}.png?{MODEL_TRAINING}")
        assert all(min(size) > 200 for size in browser.wait(PICTURES))
        browser.keep(picture)
    browser.open(f"{page}/artifacts/mistakes.json?{MODEL_TRAINING}")
    browser.wait_for("predicted", "confidence", "Sci/Tech")
    browser.keep("mistakes")


def check_comparison(browser: Browser, server: str, runs: list[Run]) -> None:
    chosen = quote(json.dumps([run.info.run_id for run in runs], separators=(",", ":")))
    browser.open(f"{server}/#/compare-runs?runs={chosen}&experiments={quote(json.dumps(['1']))}&{MODEL_TRAINING}")
    browser.wait_for("Comparing 2 Runs from 1 Experiment", *(run.info.run_name for run in runs))
    browser.wait_for("model.cell", "train.seed")
    browser.keep("comparison")


def check_model(browser: Browser, server: str) -> None:
    browser.open(f"{server}/#/models/headlines?{MODEL_TRAINING}")
    text = browser.wait_for("Version 1", "champion", "validation macro-F1")
    browser.keep("model")
    assert "@\N{NO-BREAK SPACE}champion" in text


def test_the_pages_of_mlflow(grid: Workspace) -> None:
    runs = list_runs(grid)
    networks = list_networks(runs)
    with start_browser(1600, 1000) as browser, serve_ui(grid) as address:
        server = address.split("/#/")[0]
        check_table_of_runs(browser, address, runs)
        check_run(browser, f"{server}/#/experiments/1/runs/{networks[0].info.run_id}", networks[0])
        check_comparison(browser, server, [networks[0], networks[-1]])
        check_model(browser, server)


def test_the_page_of_dvc_plots_shows_experiments_together_and_needs_no_network(grid: Workspace, tmp_path: Path) -> None:
    workspace = grid.copy_to(tmp_path / "repository")
    planned = workspace.run("make", "--dry-run", "setup").stdout.splitlines()
    setup = [line for line in planned if line.endswith(" .dvc/tmp/plots.html") or line.endswith(" tmp/plots.html")]
    assert len(setup) == 2
    for command in setup:  # as `make setup` runs it, but for where the programs are
        workspace.run(*command.replace(".venv/bin/", "").split())
    names = [run.info.run_name for run in list_networks(list_runs(grid))][:3]
    workspace.run("dvc", "plots", "diff", *names)
    page = workspace.path / "dvc_plots" / "index.html"
    assert not re.search(r"<(script|link)[^>]*(src|href)=", page.read_text())
    with start_browser(1600, 1400) as browser:
        browser.open(page.as_uri())
        # The texts of each plot.
        script = "return [...document.querySelectorAll('svg.marks')].map(svg => svg.textContent)"
        curves, macro_f1, confusions, bars, reliability = browser.wait(script, lambda plots: len(plots) == 5)
        browser.keep("plots")
    for plot in (curves, macro_f1, confusions, bars, reliability):
        assert all(name in plot for name in names)
    assert "train_loss" in curves and "val_loss" in curves
    assert all(plot.count("Sci/Tech") >= count for plot, count in ((confusions, 2), (bars, 1)))
    assert "confidence" in reliability
