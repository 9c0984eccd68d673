"""MLflow's pages: served on this machine, and opened at this experiment with useful columns."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import requests

from unroll.base.errors import InputError
from unroll.tracking.store import Store

VIEW = "unroll"
METRICS = "metrics"
OTHER_PORT = "choose another port with `unroll ui --port` or `make ui PORT=`"
COLUMNS = {  # MLflow's name of a column → its width in pixels; in this order
    "attributes.`Run Name`": 170,
    "runDateAndNestInfo": 130,
    "params.`model.cell`": 90,
    METRICS: 150,  # a placeholder for each metric that is shown
    "params.`train.seed`": 100,
    "duration": 90,
    "attributes.`Dataset`": 300,
}
# The server's jobs are for language models, and its log is about itself. Its errors are printed.
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}


def serve_pages(store: Store, artifacts: Path, port: int, announce: Callable[[str], None]) -> None:
    """Serve MLflow on this machine until Ctrl-C; call `announce` with the address when it answers.

    Raises:
        InputError: the port is in use, perhaps only since the server was started, or the server stopped on its own.
    """
    _check_port_is_free(port)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # Not as options: everybody on this machine can read those, and the address may hold a password.
    stores = {"MLFLOW_BACKEND_STORE_URI": store.uri, "MLFLOW_REGISTRY_STORE_URI": store.uri}
    command += ["--default-artifact-root", artifacts.as_uri(), "--uvicorn-opts", "--log-level warning"]
    for name in (signal.SIGINT, signal.SIGTERM):  # so that the server stops, too
        signal.signal(name, signal.default_int_handler)
    # In a process group of its own, because it would answer Ctrl-C with a traceback.
    server = subprocess.Popen(command, env=os.environ | QUIET | stores, stdout=subprocess.DEVNULL, process_group=0)
    try:
        address = f"http://127.0.0.1:{port}"
        while server.poll() is None and not _answers(address, store):
            with suppress(subprocess.TimeoutExpired):
                server.wait(timeout=0.2)
        if server.poll() is None:
            announce(address)
        raise InputError(f"MLflow's server ended with code {server.wait()}: what it said stands above")
    except KeyboardInterrupt:
        print()
    finally:
        server.terminate()
        server.wait()


def open_browser(address: str) -> None:
    """Open a page in the browser, if a person sits at this machine: not in a script, not over ssh."""
    has_desktop = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.stdout.isatty() and has_desktop:
        webbrowser.open(address)


def describe_page(store: Store, metrics: Sequence[str]) -> str:
    """Return the path of the page that lists the experiment's runs, and save the view that it opens.

    metrics: the ones to show, by their names in MLflow; the first one sorts the runs.
    """
    return f"/#/experiments/{store.experiment_id}/runs?{_save_view(store, metrics)}"


def _check_port_is_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise InputError(f"port {port} is in use: {OTHER_PORT}") from None


def _answers(address: str, store: Store) -> bool:
    """Whether this store's server answers; InputError if another program does, which has taken the port since."""
    place = f"{address}/api/2.0/mlflow/experiments/get"
    try:
        if not requests.get(f"{address}/health", timeout=5).ok:
            return False
        answer = requests.get(place, {"experiment_id": store.experiment_id}, timeout=5)
    except requests.RequestException:
        return False
    if not _is_of(answer, store):
        raise InputError(f"another program answers at {address}: {OTHER_PORT}")
    return True


def _is_of(answer: requests.Response, store: Store) -> bool:
    """Whether a server has the experiment with all its tags; the view that was just saved is one of them."""
    try:
        tags = {tag["key"]: tag["value"] for tag in answer.json()["experiment"]["tags"]}
    except (ValueError, LookupError, TypeError):
        return False
    return tags == store.client.get_experiment(store.experiment_id).tags


def _save_view(store: Store, metrics: Sequence[str]) -> str:
    """Save the columns and their order as a view of the experiment; return the part of an address that opens it.

    MLflow keeps shared views as tags of the experiment; this is one of them.
    """
    shown = [f"metrics.`{name}`" for name in metrics]
    columns = [column for name in COLUMNS for column in (shown if name == METRICS else [name])]
    state = {
        "orderByKey": shown[0],
        "orderByAsc": "mse" in metrics[0],  # errors: the smallest first
        "selectedColumns": [name for name in columns if "`" in name],  # the others are always there
        "columnOrder": columns,
        "columnWidths": {name: COLUMNS.get(name, COLUMNS[METRICS]) for name in columns},
    }
    now = int(time.time() * 1000)
    view = {"name": "cells and scores", "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
    store.client.set_experiment_tag(store.experiment_id, f"mlflow.sharedViewState.{VIEW}", json.dumps(view))
    return urlencode({"viewStateShareKey": VIEW, "workflowType": "machine_learning"})
