"""`unroll serve` as a process, for tests that ask it over HTTP."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from safetensors.numpy import load_file, save_file

from unroll.base.files import read_json, write_json
from unroll.models.files import TEXT_PARTS, write_checksums
from workspaces import ROOT, make_environment

SECONDS = 60  # to wait for what has to come


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: subprocess.Popen[str]
    address: str

    def ask(self, path: str, **body: Any) -> requests.Response:
        """GET the path, or POST the values as JSON."""
        if body:
            return requests.post(self.address + path, json=body, timeout=SECONDS)
        return requests.get(self.address + path, timeout=SECONDS)

    def predict(self, *texts: str) -> list[dict[str, Any]]:
        return self.ask("/predict", texts=list(texts)).json()["predictions"]

    def read_metric(self, name: str) -> float:
        lines = self.ask("/metrics").text.splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))

    def connect(self) -> socket.socket:
        url = urlsplit(self.address)
        return socket.create_connection((url.hostname, url.port), SECONDS)

    def wait_for(self, is_there: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until /health tells it."""
        deadline = time.monotonic() + SECONDS
        while not is_there(health := self.ask("/health").json()):
            assert time.monotonic() < deadline, health


@contextmanager
def serve(models: Path, *options: str) -> Iterator[Service]:
    """Run the service until the block is left; it has to end as a person expects after Ctrl-C."""
    command = ["unroll", "serve", "--port", "0", "--models", str(models), *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = make_environment() | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("unroll serve: "), process.communicate()
            yield Service(process, line.split()[-1])
        finally:
            process.send_signal(signal.SIGINT)
            try:
                _, errors = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                pytest.fail("the service does not stop")
    assert (process.returncode, "Traceback" in errors) == (0, False), errors


def make_request(path: str, body: bytes, *headers: str) -> bytes:
    """Return a POST request as bytes."""
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def read_answer(connection: socket.socket) -> tuple[int, Any]:
    """Return the status and the JSON of an answer; (0, None) if the service ends the connection without one."""
    with connection.makefile("rb") as stream:
        try:
            line = stream.readline()
            if not line:
                return 0, None
            headers = dict(
                row.decode("latin-1").lower().strip().split(": ", 1) for row in iter(stream.readline, b"\r\n")
            )
            body = stream.read(int(headers["content-length"])) if "content-length" in headers else stream.read()
        except ConnectionError:
            return 0, None
    return int(line.split()[1]), json.loads(body) if headers.get("content-type") == "application/json" else body


def change_model(folder: Path, class_names: list[str]) -> Path:
    """Make of a small model another one, whole, with other weights and other names of classes."""
    weights = load_file(folder / "model.safetensors")
    random = np.random.default_rng(1)
    save_file(
        {name: random.normal(size=array.shape).astype(np.float32) for name, array in weights.items()},
        folder / "model.safetensors",
    )
    write_json(folder / "labels.json", class_names)
    write_checksums(folder, TEXT_PARTS)
    return folder


def let_it_panic(folder: Path, fine: str = "") -> None:
    """Make of a small model one that panics at every text but those that fit `fine`, which have no token.

    Its tokenizer is written in Rust, of which a panic is no Exception.
    """
    tokenizer = read_json(folder / "tokenizer.json")
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"Regex": f"^{fine}$"}, "content": ""}
    tokenizer["pre_tokenizer"] = {"type": "FixedLength", "length": 0}
    write_json(folder / "tokenizer.json", tokenizer)
    write_checksums(folder, TEXT_PARTS)
