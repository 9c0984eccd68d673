"""Every bad input of inputs.yaml ends in exactly the line given there, without a traceback."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

import bad_files
from builders import write_models
from servers import S3_KEYS, start_s3
from unroll.base.process import run_stage
from unroll.cli import main as cli
from workspaces import ROOT, find_free_port, make_environment

TABLE: dict[str, dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("inputs.yaml"))
INPUTS = [
    pytest.param(section.get("common", {}), entry, id=f"{way}: {entry['bad']}")
    for way, section in TABLE.items()
    for entry in section["inputs"]
]


class Handler(BaseHTTPRequestHandler):
    """Serves a web page for every request, except that /missing.csv does not exist and /elsewhere.csv is a file."""

    def do_GET(self) -> None:
        if self.path == "/missing.csv":
            self.send_error(404)
        elif self.path == "/elsewhere.csv":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><p>Please log in</p>" if self.path == "/page.csv" else b"text,label\n")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def cloud() -> Iterator[str]:
    with start_s3("team", **{"mixed/a.csv": b"text,label\n", "mixed/b.jsonl": b"{}\n"}) as address:
        yield address


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("trained") / "models")


def make_file(path: Path, content: Any) -> None:
    """Write a file: its text, the lines of a JSON object to change, or what a function of bad_files makes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content, newline="")
    elif "change" in content:
        path.write_text(json.dumps(json.loads(path.read_text()) | content["change"]))
    else:
        getattr(bad_files, content["made"])(path)


def prepare(folder: Path, models: Path, entry: dict[str, Any]) -> None:
    """Make the folder that the entry is tried in."""
    shutil.copytree(models, folder / "models")
    params = (ROOT / entry.get("pipeline", ".") / "params.yaml").read_text()
    # Stages run in this process, which has imported NumPy.
    (folder / "params.yaml").write_text(params.replace("portable: auto", "portable: false"))
    if "set" in entry:
        yaml = YAML()
        params = yaml.load(folder / "params.yaml")
        for name, value in entry["set"].items():
            section, _, key = name.partition(".")
            params[section][key] = value
        yaml.dump(params, folder / "params.yaml")
    for name, content in entry.get("files", {}).items():
        make_file(folder / name, content)
    for override in entry.get("overrides", []):  # as `dvc exp run -S` does it
        apply_overrides(folder / "params.yaml", [override])


def run(command: str, entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a stage or a command in this process; return its exit code."""
    try:
        if command.startswith("unroll "):
            arguments = entry.get("arguments", [])
            monkeypatch.setattr(sys, "argv", [*shlex.split(command), *arguments])
            cli.main()
        else:
            before = signal.getsignal(signal.SIGTERM)
            try:
                run_stage(import_module(f"unroll.stages.{command}").main)
            finally:
                signal.signal(signal.SIGTERM, before)
    except SystemExit as end:
        return end.code or 0
    return 0


def run_process(folder: Path, command: str, entry: dict[str, Any]) -> tuple[int, str]:
    """Run a stage or a command as a person or DVC does; return its exit code and what it says of errors."""
    words = shlex.split(command) if command.startswith("unroll ") else ["python", "-m", f"unroll.stages.{command}"]
    result = subprocess.run(
        [*words, *entry.get("arguments", [])],
        cwd=folder,
        env=make_environment() | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return result.returncode, result.stderr


@pytest.mark.parametrize(("common", "entry"), INPUTS)
def test_a_bad_input(
    request: pytest.FixtureRequest,
    common: dict[str, Any],
    entry: dict[str, Any],
    server: str,
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    places = {"{folder}": str(tmp_path), "{server}": server, "{port}": str(find_free_port())}
    entry = common | entry | {"set": common.get("set", {}) | entry.get("set", {})}
    if "{file}" in entry["set"].values():
        places["{file}"] = next(iter(entry["files"]))
    entry = fill(entry, places)
    prepare(tmp_path, models, entry)
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "UNROLL_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    if "keys" in entry:
        variables = {"AWS_ENDPOINT_URL": request.getfixturevalue("cloud"), "AWS_EC2_METADATA_DISABLED": "true"}
        variables |= {"AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"}
        for name, value in (variables | S3_KEYS).items():
            monkeypatch.setenv(name, value) if entry["keys"] or name not in S3_KEYS else monkeypatch.delenv(name, False)
    before = list_files(tmp_path)
    code = 0
    for command in entry["run"]:
        if entry.get("process"):
            code, said = run_process(tmp_path, command, entry)
        else:
            code, said = run(command, entry, monkeypatch), capfd.readouterr().err
        if code:
            break
    lines = [line for line in said.splitlines() if not line.startswith("download: attempt ")]
    assert (lines, code) == ([f"error: {entry['message']}"], 1)
    if command.startswith("unroll "):
        assert list_files(tmp_path) == before  # nothing half-written


def fill(value: Any, places: dict[str, str]) -> Any:
    """Replace placeholders with values that are known only at run time."""
    if isinstance(value, dict):
        return {key: fill(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, places) for item in value]
    if isinstance(value, str):
        for name, text in places.items():
            value = value.replace(name, text)
    return deepcopy(value)


def list_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_the_table_is_large_and_no_entry_stands_twice() -> None:
    names = [parameter.id for parameter in INPUTS]
    assert len(set(names)) == len(names) >= 60
    for section in TABLE.values():
        for entry in section["inputs"]:
            assert "\n" not in entry["message"], entry["bad"]
