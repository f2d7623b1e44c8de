"""The authors' image archives, imitated in small: every pixel arrives, no pickle is opened."""

import gzip
import hashlib
import io
import os
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from mdlib.data.images import archives as image_archives
from mdlib.data.images import decoded
from mdlib.data.images import sets as images
from mdlib.data.images.archives import CIFAR10_BATCHES, cifar10_batches
from mdlib.data.images.decoded import decode_images
from mdlib.data.images.sets import load_cifar10, load_digit_images, load_mnist
from mdlib.files.fetch import Source, UnavailableError
from tests.support.stored import sha256_of_members

needs_data = pytest.mark.skipif(
    "MDLIB_DATA" not in os.environ, reason="MDLIB_DATA names no folder with the real data"
)
PER_BATCH = 40


def batch(number, count=PER_BATCH):
    """A batch as Krizhevsky writes it; labels go round, pixels are noise."""
    draw = np.random.default_rng(number)
    rows = draw.integers(0, 256, (count, 3073), dtype=np.uint8)
    rows[:, 0] = np.arange(count) % 10
    return rows.tobytes()


BATCHES = {f"cifar10/{name}.bin.gz": batch(k) for k, name in enumerate(CIFAR10_BATCHES)}


def cifar_archive(path, batches=BATCHES):
    """Other files among the batches, and some that would be written or executed elsewhere."""
    with tarfile.open(path, "w:gz") as tar:

        def add(name, content):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))

        add("cifar-10-batches-bin/readme.html", b"<html>")
        add("../data_batch_1.bin", b"elsewhere")
        add("cifar-10-batches-bin/data_batch_1.pkl", b"cos\nsystem\n(S'false'\ntR.")
        link = tarfile.TarInfo("cifar-10-batches-bin/data_batch_9.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for name, content in reversed(batches.items()):
            add(f"cifar-10-batches-bin/{name[8:-3]}", content)
    return path


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


def mnist_files():
    draw, files = np.random.default_rng(0), {}
    for part, count in (("train", 200), ("t10k", 50)):
        pixels = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        files[f"mnist/{part}-images-idx3-ubyte.gz"] = idx(pixels)
        files[f"mnist/{part}-labels-idx1-ubyte.gz"] = idx(np.arange(count, dtype=np.uint8) % 10)
    return files


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def published(tmp_path, cache, monkeypatch):
    """The small archives on a local server, as if it were their authors', and an empty cache."""
    folder = tmp_path / "published"
    folder.mkdir()
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=folder)) as server:

        def source(path):
            url = f"http://127.0.0.1:{server.server_port}/{path.name}"
            return Source(url, sha256(path.read_bytes()))

        for name, content in mnist_files().items():
            path = folder / name.removeprefix("mnist/")
            path.write_bytes(gzip.compress(content))
            monkeypatch.setitem(image_archives.MNIST, path.name, source(path))
            monkeypatch.setitem(images.MNIST_FILES, name, sha256(content))
        archive = cifar_archive(folder / "cifar-10-binary.tar.gz")
        monkeypatch.setattr(image_archives, "CIFAR10", source(archive))
        for name, content in BATCHES.items():
            monkeypatch.setitem(images.CIFAR10_FILES, name, sha256(content))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr("mdlib.files.fetch.RETRIES", 0)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder
        server.shutdown()
        thread.join()


LOADERS = {
    "mnist": load_mnist,
    "original": partial(load_cifar10, "original"),
}


