"""Fetching files: from a real HTTP server on this machine, file:// addresses and paths."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from unroll.errors import InputError
from unroll.fetching import check_content, fetch, refuse_html

CONTENT = b"title,label\n" + b"Shares fall,Business\n" * 20_000


class Handler(BaseHTTPRequestHandler):
    """Serves /file; /flaky fails twice first; /breaks sends half; /redirect leads to a file:// address."""

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        tries = self.server.requests.count(self.path)
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
        elif self.path == "/missing" or (self.path == "/flaky" and tries < 3):
            self.send_error(404 if self.path == "/missing" else 503)
        else:
            breaks = self.path == "/breaks" or (self.path == "/breaks-once" and tries == 1)
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if breaks else CONTENT)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(("path", "requests"), [("/file", 1), ("/flaky", 3), ("/breaks-once", 2)])
def test_downloads_and_tries_again(server: ThreadingHTTPServer, tmp_path: Path, path: str, requests: int) -> None:
    fetch(server.url + path, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == CONTENT
    assert len(server.requests) == requests


@pytest.mark.parametrize(
    ("path", "reason", "requests"),
    [
        ("/missing", "the server answered 404 Not Found", 1),
        ("/breaks", "the connection broke off", 3),
        ("/redirect", "No connection adapters were found", 1),
    ],
)
def test_gives_up_with_the_reason_and_ways_out(
    server: ThreadingHTTPServer, tmp_path: Path, path: str, reason: str, requests: int
) -> None:
    with pytest.raises(InputError) as caught:
        fetch(server.url + path, tmp_path / "a.csv")
    assert reason in str(caught.value)
    assert "set data.url to another address or to a local file" in str(caught.value)
    assert len(server.requests) == requests


def test_a_server_that_is_not_there(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="the server could not be reached"):
        fetch(server.url + "/file", tmp_path / "a.csv")


def test_local_files(tmp_path: Path) -> None:
    source = tmp_path / "my data.csv"
    source.write_bytes(CONTENT)
    fetch(str(source), tmp_path / "a.csv")
    fetch(source.as_uri(), tmp_path / "b.csv")  # the space becomes %20
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("/no/such/file.csv", "/no/such/file.csv does not exist"),
        ("file:///no/such/file.csv", "/no/such/file.csv does not exist"),
        ("/tmp", "/tmp is a folder, expected a file"),
        ("ftp://example.org/a.csv", "expected an address with http, https or file, or a path"),
    ],
)
def test_sources_that_cannot_be(tmp_path: Path, location: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fetch(location, tmp_path / "a.csv")


def test_checksums(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CONTENT)
    right, md5, wrong = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest(), "0" * 64
    for expected in (None, right, right.upper(), f"md5:{md5}"):
        assert check_content(path, expected, "x") == right
    with pytest.raises(InputError, match=f"http://x has sha256 {right}, expected {wrong}: not the file"):
        check_content(path, wrong, "http://x")
    with pytest.raises(InputError, match=f"http://x has md5 {md5}, expected {wrong[:32]}: not the file"):
        check_content(path, f"md5:{wrong[:32]}", "http://x")


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>", b"\n  <html lang=en>", b"\xef\xbb\xbf<!doctype HTML>"])
def test_web_pages_are_refused(tmp_path: Path, page: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(page)
    with pytest.raises(InputError, match="http://x is an HTML page, not a data set"):
        refuse_html(path, "http://x")
    path.write_bytes(CONTENT)
    refuse_html(path, "http://x")
