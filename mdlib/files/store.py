"""Files of data sets, under $MDLIB_DATA or in the user's cache, and the cache of what is computed.

A published file is named by its path in one fixed layout, such as ``imdb/train.jsonl.gz``, and
known by the sha256 of its *unpacked* bytes, which no version of gzip changes. Those of an ``.npz``
are its members, one after the other in the order of their names.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from mdlib.files.atomic import write_whole
from mdlib.files.fetch import UnavailableError

T = TypeVar("T")
Build = Callable[[Path], Mapping[str, bytes]]

# What reading a damaged file raises: half a JSON or .npy, half a .gz, half an .npz.
_DAMAGED = (ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile)


def cache_folder() -> Path:
    """Return the folder in the user's cache that keeps what was fetched or computed."""
    import pooch  # not at the top: in a notebook without widgets importing it warns

    return Path(pooch.os_cache("attention-in-the-mirror"))


def kept(
    name: str,
    read: Callable[[Path], T],
    make: Callable[[], T],
    write: Callable[[Path, T], None],
) -> T:
    """Return what the cache keeps under a name; make and write it if it is absent or damaged.

    Of several processes that ask at a time one makes it, and the others wait.

    Parameters
    ----------
    name : str
        Path of a file or a folder in the cache. It has to tell apart all that makes a difference:
        a `key` does.
    read : function
        From the path to what is there. It may raise what damaged files make it raise.
    make : function
    write : function
        Of the path, whose parent is there, and what was made. It writes whole files or none.

    Examples
    --------
    >>> read, make = Path.read_bytes, lambda: b"made"
    >>> kept(f"{key({'of': 'this'})}/a.txt", read, make, write_whole)  # doctest: +SKIP
    b'made'
    """
    path = cache_folder() / name
    with suppress(FileNotFoundError, *_DAMAGED):
        return read(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        with suppress(FileNotFoundError, *_DAMAGED):
            return read(path)  # another process has made it meanwhile
        made = make()
        write(path, made)
    return made


def key(how: object, *content: bytes) -> str:
    """Return a name for what is computed from this: plain values that JSON can tell, and bytes.

    Examples
    --------
    >>> key({"size": 8}) == key({"size": 8}), key({"size": 8}) == key({"size": 9})
    (True, False)
    """
    digest = hashlib.sha256(json.dumps(how, sort_keys=True).encode())
    for one in content:
        digest.update(one)
    return digest.hexdigest()[:32]


def read_files(files: Mapping[str, str], build: Build | None) -> dict[str, bytes]:
    """Return the contents of a data set's files, each checked against its hash.

    A ``.gz`` is unpacked; an ``.npz`` is returned as it is, for `numpy.load`.

    Each file is looked for in the folder that the environment variable MDLIB_DATA names, then in
    the cache. If one is in neither, all are built once, checked and kept in the cache; of several
    processes that ask at a time, one builds and the others wait.

    Parameters
    ----------
    files : mapping from name to sha256
        All ``<folder>/<file>`` with one folder, and ending in ``.gz`` or ``.npz``; the hash is
        that of the unpacked bytes, in hexadecimal digits.
    build : function or None
        From a folder for archives, which is removed when all went well, to the contents of every
        file, as they are returned. None: there is no host to fetch them from.

    Raises
    ------
    UnavailableError
        If the files are not here and cannot be fetched.
    ValueError
        If MDLIB_DATA is no folder or a file in it is damaged, or what was built has another hash.
    """
    found = _own(files)
    absent = {name: sha256 for name, sha256 in files.items() if name not in found}
    if absent:
        built = kept(
            next(iter(files)).partition("/")[0],
            read=lambda folder: {
                name: _checked(folder / Path(name).name, sha256) for name, sha256 in absent.items()
            },
            make=lambda: _built(files, build),
            write=_keep,
        )
        found |= built
    return {name: found[name] for name in files}


def _own(files: Mapping[str, str]) -> dict[str, bytes]:
    """The contents of those files that are under MDLIB_DATA."""
    named = os.environ.get("MDLIB_DATA")
    if not named:
        return {}
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise ValueError(f"MDLIB_DATA is {named!r}, which is no folder; correct or unset it")
    found = {}
    for name, sha256 in files.items():
        path = folder / name
        if path.exists():
            try:
                found[name] = _checked(path, sha256)
            except _DAMAGED:
                raise ValueError(
                    f"{path}, found through MDLIB_DATA, is damaged or another version: its "
                    f"unpacked bytes should have the sha256 {sha256}; replace it or remove it"
                ) from None
    return found


def _checked(path: Path, sha256: str) -> bytes:
    """A file's content, unpacked; one of `_DAMAGED` if it is not the one with this hash."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    if _sha256(path.name, content) != sha256:
        raise ValueError(f"{path} is another file")
    return content


def _built(files: Mapping[str, str], build: Build | None) -> dict[str, bytes]:
    cache, own = cache_folder(), os.environ.get("MDLIB_DATA") or "not set"
    absent = (
        f"{', '.join(files)}: neither under MDLIB_DATA ({own}) nor in the cache ({cache}), and "
    )
    remedy = "let MDLIB_DATA name a folder that holds them"
    if build is None:
        raise UnavailableError(f"{absent}no host publishes them; {remedy}")
    try:
        built = build((cache / next(iter(files))).parent / "archives")
    except UnavailableError as error:
        raise UnavailableError(f"{absent}{error}; go online once, or {remedy}") from None
    for name, sha256 in files.items():
        if (found := _sha256(name, built[name])) != sha256:
            raise ValueError(
                f"the published archives hold another {name}: expected the sha256 {sha256}, "
                f"got {found}; please report it"
            )
    return {name: built[name] for name in files}


def _keep(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        packed = gzip.compress(content, 9, mtime=0) if name.endswith(".gz") else content
        write_whole(folder / Path(name).name, packed)
    shutil.rmtree(folder / "archives", ignore_errors=True)


def _sha256(name: str, content: bytes) -> str:
    """The hash of the unpacked bytes; one of `_DAMAGED` for an .npz that cannot be unpacked."""
    if not name.endswith(".npz"):
        return hashlib.sha256(content).hexdigest()
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in sorted(archive.namelist()):
                digest.update(archive.read(member))
    except NotImplementedError as error:  # a damaged header names a way of packing that is none
        raise ValueError(str(error)) from None
    return digest.hexdigest()
