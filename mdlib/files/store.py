"""Where a data set's files are: under $MDLIB_DATA, in the user's cache, or to be built and kept.

A file is named by its path in one fixed layout, such as ``imdb/train.jsonl.gz``, and known by the
sha256 of its *unpacked* bytes, which no version of gzip changes. Those of an ``.npz`` are its
members, one after the other in the order of their names.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

from mdlib.files.atomic import whole_file
from mdlib.files.fetch import UnavailableError


def cache_folder() -> Path:
    """Return the folder in the user's cache that keeps what was fetched."""
    import pooch  # not at the top: in a notebook without widgets importing it warns

    return Path(pooch.os_cache("attention-in-the-mirror"))


def read_files(
    files: Mapping[str, str], build: Callable[[Path], Mapping[str, bytes]] | None
) -> dict[str, bytes]:
    """Return the contents of a data set's files, each checked against its hash.

    A ``.gz`` is unpacked; an ``.npz`` is returned as it is, for `numpy.load`.

    Each file is looked for in the folder that the environment variable MDLIB_DATA names, then in
    the cache. If one is in neither, all are built once, checked and kept in the cache; of several
    processes that ask at a time, one builds and the others wait.

    Parameters
    ----------
    files : mapping from name to sha256
        Names end in ``.gz`` or ``.npz``; the hash is that of the unpacked bytes, in hexadecimal
        digits.
    build : callable or None
        From a folder for archives, which is removed when all went well, to the contents of every
        file, as they are returned. None: there is no host to fetch them from.

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
            content = _read(own / name)
            if content is None or _sha256(name, content) != sha256:
                raise ValueError(
                    f"{own / name}, found through MDLIB_DATA, is damaged or another version: its "
                    f"unpacked bytes should have the sha256 {sha256}; replace it or remove it"
                )
            found[name] = content
        elif (cache / name).exists():
            content = _read(cache / name)
            if content is not None and _sha256(name, content) == sha256:
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
    files: Mapping[str, str], build: Callable[[Path], Mapping[str, bytes]] | None, cache: Path
) -> dict[str, bytes]:
    own = os.environ.get("MDLIB_DATA") or "not set"
    absent = (
        f"{', '.join(files)}: neither under MDLIB_DATA ({own}) nor in the cache ({cache}), and "
    )
    remedy = "let MDLIB_DATA name a folder that holds them"
    if build is None:
        raise UnavailableError(f"{absent}no host publishes them; {remedy}")
    archives = (cache / next(iter(files))).parent / "archives"
    try:
        built = dict(build(archives))
    except UnavailableError as error:
        raise UnavailableError(f"{absent}{error}; go online once, or {remedy}") from None
    for name, sha256 in files.items():
        if (found := _sha256(name, built[name])) != sha256:
            raise ValueError(
                f"the published archives hold another {name}: expected the sha256 {sha256}, "
                f"got {found}; please report it"
            )
    for name in files:
        packed = name.endswith(".gz")
        write_whole(
            cache / name,
            gzip.compress(built[name], compresslevel=9, mtime=0) if packed else built[name],
        )
    shutil.rmtree(archives, ignore_errors=True)
    return built


def _read(path: Path) -> bytes | None:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return None


def _sha256(name: str, content: bytes) -> str | None:
    """The hash of the unpacked bytes; None for an .npz that cannot be unpacked."""
    if not name.endswith(".npz"):
        return hashlib.sha256(content).hexdigest()
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in sorted(archive.namelist()):
                digest.update(archive.read(member))
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError):
        return None
    return digest.hexdigest()
