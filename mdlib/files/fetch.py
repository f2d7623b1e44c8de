"""Download of a published file, known by its hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two arrivals of bytes
RETRIES = 1


class UnavailableError(OSError):
    """Data that is neither on this machine nor to be had from its host."""


class Source(NamedTuple):
    """Where a file is published, and the hash of the file that we mean ("md5:..." or sha256)."""

    url: str
    known_hash: str


def fetch(source: Source, folder: Path) -> Path:
    """Return the path of the published file, downloaded into the folder unless it is there already.

    A file appears under its own name only once it is complete and its hash is right. A download
    that breaks off begins again, once by itself, then with the next call.

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
    library = pooch.create(
        folder, base_url="", registry={name: known_hash}, urls={name: url}, retry_if_failed=RETRIES
    )
    download = pooch.HTTPDownloader(
        progressbar=True,
        chunk_size=1 << 16,
        timeout=TIMEOUT,
        headers={"Accept-Encoding": "identity"},
        hooks={"response": _as_published},
    )
    try:
        return Path(library.fetch(name, downloader=download))
    except ValueError:  # pooch has compared the hashes and deleted the file
        wrong = f"{url} sent something else than the file with {known_hash}; none of it was kept"
        raise UnavailableError(wrong) from None
    except OSError as error:
        if not hasattr(error, "response"):  # not the network's: a full disk, say
            raise
        raise UnavailableError(f"{url} {_what_happened(error)}") from None


def _as_published(response: Any, **_: Any) -> None:
    # The hash is the file's as published: a .gz that its server calls packed stays packed.
    response.raw.headers.pop("Content-Encoding", None)
    if not response.ok:
        response.close()  # pooch does not


def _what_happened(error: Any) -> str:
    if error.response is not None and not error.response.ok:
        return f"answered {error.response.status_code} {error.response.reason}"
    return f"could not be downloaded ({type(error).__name__}: {_reason(error)})"


def _reason(error: Any) -> str:
    """What lies at the bottom of an error of requests: an untrusted certificate, a timeout."""
    while isinstance(inner := _inside(error), BaseException):
        error = inner
    return str(error)


def _inside(error: Any) -> Any:
    return getattr(error, "reason", None) or next(iter(error.args), None)
