"""A file from its authors' host: known by its hash, and continued where a download broke off."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import requests
import urllib3
from tqdm import tqdm

TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two arrivals of bytes
_CHUNK = 1 << 14  # what a broken connection loses at most

# requests raises its own errors until the headers have come, urllib3's pass through after that.
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError)


class UnavailableError(OSError):
    """Data that is neither on this machine nor to be had from its host."""


class Source(NamedTuple):
    """Where a file is published, and the hash of the file that we mean ("md5:..." or sha256)."""

    url: str
    known_hash: str


def fetch(source: Source, folder: Path) -> Path:
    """Return the path of the published file, downloaded into the folder unless it is there already.

    A file appears under its own name only once it is complete and its hash is right. Until then
    its bytes wait in ``<name>.part``, where the next call continues, in this process or another.

    Raises
    ------
    UnavailableError
        If the host cannot be reached, breaks off or falls silent, answers with an error, or
        sends another file.

    Examples
    --------
    >>> import tempfile
    >>> source = Source("https://example.org/a.txt", "md5:e69d79e379651668ae8ecc294c4f7709")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_bytes(b"here already")
    ...     fetch(source, Path(folder)).name
    'a.txt'
    """
    import pooch  # not at the top: in a notebook without widgets importing it warns

    url, known_hash = source
    name = url.rpartition("/")[2]
    try:
        path = pooch.retrieve(
            url, known_hash, fname=name, path=folder, downloader=_continued_download
        )
    except _BROKEN as error:
        raise UnavailableError(f"{url} {_what_happened(error)}") from None
    except ValueError:  # pooch has compared the hashes and deleted the file
        wrong = f"{url} sent something else than the file with {known_hash}; none of it was kept"
        raise UnavailableError(wrong) from None
    return Path(path)


def _continued_download(url: str, output_file: str, _pooch: object) -> None:
    """Download as pooch asks; a connection that brought bytes before it broke is taken up again."""
    part = Path(output_file).with_name(url.rpartition("/")[2] + ".part")
    while True:
        size = _size(part)
        try:
            _append(url, part)
        except _BROKEN:
            if _size(part) <= size:
                raise
        else:
            part.replace(output_file)
            return


def _append(url: str, part: Path) -> None:
    start = _size(part)
    # The hash is the file's as published: no server may pack it once more on the way.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if start and response.status_code == requests.codes.requested_range_not_satisfiable:
            part.unlink()  # as long as the file or longer, so no beginning of it: begin again
            _append(url, part)
            return
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            start = 0  # this server knows no ranges
        length = response.headers.get("Content-Length")
        with (
            part.open("ab" if start else "wb") as file,
            tqdm(
                desc=part.stem,
                total=start + int(length) if length else None,
                initial=start,
                unit="B",
                unit_scale=True,
            ) as bar,
        ):
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _what_happened(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.ReadTimeout | urllib3.exceptions.TimeoutError):
        return f"sent nothing for {TIMEOUT[1]:g} seconds"
    if isinstance(error, urllib3.exceptions.HTTPError):
        return "broke off the download (calling again continues it)"
    if isinstance(error, requests.TooManyRedirects):
        return "redirects in a circle"
    return "could not be reached"