@pytest.mark.parametrize("name", LOADERS)
def test_images_are_fetched_converted_and_then_there_without_the_host(published, name):
    fetched = LOADERS[name]()
    for archive in published.iterdir():
        archive.unlink()
    for one, other in zip(fetched, LOADERS[name](), strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
    assert not list(published.parent.glob("cache/*/archives"))


@pytest.mark.parametrize("name", LOADERS)
def test_a_host_that_does_not_have_them_is_named(published, name):
    for archive in published.iterdir():
        archive.unlink()
    with pytest.raises(UnavailableError, match=r"^(mnist|cifar10)/.* answered 404 .*; go online"):
        LOADERS[name]()


@pytest.mark.parametrize("name", LOADERS)
def test_a_tenth_of_each_class_is_held_out_of_train_alone(published, name):
    train, validation, test = LOADERS[name]()
    whole = 200  # images to train on, 20 of each class
    assert (len(train), len(validation)) == (whole * 9 // 10, whole // 10)
    assert validation.labels.bincount().tolist() == [2] * 10
    assert len(test) == {"mnist": 50}.get(name, PER_BATCH)
    for part in (train, validation, test):
        assert part.images.dtype == torch.uint8
        assert part.images.is_contiguous()
        assert part.labels.dtype == torch.int64


def test_every_pixel_of_mnist_is_where_it_was(published):
    train, validation, test = load_mnist()
    files = list(mnist_files().values())
    assert idx(test.images[:, 0].numpy()) == files[2]
    rows = {bytes(image.numpy()) for part in (train, validation) for image in part.images}
    assert rows == {files[0][16 + 784 * i :][:784] for i in range(200)}


def test_every_pixel_of_cifar10_is_where_it_was(published):
    """Each row of the author's file is a label, then all of red, of green, of blue, row by row."""
    train, validation, test = load_cifar10("original")
    *_, last = BATCHES.values()
    for i, (image, label) in enumerate(zip(test.images, test.labels, strict=True)):
        row = last[3073 * i :][:3073]
        assert row[0] == label
        for channel, y, x in ((0, 0, 0), (0, 0, 1), (1, 5, 30), (2, 31, 7)):
            assert image[channel, y, x] == row[1 + 1024 * channel + 32 * y + x]
    everything = b"".join(list(BATCHES.values())[:5])
    expected = {everything[i : i + 3073] for i in range(0, len(everything), 3073)}
    found = {
        bytes([label]) + bytes(image.numpy())
        for part in (train, validation)
        for image, label in zip(part.images, part.labels.tolist(), strict=True)
    }
    assert found == expected


def test_an_archive_without_a_batch_is_refused(tmp_path):
    cut = {name: content for name, content in BATCHES.items() if "batch_3" not in name}
    with pytest.raises(ValueError, match=r"a\.tar\.gz lacks data_batch_3"):
        cifar10_batches(cifar_archive(tmp_path / "a.tar.gz", cut))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


# ---- JPEG files ---------------------------------------------------------------------------------


def jpegs(count, seed, side=32):
    """Smooth images and their files, end to end."""
    draw, files, pictures = np.random.default_rng(seed), [], []
    for _ in range(count):
        corners = draw.integers(0, 256, (2, 2, 3), dtype=np.uint8)
        picture = Image.fromarray(corners).resize((side, side), Image.Resampling.BILINEAR)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=95)
        files.append(np.frombuffer(file.getvalue(), np.uint8))
        pictures.append(np.asarray(picture))
    return np.concatenate(files), np.cumsum([0, *map(len, files)]), np.stack(pictures)


@pytest.fixture
def compressed(tmp_path, cache, monkeypatch):
    """JPEG versions of CIFAR-10 of 40 and 10 images under MDLIB_DATA."""
    pictures = {}
    for part, count in (("train", 40), ("test", 10)):
        jpeg, offsets, pictures[part] = jpegs(count, seed=count)
        content, name = io.BytesIO(), f"cifar10/{part}_jpeg.npz"
        labels = np.arange(count) % 4
        np.savez_compressed(content, jpeg=jpeg, offsets=offsets, labels=labels)
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.getvalue())
        monkeypatch.setitem(images.CIFAR10_JPEG_FILES, name, sha256_of_members(content))
    monkeypatch.setenv("MDLIB_DATA", str(tmp_path / "data"))
    return pictures


def test_jpeg_files_come_back_in_their_colors_and_places(compressed):
    train, validation, test = load_cifar10("jpeg")
    assert (len(train), len(validation), len(test)) == (36, 4, 10)
    error = test.images.int() - torch.from_numpy(compressed["test"].copy()).permute(0, 3, 1, 2)
    assert error.abs().double().mean() < 3  # unrelated images differ by dozens
    assert error.abs().max() < 40


