"""Downloads from a server that truncates, corrupts, stalls, redirects and refuses."""

import gzip
import hashlib
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mdlib.files import fetch as module
from mdlib.files.fetch import Source, UnavailableError, fetch

CONTENT = np.random.default_rng(0).bytes(300_000)
HASH = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Host(ThreadingHTTPServer):
    """Serves CONTENT under every path; the path's words say what goes wrong."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked = []  # of each request, the path and the byte it started from
        self.released = threading.Event()  # ends a stall

    def source(self, path, known_hash=HASH):
        return Source(f"http://127.0.0.1:{self.server_port}/{path}", known_hash)


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        faults = self.path.strip("/").split("/")
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.server.asked.append((self.path, start))
        if "redirect" in faults:
            self.answer(302, Location=self.path.replace("/redirect", ""))
        elif "circle" in faults:
            self.answer(302, Location=self.path)
        elif "missing" in faults:
            self.answer(404)
        elif start >= len(CONTENT):
            self.answer(416)
        else:
            self.send(faults, 0 if "norange" in faults else start)

    def send(self, faults, start):
        body = CONTENT[start:]
        if "corrupt" in faults:
            body = body[:-1] + bytes([body[-1] ^ 1])
        length = {} if "nolength" in faults else {"Content-Length": str(len(body))}
        # Some servers say this of every .gz file; the bytes are to be kept as they are.
        packed = {"Content-Encoding": "gzip"} if "packed" in faults else {}
        if "packing" in faults and "gzip" in self.headers.get("Accept-Encoding", "gzip"):
            body, packed = gzip.compress(body), {"Content-Encoding": "gzip"}
        self.answer(206 if start else 200, **length, **packed)
        if "truncate" in faults:
            body = body[:100_000]
        if "stall" in faults and start == 0:
            self.wfile.write(body[:100_000])
            self.wfile.flush()
            self.server.released.wait(10)
        elif "silent" in faults:
            self.server.released.wait(10)
        else:
            self.wfile.write(body)

    def answer(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def host(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "TIMEOUT", (0.5, 0.5))
    with Host() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "path", ["plain", "redirect/plain", "norange", "nolength", "packed", "packing"]
)
def test_a_file_is_fetched_once_and_nothing_else_is_left(host, tmp_path, path):
    source = host.source(f"{path}/data.gz")
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    asked = len(host.asked)
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    assert len(host.asked) == asked
    assert [path.name for path in tmp_path.iterdir()] == ["data.gz"]


def test_the_bytes_are_synced_before_the_file_has_its_name(host, tmp_path, monkeypatch):
    calls = []

    def spy(owner, name):
        real = getattr(owner, name)

        def call(*args):
            calls.append((name, tmp_path.joinpath("data.gz").exists()))
            return real(*args)

        monkeypatch.setattr(owner, name, call)

    spy(os, "fsync")
    spy(Path, "replace")
    fetch(host.source("plain/data.gz"), tmp_path)
    assert calls[:2] == [("fsync", False), ("replace", False)]


def test_a_download_shows_how_far_it_is(host, tmp_path, capsys):
    fetch(host.source("plain/data.gz"), tmp_path)
    assert "data.gz: 100%" in capsys.readouterr().err


def test_a_truncated_download_is_continued_where_it_broke(host, tmp_path):
    assert fetch(host.source("truncate/data.gz"), tmp_path).read_bytes() == CONTENT
    starts = [start for _, start in host.asked]
    assert starts[0] == 0
    assert all(80_000 < later - earlier <= 100_000 for earlier, later in pairwise(starts))


def test_a_stalled_download_is_continued_after_the_timeout(host, tmp_path):
    begin = time.perf_counter()
    assert fetch(host.source("stall/data.gz"), tmp_path).read_bytes() == CONTENT
    assert time.perf_counter() - begin < 5
    assert len(host.asked) == 2
    assert host.asked[1][1] > 80_000


def test_a_later_call_continues_what_an_earlier_one_left(host, tmp_path):
    tmp_path.joinpath("data.gz.part").write_bytes(CONTENT[:123_456])
    assert fetch(host.source("plain/data.gz"), tmp_path).read_bytes() == CONTENT
    assert host.asked == [("/plain/data.gz", 123_456)]


def test_a_server_without_ranges_sends_all_again(host, tmp_path):
    tmp_path.joinpath("data.gz.part").write_bytes(CONTENT[:123_456])
    assert fetch(host.source("norange/data.gz"), tmp_path).read_bytes() == CONTENT
    assert len(host.asked) == 1


@pytest.mark.parametrize("left", [b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
def test_a_part_that_is_too_long_is_begun_again(host, tmp_path, left):
    tmp_path.joinpath("data.gz.part").write_bytes(left)
    assert fetch(host.source("plain/data.gz"), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"", b"x" * 1000])
def test_of_a_corrupted_download_nothing_is_kept(host, tmp_path, left):
    path = "corrupt/data.gz"
    if left:  # a part of something else, continued by the right bytes
        tmp_path.joinpath("data.gz.part").write_bytes(left)
        path = "plain/data.gz"
    with pytest.raises(UnavailableError, match=f"something else than the file with {HASH}"):
        fetch(host.source(path), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert fetch(host.source("plain/data.gz"), tmp_path).read_bytes() == CONTENT


def test_a_truncation_that_looks_like_the_end_is_noticed(host, tmp_path):
    with pytest.raises(UnavailableError, match="something else"):
        fetch(host.source("truncate/nolength/data.gz"), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("missing", "answered 404 Not Found"),
        ("circle", "redirects in a circle"),
        ("silent", "sent nothing for 0.5 seconds"),
        ("truncate/norange", r"broke off the download \(calling again continues it\)"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_sentence(host, tmp_path, path, sentence):
    source = host.source(f"{path}/data.gz")
    with pytest.raises(UnavailableError, match=f"^{source.url} {sentence}$") as caught:
        fetch(source, tmp_path)
    assert caught.value.__suppress_context__
    assert not tmp_path.joinpath("data.gz").exists()


def test_without_a_network_the_sentence_comes_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(
        UnavailableError, match=r"^http://127.0.0.1:9/data.gz could not be reached$"
    ):
        fetch(Source("http://127.0.0.1:9/data.gz", HASH), tmp_path)
    assert list(tmp_path.iterdir()) == []
