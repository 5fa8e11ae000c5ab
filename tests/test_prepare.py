import gzip
import io
import os
import shutil
import socket
import tarfile
import time

import numpy as np
import pytest

from helpers import datasets, files
from helpers.datasets import preparing, unpack
from helpers.errors import StudyError


def picture(colour=(200, 30, 30)):
    from PIL import Image

    content = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(content, "JPEG")
    return content.getvalue()


def pack(path, entries, *, mode="w:xz"):
    """Writes a tar of (name, bytes) or TarInfo entries."""
    with tarfile.open(path, mode) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                member = tarfile.TarInfo(entry[0])
                member.size = len(entry[1])
                tar.addfile(member, io.BytesIO(entry[1]))
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def refused(*arguments, **options):
    with pytest.raises(StudyError) as caught:
        preparing.prepare(*arguments, progress=lambda line: None, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def leftovers(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


@pytest.fixture(autouse=True)
def no_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def no_network(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    closed = f"http://127.0.0.1:{port}/archive"
    monkeypatch.setattr(preparing, "PROBES", {"mnist": closed, "cifar10": closed})
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def copied_archives(shared_data, tmp_path):
    return shutil.copytree(shared_data / "archives", tmp_path / "archives", copy_function=shutil.copyfile)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_without_network_both_remedies_are_named_before_tfds_is_tried(own_data_dir, no_network, name):
    message = refused(name)
    assert f"study prepare {name} --archives DIR" in message and f"study prepare {name}-standin" in message
    assert leftovers(own_data_dir) == []


def test_a_host_that_never_answers_is_given_up(monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(preparing, "PROBE_TIMEOUT_S", 0.2)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        start = time.monotonic()
        assert preparing._probe(f"http://127.0.0.1:{silent.getsockname()[1]}/") is not None
        assert time.monotonic() - start < 60  # not the 205 s of TFDS


@pytest.mark.slow
def test_real_mnist_is_prepared_from_the_official_archives(shared_data, own_data_dir):
    lines = []
    place = preparing.prepare("mnist", archives=shared_data / "archives", progress=lines.append)
    assert place == own_data_dir / "tfds" / "mnist" / "3.0.1"
    with gzip.open(shared_data / "archives" / "t10k-images-idx3-ubyte.gz") as file:
        official = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)

    train, test = datasets.load_arrays("mnist"), datasets.load_arrays("mnist", split="test")
    assert train.images.shape == (60_000, 28, 28, 1) and train.description.real
    assert train.description.label == "MNIST"
    assert sorted(image.tobytes() for image in test.images) == sorted(image.tobytes() for image in official)
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert sorted(os.listdir(own_data_dir)) == ["decoded", "tfds"]

    preparing.prepare("mnist", progress=lines.append)
    assert "already prepared" in lines[-1]


def test_a_truncated_archive_is_refused(copied_archives, own_data_dir):
    victim = copied_archives / "train-images-idx3-ubyte.gz"
    victim.write_bytes(victim.read_bytes()[:5000])
    assert f"{victim} is truncated (got 5000 bytes" in refused("mnist", archives=copied_archives)
    assert leftovers(own_data_dir) == []


def test_an_altered_archive_is_refused(copied_archives, own_data_dir):
    victim = copied_archives / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(victim.read_bytes())
    content[2000] ^= 1
    victim.write_bytes(content)
    assert f"{victim} is altered (got sha256" in refused("mnist", archives=copied_archives)
    assert leftovers(own_data_dir) == []


def test_missing_archives_are_named(tmp_path, own_data_dir):
    assert "missing train-images-idx3-ubyte.gz" in refused("mnist", archives=tmp_path)
    assert "must name a folder or file that exists" in refused("mnist", archives=tmp_path / "none")
    (tmp_path / "data.tar.gz").touch()
    assert "cifar-10-binary.tar.gz" in refused("cifar10", archives=tmp_path / "data.tar.gz")
    assert "takes no archives" in refused("mnist-standin", archives=tmp_path)
    assert leftovers(own_data_dir) == []


def test_a_disk_without_room_is_refused_first(own_data_dir, monkeypatch):
    full = shutil._ntuple_diskusage(10**12, 10**12 - 10**6, 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    assert "needs 64 MiB" in refused("mnist-standin")
    assert leftovers(own_data_dir) == []


def test_a_disk_that_fills_up_leaves_nothing(own_data_dir, monkeypatch):
    from helpers.datasets import stand_ins

    def fill(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stand_ins, "write_mnist_archives", fill)
    assert "is full" in refused("mnist-standin")
    assert leftovers(own_data_dir) == []


def test_a_download_that_fails_midway_is_one_line_and_leaves_nothing(own_data_dir, monkeypatch):
    import requests
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.download.util import DownloadError

    monkeypatch.setattr(preparing, "_probe", lambda url: None)
    for failure, expected in (
        (requests.exceptions.ConnectionError("cut\noff"), "must end whole (got cut)"),
        (ConnectionResetError("reset"), "must end whole (got reset)"),
        (DownloadError("status 404"), "must end whole (got status 404)"),
        (NonMatchingChecksumError("Artifact x has wrong checksum:\n* Expected"), "not the official file"),
    ):

        def build(*_, failure=failure, **__):
            raise failure

        monkeypatch.setattr(preparing, "build", build)
        message = refused("mnist")
        assert expected in message and "--archives DIR" in message
    assert leftovers(own_data_dir) == []


def test_a_data_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "must be writable" in refused("mnist-standin", data_dir=tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into read-only folders")
def test_a_read_only_data_folder_is_refused(tmp_path):
    (tmp_path / "fixed").mkdir(mode=0o500)
    assert "must be writable" in refused("mnist-standin", data_dir=tmp_path / "fixed")


def test_what_a_killed_preparation_left_is_removed(own_data_dir, tmp_path, orphan_in):
    orphan_in(own_data_dir)
    archive = pack(tmp_path / "red.tar.xz", [("red/a/0.jpg", picture())])
    preparing.prepare("folder:red", archives=archive, progress=lambda line: None)
    assert sorted(os.listdir(own_data_dir)) == ["folders"]


def test_what_a_killed_process_left_beside_the_decoded_images_is_removed(own_data_dir, picture_folder, orphan_in):
    with files.working_folder(own_data_dir / "decoded") as alive:
        killed = orphan_in(own_data_dir / "decoded")
        datasets.load_arrays(f"folder:{picture_folder}", examples=3)
        assert not killed.exists() and alive.exists()
    assert len(list((own_data_dir / "decoded").glob("*/images.npy"))) == 1


@pytest.mark.parametrize("prefix", ["", "flowers/", "./flowers/", "flowers/train/", "train/"])
def test_a_folder_archive_is_unpacked_with_or_without_a_folder_around(own_data_dir, tmp_path, prefix):
    entries = [(f"{prefix}{c}/{i}.jpg", picture((i, 9, 9))) for c in ("rose", "tulip") for i in range(3)]
    pack(tmp_path / "flowers.tar.gz", [*entries, (f"{prefix}README", b"hello")], mode="w:gz")
    place = preparing.prepare("folder:flowers", archives=tmp_path, progress=lambda line: None)
    assert place == own_data_dir / "folders" / "flowers"
    _, labels, classes = datasets.named("folder:flowers").files()
    assert classes == ["rose", "tulip"] and labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert not list(place.rglob("README"))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (("../../outside.jpg", b"x"), "must not reach outside"),
        (("bad/../../../outside.jpg", b"x"), "must not reach outside"),
        (("/tmp/outside.jpg", b"x"), "must not reach outside"),
        (("bad\\..\\outside.jpg", b"x"), "must not reach outside"),
        (("C:/outside.jpg", b"x"), "must not reach outside"),
        (link("bad/a/1.jpg", "/etc/passwd"), "link or device"),
        (link("bad/a", "/tmp"), "link or device"),
        (link("bad/a/1.jpg", "bad/a/0.jpg", tarfile.LNKTYPE), "link or device"),
        (link("bad/a/pipe.jpg", "", tarfile.FIFOTYPE), "link or device"),
        (("bad/a/0.jpg", b"again"), "twice"),
    ],
)
def test_an_archive_that_reaches_out_is_refused_before_anything_is_written(own_data_dir, tmp_path, entry, expected):
    archive = pack(tmp_path / "bad.tar.xz", [("bad/a/0.jpg", picture()), entry])
    assert expected in refused("folder:bad", archives=archive)
    assert leftovers(own_data_dir) == []
    assert not list(tmp_path.rglob("outside.jpg"))


def test_an_archive_larger_than_its_limits_is_refused(own_data_dir, tmp_path, monkeypatch):
    archive = pack(tmp_path / "big.tar.xz", [(f"big/a/{i}.jpg", b"x" * 1000) for i in range(5)])
    with monkeypatch.context() as patched:
        patched.setattr(unpack, "MOST_FILES", 4)
        assert "at most" in refused("folder:big", archives=archive)
    monkeypatch.setattr(unpack, "MOST_BYTES", 4000)
    assert "at most" in refused("folder:big", archives=archive)
    assert leftovers(own_data_dir) == []


@pytest.mark.parametrize("mode", ["w:xz", "w:gz", "w:bz2", "w"])
def test_a_truncated_folder_archive_is_refused(own_data_dir, tmp_path, mode):
    generator = np.random.default_rng(0)
    suffix = mode[2:]
    archive = tmp_path / f"cut.tar{'.' + suffix if suffix else ''}"
    pack(archive, [(f"cut/a/{i}.jpg", generator.bytes(4000)) for i in range(20)], mode=mode)
    archive.write_bytes(archive.read_bytes()[:40_000])
    assert "must be whole" in refused("folder:cut", archives=archive)
    assert leftovers(own_data_dir) == []


def test_an_archive_that_is_none_or_holds_no_classes_is_refused(own_data_dir, tmp_path):
    (tmp_path / "text.tar.xz").write_text("no archive")
    assert "must be whole" in refused("folder:text", archives=tmp_path / "text.tar.xz")
    assert "must hold none.tar.xz" in refused("folder:none", archives=tmp_path)
    # One folder of pictures is one class.
    flat = pack(tmp_path / "flat.tar.xz", [("flat/0.jpg", picture())])
    place = preparing.prepare("folder:flat", archives=flat, progress=lambda line: None)
    assert [path.name for path in place.iterdir()] == ["flat"]
    bare = pack(tmp_path / "bare.tar.xz", [("0.jpg", picture())])
    assert "must hold CLASS/*.jpg" in refused("folder:bare", archives=bare)
    zipped = tmp_path / "x.zip"
    zipped.touch()
    assert "must end in" in refused("folder:x", archives=zipped)
    assert "letters, digits" in refused("folder:../x", archives=flat)
    assert "--archives FILE" in refused("folder:nothing")


@pytest.mark.slow
def test_the_jpeg_folder_of_cifar10_has_60000_pictures_in_both_splits(shared_data, own_data_dir):
    preparing.prepare("folder:cifar10-jpeg", archives=shared_data, progress=lambda line: None)
    train, test = (datasets.describe("folder:cifar10-jpeg", split=split) for split in ("train", "test"))
    assert (train.examples, test.examples, train.classes) == (50_000, 10_000, 10)
    assert train.label == "CIFAR-10 pictures re-encoded as JPEG" and train.image_shape == (32, 32, 3)
    data = datasets.load_arrays("folder:cifar10-jpeg", examples=500)
    assert np.bincount(data.labels).tolist() == [50] * 10
    assert data.images.std() > 30