def test_what_was_decoded_is_kept(compressed, monkeypatch, tmp_path):
    first = load_cifar10("jpeg")

    def refuse(*args):
        raise AssertionError("this was kept")

    with monkeypatch.context() as patched:
        patched.setattr(decoded.Image, "open", refuse)
        again = load_cifar10("jpeg")
    assert torch.equal(first[0].images, again[0].images)
    for path in tmp_path.glob("cache/decoded/*.npy"):
        path.write_bytes(path.read_bytes()[:1000])
    assert torch.equal(load_cifar10("jpeg")[0].images, first[0].images)


def test_other_files_of_the_same_lengths_are_other_images(compressed):
    """Zeros after a file are not looked at: all are brought to one length."""
    found = []
    for seed in (0, 1):
        file, _, (picture,) = jpegs(1, seed)
        padded = np.pad(file, (0, 3000 - len(file)))
        pixels = decode_images(padded, np.array([0, 3000]), 32, 32)
        error = pixels[0].transpose(1, 2, 0).astype(int) - picture
        assert np.abs(error).mean() < 3
        found.append(pixels)
    assert not np.array_equal(*found)


def test_what_another_library_decoded_is_not_taken(compressed, monkeypatch):
    jpeg, offsets, _ = jpegs(1, seed=0)
    decode_images(jpeg, offsets, 32, 32)
    monkeypatch.setattr(decoded.features, "version", lambda name: f"another {name}")
    monkeypatch.setattr(decoded.Image, "open", lambda file: Image.new("RGB", (32, 32), "white"))
    assert (decode_images(jpeg, offsets, 32, 32) == 255).all()


def test_an_image_of_another_size_is_refused(compressed):
    jpeg, offsets, _ = jpegs(1, seed=0, side=16)
    with pytest.raises(ValueError, match=r"image 0 is \(16, 16\), not 32 x 32"):
        decode_images(jpeg, offsets, 32, 32)


def test_nobody_is_asked_for_the_jpeg_files(cache):
    with pytest.raises(UnavailableError, match="no host publishes them; let MDLIB_DATA name"):
        load_cifar10("jpeg")


# ---- the names ----------------------------------------------------------------------------------


def test_versions_of_cifar10_never_share_a_name(published, compressed):
    sources = ("original", "jpeg")
    names = [part.name for source in sources for part in load_cifar10(source)]
    assert names == [
        *("CIFAR-10 train", "CIFAR-10 validation", "CIFAR-10 test"),
        *("CIFAR-10 jpeg train", "CIFAR-10 jpeg validation", "CIFAR-10 jpeg test"),
    ]
    with pytest.raises(ValueError, match="original or jpeg, got 'cifar'"):
        load_cifar10("cifar")


def test_digits_are_all_there_once_with_their_labels():
    parts, digits = load_digit_images(), load_digits()
    found = sorted(
        (label, *image.flatten().tolist())
        for part in parts
        for image, label in zip(part.images, part.labels.tolist(), strict=True)
    )
    levels = np.round(digits.images * 255 / 16).astype(int)
    expected = sorted(
        (label, *image.flatten().tolist())
        for image, label in zip(levels, digits.target.tolist(), strict=True)
    )
    assert found == expected
    for part in parts[1:]:
        counts = part.labels.bincount()
        assert counts.max() - counts.min() <= 2


# ---- the real files -----------------------------------------------------------------------------


@needs_data
def test_the_real_mnist():
    train, validation, test = load_mnist()
    assert (len(train) + len(validation), len(test)) == (60_000, 10_000)
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.skipif(
    not Path(os.environ.get("MDLIB_DATA", "."), "cifar10", "test.npz").exists(),
    reason="MDLIB_DATA holds no lossless images to compare with",
)
def test_the_real_versions_show_the_same_images():
    """Twenty JPEG files against the lossless pixels at their places."""
    folder = Path(os.environ["MDLIB_DATA"], "cifar10")
    with np.load(folder / "test.npz") as exact, np.load(folder / "test_jpeg.npz") as lossy:
        pixels, offsets, files = exact["images"][:20], lossy["offsets"][:21], lossy["jpeg"]
        assert (exact["labels"] == lossy["labels"][:1017]).all()
    for i, image in enumerate(pixels):
        file = io.BytesIO(files[offsets[i] : offsets[i + 1]].tobytes())
        error = np.abs(np.asarray(Image.open(file).convert("RGB")).astype(int) - image)
        assert error.mean() < 13
