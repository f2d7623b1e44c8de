"""Downloads from a server that truncates, corrupts, stalls, redirects and refuses."""

import errno
import gzip
import hashlib
import os
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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
        self.asked = 0
        self.released = threading.Event()  # ends a stall

    def source(self, path, known_hash=HASH):
        return Source(f"http://127.0.0.1:{self.server_port}/{path}", known_hash)


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        faults = self.path.strip("/").split("/")
        self.server.asked += 1
        if "once" in faults and self.server.asked > 1:
            faults = []
        if "redirect" in faults:
            self.answer(302, Location=self.path.replace("/redirect", ""))
        elif "circle" in faults:
            self.answer(302, Location=self.path)
        elif "missing" in faults:
            self.answer(404)
        else:
            self.send(faults)

    def send(self, faults):
        body = CONTENT
        if "corrupt" in faults:
            body = body[:-1] + bytes([body[-1] ^ 1])
        length = {} if "nolength" in faults else {"Content-Length": str(len(body))}
        # Some servers say this of every .gz file; the bytes are to be kept as they are.
        packed = {"Content-Encoding": "gzip"} if "packed" in faults else {}
        if "packing" in faults and "gzip" in self.headers.get("Accept-Encoding", "gzip"):
            body, packed = gzip.compress(body), {"Content-Encoding": "gzip"}
        self.answer(200, **length, **packed)
        if "truncate" in faults:
            body = body[:100_000]
        if "stall" in faults:
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
    monkeypatch.setattr(module, "RETRIES", 0)
    with Host() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["plain", "redirect/plain", "nolength", "packed", "packing"])
def test_a_file_is_fetched_once_and_nothing_else_is_left(host, tmp_path, path):
    source = host.source(f"{path}/data.gz")
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    asked = host.asked
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    assert host.asked == asked
    assert [path.name for path in tmp_path.iterdir()] == ["data.gz"]


def test_a_download_shows_how_far_it_is(host, tmp_path, capsys):
    fetch(host.source("plain/data.gz"), tmp_path)
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["truncate", "stall", "corrupt", "missing"])
def test_what_went_wrong_once_is_tried_again_from_the_beginning(host, tmp_path, monkeypatch, fault):
    monkeypatch.setattr(module, "RETRIES", 1)
    assert fetch(host.source(f"{fault}/once/data.gz"), tmp_path).read_bytes() == CONTENT
    assert host.asked == 2
    assert [path.name for path in tmp_path.iterdir()] == ["data.gz"]


def test_of_a_corrupted_download_nothing_is_kept(host, tmp_path):
    with pytest.raises(UnavailableError, match=f"something else than the file with {HASH}"):
        fetch(host.source("corrupt/data.gz"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert fetch(host.source("plain/data.gz"), tmp_path).read_bytes() == CONTENT


def test_a_file_that_is_not_the_published_one_is_replaced(host, tmp_path):
    """Half of it, say, after the machine lost power."""
    tmp_path.joinpath("data.gz").write_bytes(CONTENT[:1000])
    assert fetch(host.source("plain/data.gz"), tmp_path).read_bytes() == CONTENT


def test_a_truncation_that_looks_like_the_end_is_noticed(host, tmp_path):
    with pytest.raises(UnavailableError, match="something else"):
        fetch(host.source("truncate/nolength/data.gz"), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("missing", "answered 404 Not Found"),
        ("circle", r"could not be downloaded \(TooManyRedirects: Exceeded 30 redirects.\)"),
        ("silent", r"could not be downloaded \(ConnectionError: .*Read timed out.*\)"),
        ("stall", r"could not be downloaded \(ConnectionError: .*Read timed out.*\)"),
        ("truncate", r"could not be downloaded \(ChunkedEncodingError: .*\d more expected.*\)"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_sentence(host, tmp_path, path, sentence):
    source = host.source(f"{path}/data.gz")
    with pytest.raises(UnavailableError, match=f"^{source.url} {sentence}$") as caught:
        fetch(source, tmp_path)
    assert caught.value.__suppress_context__
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_there_is_one_sentence_too(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "RETRIES", 0)
    sentence = r"^http://127.0.0.1:9/data.gz could not be downloaded \(ConnectionError: .*refused"
    with pytest.raises(UnavailableError, match=sentence):
        fetch(Source("http://127.0.0.1:9/data.gz", HASH), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_why_a_host_is_not_trusted_is_said(host, tmp_path):
    """Here it does not speak TLS at all; an unknown certificate takes the same way."""
    url = host.source("plain/data.gz").url.replace("http:", "https:")
    with pytest.raises(UnavailableError, match=r"downloaded \(SSLError: \[SSL.*\] .*\)$"):
        fetch(Source(url, HASH), tmp_path)


def self_signed(folder):
    """A certificate that nobody has signed, for this machine."""
    files = [str(folder / name) for name in ("key.pem", "certificate.pem")]
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout"]
    subprocess.run(["openssl", *words, files[0], "-out", files[1]], check=True, capture_output=True)
    return reversed(files)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl for a certificate")
def test_an_unknown_certificate_is_the_reason(host, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    host.socket = context.wrap_socket(host.socket, server_side=True)
    host.handle_error = lambda *_: None  # the client hangs up
    url = host.source("plain/data.gz").url.replace("http:", "https:")
    with pytest.raises(UnavailableError, match=r"SSLError: .*CERTIFICATE_VERIFY_FAILED.* self-si"):
        fetch(Source(url, HASH), tmp_path / "cache")


def test_a_full_disk_is_not_taken_for_the_network(host, tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pooch.core.shutil.move", full)
    with pytest.raises(OSError, match="No space left") as caught:
        fetch(host.source("plain/data.gz"), tmp_path)
    assert not isinstance(caught.value, UnavailableError)
