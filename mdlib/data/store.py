"""Where a data set's files are: under $MDLIB_DATA, in the user's cache, or to be built and kept.

A file is named by its path in one fixed layout, such as ``imdb/train.jsonl.gz``, and known by the
sha256 of its *unpacked* bytes, which no version of gzip changes.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

from mdlib.atomic import whole_file
from mdlib.data.fetch import UnavailableError


def cache_folder() -> Path:
    """Return the folder in the user's cache that keeps what was fetched."""
    import pooch  # not at the top: in a notebook without widgets importing it warns

    return Path(pooch.os_cache("attention-in-the-mirror"))


def read_files(
    files: Mapping[str, str], build: Callable[[Path], Mapping[str, bytes]]
) -> dict[str, bytes]:
    """Return the unpacked bytes of a data set's files, each checked against its hash.

    Each file is looked for in the folder that the environment variable MDLIB_DATA names, then in
    the cache. If one is in neither, all are built once, checked and kept in the cache; of several
    processes that ask at a time, one builds and the others wait.

    Parameters
    ----------
    files : mapping from name to sha256
        Names end in ``.gz``; the hash is that of the unpacked bytes, in hexadecimal digits.
    build : callable
        From a folder for archives, which is removed when all went well, to the unpacked bytes of
        every file.

    Raises
    ------
    UnavailableError
        If the files are not here and cannot be fetched.
    ValueError
        If MDLIB_DATA is no folder or a file in it is damaged, or what was built has another hash.
    """
    cache = cache_folder()
    found = _look_up(files, cache)
    if len(found) < len(files):
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / ".lock"):
            found = _look_up(files, cache)  # another process may have built them meanwhile
            if len(found) < len(files):
                found = _build(files, build, cache)
    return {name: found[name] for name in files}


def write_whole(path: Path, content: bytes) -> None:
    """Write a file and the folders above it, the file whole or not at all.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder, "a.txt"), b"whole")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(content)


def _look_up(files: Mapping[str, str], cache: Path) -> dict[str, bytes]:
    """Unpack the files that are here; a damaged one in the cache counts as absent."""
    own = _own_folder()
    found = {}
    for name, sha256 in files.items():
        if own and (own / name).exists():
            content = _unpack(own / name)
            if content is None or _sha256(content) != sha256:
                raise ValueError(
                    f"{own / name}, found through MDLIB_DATA, is damaged or another version: its "
                    f"unpacked bytes should have the sha256 {sha256}; replace it or remove it"
                )
            found[name] = content
        elif (cache / name).exists():
            content = _unpack(cache / name)
            if content is not None and _sha256(content) == sha256:
                found[name] = content
    return found


def _own_folder() -> Path | None:
    named = os.environ.get("MDLIB_DATA")
    if not named:
        return None
    if not Path(named).is_dir():
        raise ValueError(f"MDLIB_DATA is {named!r}, which is no folder; correct or unset it")
    return Path(named)


def _build(
    files: Mapping[str, str], build: Callable[[Path], Mapping[str, bytes]], cache: Path
) -> dict[str, bytes]:
    archives = (cache / next(iter(files))).parent / "archives"
    try:
        built = dict(build(archives))
    except UnavailableError as error:
        own = os.environ.get("MDLIB_DATA") or "not set"
        raise UnavailableError(
            f"{', '.join(files)}: neither under MDLIB_DATA ({own}) nor in the cache ({cache}), and "
            f"{error}; go online once, or let MDLIB_DATA name a folder that holds them"
        ) from None
    for name, sha256 in files.items():
        if _sha256(built[name]) != sha256:
            raise ValueError(
                f"the published archives hold another {name}: expected the sha256 {sha256}, "
                f"got {_sha256(built[name])}; please report it"
            )
    for name in files:
        write_whole(cache / name, gzip.compress(built[name], compresslevel=9, mtime=0))
    shutil.rmtree(archives, ignore_errors=True)
    return built


def _unpack(path: Path) -> bytes | None:
    try:
        return gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
