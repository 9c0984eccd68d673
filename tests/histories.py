"""Repositories with a history of metrics, made by real Git, for tests that search it."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from workspaces import ROOT, make_environment


def compute_md5(content: str) -> str:
    return hashlib.md5(content.encode()).hexdigest()


def make_files(macro_f1: float, cell: str = "gru", model: str = "a") -> dict[str, str]:
    """Return the files of a small pipeline that has made this figure; model: a digit that its MD5 consists of."""
    test = json.dumps({"accuracy": 0.5, "macro_f1": macro_f1}, indent=2)
    data = json.dumps(
        {"rows_in": 100, "rows_out": 97, "dropped": {"duplicate": 3, "missing": 0}}
        | {"sources": {"all": {"sha256": "5" * 64, "bytes": 1234}}}
    )
    lock = f"""schema: '2.0'
stages:
  evaluate:
    cmd: evaluate
    deps:
    - path: models/model.safetensors
      hash: md5
      md5: {model * 32}
      size: 1
    outs:
    - path: metrics/test.json
      hash: md5
      md5: {compute_md5(test)}
      size: 1
  train:
    cmd: train
    deps:
    - path: data/clean
      hash: md5
      md5: {"b" * 32}.dir
    outs:
    - path: models/model.safetensors
      hash: md5
      md5: {model * 32}
      size: 1
  preprocess:
    cmd: preprocess
    outs:
    - path: data/clean
      hash: md5
      md5: {"b" * 32}.dir
    - path: metrics/data.json
      hash: md5
      md5: {compute_md5(data)}
  draw:
    cmd: draw
    deps:
    - path: data/clean
      md5: {"b" * 32}.dir
    outs:
    - path: picture.svg
      md5: {"c" * 32}
"""
    params = f"""data: {{dataset: csv, url: "https://me:secret@example.org/table.csv", file: null}}
model: {{cell: {cell}}}
train: {{seed: 1, threads: 1}}
tracking: {{experiment: traced}}
"""
    return {
        "dvc.lock": lock,
        "params.yaml": params,
        "metrics/test.json": test,
        "metrics/data.json": data,
        "src/requirements-compute.txt": "# what computes\ntorch==2.13.0\nnumpy==2.4.6\n",
    }


def record_test(lock: str, test: str) -> str:
    """Return the dvc.lock with the MD5 of this metrics/test.json."""
    before, mark, after = lock.partition("metrics/test.json\n      hash: md5\n      md5: ")
    return f"{before}{mark}{compute_md5(test)}{after[32:]}"


@dataclass(frozen=True)
class History:
    """A repository in a folder."""

    path: Path

    def git(self, *arguments: str, text: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=make_environment(), input=text, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def write(self, files: dict[str, str], folder: str = "") -> None:
        for name, content in files.items():
            path = self.path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def commit(self, subject: str, files: dict[str, str] | None = None, folder: str = "") -> str:
        """Commit these files, and return the commit's hash."""
        self.write(files or {}, folder)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def save_experiment(self, name: str, files: dict[str, str]) -> str:
        """Commit as DVC commits an experiment: in a ref of its own, on top of HEAD."""
        start = self.git("rev-parse", "HEAD")
        commit = self.commit(f"dvc: commit experiment {name}", files)
        self.git("update-ref", f"refs/exps/{start[:2]}/{start[2:]}/{name}", commit)
        self.git("reset", "--quiet", "--hard", start)
        return commit


def begin_history(path: Path) -> History:
    history = History(path)
    path.mkdir(exist_ok=True)
    history.git("init", "--quiet", "--initial-branch=main")
    return history


def write_commits(history: History, count: int) -> None:
    """Add commits to main, each with the real files of this repository and its own figure: 0.500001, 0.500002, …"""
    names = ("dvc.lock", "params.yaml", "metrics/data.json", "metrics/per_class.json", "metrics/train.json")
    files = {name: (ROOT / name).read_bytes() for name in names}
    recorded = hashlib.md5((ROOT / "metrics" / "test.json").read_bytes()).hexdigest().encode()
    stream = []
    for number in range(1, count + 1):
        test = json.dumps({"macro_f1": round(0.5 + number / 1e6, 6)}).encode()
        lock = files["dvc.lock"].replace(recorded, hashlib.md5(test).hexdigest().encode())
        subject, other = f"commit {number}".encode(), files["metrics/train.json"] + b" " * number
        stream.append(
            b"commit refs/heads/main\ncommitter A <a@example.org> %d +0000\ndata %d\n%s\n"
            % (1700000000 + number, len(subject), subject)
        )
        changed = files | {"metrics/test.json": test, "dvc.lock": lock, "metrics/train.json": other}
        for name, content in changed.items():
            stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(content), content))
    history.git("fast-import", "--quiet", text=b"".join(stream))
    history.git("reset", "--quiet", "--hard", "main")
