"""`python -m benchmarks.serving`: requests a second and their times, beside `mlflow models serve` of the same model.

Prints the table of docs/serving.md. Clients and services are on one machine: each client asks for one headline, waits
for the answer and asks again, over a connection that it keeps.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.report import write_table
from benchmarks.rows import ROOT
from unroll.data.tables import read_table

CLIENTS = (1, 16, 64)
PORT = 8123
SECONDS_TO_START = 120


@dataclass(frozen=True)
class Server:
    """A program that serves the model: its command, and the paths of questions and of its health."""

    name: str
    command: list[str]
    path: str
    health: str


@dataclass(frozen=True)
class Load:
    """What so many clients saw; seconds: of each request."""

    server: str
    clients: int
    wall: float
    seconds: list[float]


def main() -> None:
    options = parse_options()
    texts = next(read_table(ROOT / "data" / "sample" / "headlines.csv", ("text",)))["text"].tolist()
    with TemporaryDirectory(prefix="serving-") as name:
        save_model(options.models, Path(name) / "model")
        loads = []
        for server in list_servers(options.models, Path(name) / "model"):
            with start(server):
                asyncio.run(ask_all(server, texts, CLIENTS[0], options.seconds / 4))  # warm
                for clients in CLIENTS:
                    loads.append(asyncio.run(ask_all(server, texts, clients, options.seconds)))
                    print(loads[-1].server, clients, len(loads[-1].seconds), file=sys.stderr, flush=True)
    for label, value in describe_machine(ROOT / "docs" / "serving.md"):
        print(f"{label}: {value}")
    print("", describe_loads(loads), sep="\n\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder with the trained model")
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    return parser.parse_args()


def list_servers(models: Path, logged: Path) -> list[Server]:
    """Return both, each with one process."""
    mlflow = ["mlflow", "models", "serve", "--model-uri", str(logged), "--env-manager", "local", "--workers", "1"]
    unroll = ["unroll", "serve", "--models", str(models), "--rate", "0"]
    return [
        Server("unroll serve", [*unroll, "--port", str(PORT)], "/predict", "/health"),
        Server("mlflow models serve", [*mlflow, "--port", str(PORT)], "/invocations", "/ping"),
    ]


def save_model(models: Path, folder: Path) -> None:
    """Save the model as the pipeline logs it, without a store."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    package = ROOT / "src" / "unroll"
    mlflow.pyfunc.save_model(
        path=str(folder),
        python_model=str(package / "tracking" / "mlflow_model.py"),
        artifacts={"models": str(models)},
        code_paths=[str(package)],
        pip_requirements=[],
        signature=ModelSignature(inputs=Schema([ColSpec("string", "text")])),
    )


@contextmanager
def start(server: Server) -> Iterator[None]:
    """Run a server until the block is left."""
    environment, no = os.environ | {"PYTHONPATH": str(ROOT / "src")}, subprocess.DEVNULL
    # In a process group of its own, as MLflow's command starts others.
    process = subprocess.Popen(server.command, env=environment, stdout=no, stderr=no, process_group=0)
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not answers(f"http://127.0.0.1:{PORT}{server.health}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{server.name} does not start: {' '.join(server.command)}")
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


async def ask_all(server: Server, texts: list[str], clients: int, seconds: float) -> Load:
    """Let so many clients ask for so long, each its own headlines."""
    requests = [make_request(server, text) for text in texts]
    started = time.perf_counter()
    deadline = started + seconds
    tasks = [ask(requests[number::clients], deadline) for number in range(clients)]
    found = await asyncio.gather(*tasks)
    return Load(server.name, clients, time.perf_counter() - started, [value for times in found for value in times])


async def ask(requests: list[bytes], deadline: float) -> list[float]:
    """Return the seconds of each request of one client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    times: list[float] = []
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        writer.write(requests[len(times) % len(requests)])
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        if not head.startswith("http/1.1 200"):
            raise SystemExit(f"a request was refused: {head.splitlines()[0]}")
        times.append(time.perf_counter() - started)
    writer.close()
    return times


def make_request(server: Server, text: str) -> bytes:
    """Return the bytes of a request for one text."""
    is_ours = server.path == "/predict"
    values = {"texts": [text]} if is_ours else {"dataframe_split": {"columns": ["text"], "data": [[text]]}}
    body = json.dumps(values).encode()
    head = f"POST {server.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def describe_loads(loads: list[Load]) -> str:
    """Return the table: requests a second, median and 99th percentile in milliseconds."""
    rows = [
        (
            load.server,
            str(load.clients),
            f"{len(load.seconds) / load.wall:,.0f}",
            *(f"{1000 * np.quantile(load.seconds, share):.1f}" for share in (0.5, 0.99)),
        )
        for load in loads
    ]
    return write_table(("service", "clients", "requests/s", "p50, ms", "p99, ms"), rows)


if __name__ == "__main__":
    main()
