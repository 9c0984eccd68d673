"""Files of a real server that speaks S3, through DVC's filesystems."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import S3_KEYS, start_s3
from unroll.base.errors import InputError
from unroll.data import download
from unroll.data.download import fetch, fetch_cached
from unroll.data.folders import list_files
from unroll.data.tables import SUFFIXES
from unroll.stages import download as download_stage
from workspaces import ROOT, Workspace, set_params

HEADER = b"text,label\n"
CONTENT = HEADER + b"Shares fall,Business\n" * 200_000  # 4 MB, several blocks


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    objects = {"a/b c.csv": CONTENT, "a/x.csv": HEADER, "a/old/y.csv": b"", "c/": b"", "c/z.csv": HEADER}
    with start_s3("team", **objects) as address:
        yield address


@pytest.fixture
def address(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's address, which the environment has not; the current folder is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", False)
    variables = {"AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in S3_KEYS:
        monkeypatch.delenv(name, False)
    return server


@pytest.fixture
def environment(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (S3_KEYS | {"AWS_ENDPOINT_URL": address}).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
def test_a_file_is_copied_and_a_folder_listed(tmp_path: Path) -> None:
    fetch("s3://team/a/b c.csv", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == CONTENT
    found = list_files("s3://team/a/", "*.csv", SUFFIXES, "data.url")
    assert found == ["s3://team/a/b c.csv", "s3://team/a/x.csv"]
    assert list_files("s3://team/c/", None, SUFFIXES, "data.url") == ["s3://team/c/z.csv"]
    with pytest.raises(InputError, match=r"data.url: s3://team/a has the folder 'old' in it: expected files alone"):
        list_files("s3://team/a/", None, SUFFIXES, "data.url")
    with pytest.raises(InputError, match=r"data.url: s3://team/a is a folder: expected a file"):
        fetch("s3://team/a", tmp_path / "b.csv")


@pytest.mark.usefixtures("environment")
def test_a_folder_in_a_cloud_is_downloaded_by_the_stage(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    changes = {"dataset": "csv", "url": "s3://team/a/", "pattern": "*.csv", "test_url": "s3://team/a/x.csv"}
    set_params(Workspace(tmp_path), "data", **changes, test_sha256=hashlib.sha256(HEADER).hexdigest())
    download_stage.main()
    raw = tmp_path / "data" / "raw"
    assert (raw / "train" / "b c.csv").read_bytes() == CONTENT
    assert (raw / "train" / "x.csv").read_bytes() == (raw / "test.csv").read_bytes() == HEADER
    names = [source["name"] for source in json.loads((raw / "sources.json").read_text())]
    assert names == ["train/b c.csv", "train/x.csv", "test.csv"]


@pytest.mark.usefixtures("environment")
def test_a_file_whose_checksum_is_known_is_kept(tmp_path: Path) -> None:
    checksum = hashlib.sha256(CONTENT).hexdigest()
    path = fetch_cached("s3://team/a/b c.csv", checksum, tmp_path, "model.embeddings")
    assert path.read_bytes() == CONTENT
    time = path.stat().st_mtime_ns
    assert fetch_cached("s3://team/a/b c.csv", checksum, tmp_path, "model.embeddings") == path
    assert path.stat().st_mtime_ns == time
    with pytest.raises(InputError, match=f"has sha256 {checksum}, expected {'0' * 64}"):
        fetch_cached("s3://team/a/b c.csv", "0" * 64, tmp_path, "model.embeddings")


@pytest.mark.usefixtures("environment")
def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="has 4,200,011 bytes or more: expected at most 1,000, the most that is"):
        fetch("s3://team/a/b c.csv", tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_endpoint_and_keys_may_be_those_of_a_remote_of_dvc(address: str, tmp_path: Path) -> None:
    options = {"endpointurl": address, "access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("['remote \"storage\"']\nurl = s3://team/a\n")
    lines = "".join(f"{name} = {value}\n" for name, value in options.items())
    (tmp_path / ".dvc" / "config.local").write_text(f"['remote \"storage\"']\n{lines}")
    fetch("remote://storage/x.csv", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == HEADER
    found = list_files("remote://storage/", "x*", SUFFIXES, "data.url")
    assert found == ["remote://storage/x.csv"]
    with pytest.raises(InputError, match=r"data.url: remote://storage/none.csv does not exist"):
        fetch("remote://storage/none.csv", tmp_path / "b.csv")


def test_without_keys_it_is_said_where_they_are_expected(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError, match=r"data.url: s3://team/a/x.csv cannot be read without keys: expected them in"):
        fetch("s3://team/a/x.csv", tmp_path / "a.csv")
