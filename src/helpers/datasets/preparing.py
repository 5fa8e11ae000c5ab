"""Getting data ready: TFDS' own builders on archives or the network, stand-ins, and archives of image folders."""

import contextlib
import errno
import io
import re
import ssl
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

from helpers import files, internals, paths
from helpers.datasets import names, photographs, unpack
from helpers.datasets.building import build, build_stand_in
from helpers.datasets.folders import Folder
from helpers.datasets.photographs import Photographs
from helpers.datasets.prepared import Prepared, newest_version
from helpers.errors import StudyError, first_line

ARCHIVES = {
    "mnist": (
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ),
    "cifar10": ("cifar-10-binary.tar.gz",),
}
# One file of each download, asked for to see whether the network is there.
PROBES = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz",
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
}
# TFDS retries for over three minutes; a host that has not answered by then is taken as not there.
PROBE_TIMEOUT_S = 2.5
# Download, what is extracted of it, and the prepared records, with some room.
NEEDED_BYTES = {"mnist": 160 << 20, "cifar10": 640 << 20, "mnist-standin": 64 << 20, "cifar10-standin": 256 << 20}


def prepare(
    name: str,
    *,
    archives: Path | None = None,
    data_dir: Path | None = None,
    progress: Callable[[str], None] = print,
) -> Path:
    """Gets a dataset ready; where it already is, says so and does nothing.

    "mnist" and "cifar10" go through TFDS' builder, which verifies the checksums, from the official archives or
    from the network; their stand-ins and "photographs" are made here; "folder:NAME" is unpacked from an archive. It is
    all or nothing: what is being prepared is in a hidden folder that is renamed at the end.

    Args:
        name: the dataset.
        archives: a folder with the official archives (or NAME.tar.xz for a folder), or the archive itself.
        data_dir: the folder of prepared data; None: `helpers.paths.data_dir()`.
        progress: takes lines of text.

    Returns:
        The folder of the prepared data.

    Raises:
        StudyError: where the archives are missing, damaged or altered, the network is not there, the disk is
            too small or cannot be written.
    """
    source = names.named(name)
    root = paths.data_dir() if data_dir is None else paths.expanded(data_dir).resolve()
    archives = None if archives is None else paths.expanded(archives)
    if archives is not None and not (archives.is_file() or archives.is_dir()):
        raise StudyError(f"--archives must name a folder or file that exists (got {archives}); check the path")
    if source.makes_itself and archives is not None:
        raise StudyError(f"{name} takes no archives, since the kit makes it (got {archives}); leave --archives out")
    files.remove_orphans(root)
    if isinstance(source, Photographs):
        return _prepare_photographs(root, progress)
    if isinstance(source, Folder):
        return _prepare_folder(source, root, archives, progress)
    if not isinstance(source, Prepared):
        progress(f"{name} data needs no preparing")
        return root
    return _prepare_tfds(source, root, archives, progress)


def _prepare_tfds(source, root, archives, progress):
    name, tfds_name = source.name, source.tfds_name
    target = root / ("standin" if source.stands_for else "tfds")
    prepared = newest_version(target, tfds_name) or (source.folder() if root == paths.data_dir() else None)
    if prepared is not None:
        progress(f"{name} is already prepared in {prepared}")
        return prepared
    manual = _archive_folder(name, archives) if archives else None
    if not (manual or source.stands_for):
        _require_network(name)
    unpack.require_space(root, NEEDED_BYTES[name], what=name)
    with _working_folder(root, name) as work:
        import tensorflow_datasets as tfds

        if manual is not None:
            _check_archives(name, manual, tfds.builder_cls(name).url_infos)
        if source.stands_for:
            progress(f"generating the archives of {name}")
            return _run(lambda: build_stand_in(tfds_name, work, target), name, quiet=True)
        origin = f"the archives in {manual}" if manual else "the network"
        progress(f"preparing {name} from {origin} with the builder of TensorFlow Datasets")
        return _run(lambda: build(tfds_name, work, target, manual=manual), name, quiet=manual is not None)


def _run(work, name, *, quiet):
    """Runs a preparation, and turns what a user can mend into a StudyError.

    `quiet` drops what TFDS prints: bars of a "download" even where nothing is downloaded.
    """
    import requests
    import tensorflow_datasets as tfds

    remedy = f"run it again, or give the official archives with `study prepare {name} --archives DIR`"
    try:
        printed = io.StringIO()
        with (
            contextlib.redirect_stdout(printed if quiet else sys.stdout),
            contextlib.redirect_stderr(printed if quiet else sys.stderr),
        ):
            return work()
    except internals.checksum_error() as error:
        raise StudyError(f"{first_line(error)}; what was fetched is not the official file: {remedy}") from None
    except (tfds.download.DownloadError, ConnectionError, requests.RequestException) as error:
        raise StudyError(f"the download of {name} must end whole (got {first_line(error)}); {remedy}") from None


def _archive_folder(name, archives):
    """Returns the folder that holds all official archives of a dataset; does not read them."""
    names = ARCHIVES[name]
    if archives.is_file():
        if archives.name not in names:
            raise StudyError(f"the archives of {name} are {', '.join(names)} (got {archives.name}); keep their names")
        archives = archives.parent
    missing = [file for file in names if not (archives / file).is_file()]
    if missing:
        raise StudyError(
            f"{archives} must hold the official archives of {name} (missing {', '.join(missing)}); put them there "
            "under these names"
        )
    return archives.resolve()


def _check_archives(name, folder, url_infos):
    """Raises StudyError where an archive has another size or checksum than TFDS has on record for it."""
    expected = {info.filename: info for info in url_infos.values()}
    for file in ARCHIVES[name]:
        info, path = expected[file], folder / file
        size = path.stat().st_size
        if size != int(info.size):
            state = "truncated" if size < int(info.size) else "altered"
            raise StudyError(f"{path} is {state} (got {size} bytes, not {int(info.size)}); fetch the archive again")
        digest = files.sha256(path)
        if digest != info.checksum:
            raise StudyError(
                f"{path} is altered (got sha256 {digest[:12]}…, not {info.checksum[:12]}…); fetch the archive again"
            )


def _require_network(name):
    """Raises StudyError, naming the remedies, unless the download host answers soon."""
    if failure := _probe(PROBES[name]):
        raise StudyError(
            f"{name} is not prepared, and {PROBES[name].split('/')[2]} cannot be reached ({failure}); connect to the "
            f"network, or give the official archives with `study prepare {name} --archives DIR`, or use the stand-in: "
            f"`study prepare {name}-standin` and --dataset {name}-standin"
        )


def _probe(url):
    """Returns why a URL does not answer within `PROBE_TIMEOUT_S`, or None where it does; obeys proxy settings."""
    outcome: list[str | None] = ["no answer in time"]

    def ask():
        try:
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=PROBE_TIMEOUT_S).close()
            outcome[0] = None
        except OSError as error:
            reason = getattr(error, "reason", error)
            # A certificate that Python's own store does not know may be in the store that the download uses.
            outcome[0] = None if isinstance(reason, ssl.SSLError) else str(reason) or type(reason).__name__

    # In a thread, because no time-out ends a name look-up.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_TIMEOUT_S)
    return outcome[0]


def _prepare_photographs(root, progress):
    target = photographs.folder_in(root)
    if target.is_dir():
        progress(f"{photographs.NAME} are already prepared in {target}")
        return target
    progress(f"cutting {photographs.NAME} from the two that scikit-learn ships")
    with _working_folder(root, photographs.NAME) as work:
        (made := work / "made").mkdir()
        photographs.write(made)
        target.parent.mkdir(exist_ok=True)
        if not target.is_dir():  # another process may have been faster
            files.move_whole(made, target)
    return target


def _prepare_folder(source, root, archives, progress):
    name, short = source.name, source.given
    target = root / "folders" / short
    if archives is None:
        if paths.expanded(short).is_dir() or target.is_dir():
            folder = Folder(name, str(target) if target.is_dir() else short).path()
            progress(f"{name} is there: {folder}")
            return folder
        raise StudyError(
            f"there is no folder {short!r}; name the folder of your pictures as folder:PATH, or unpack an archive "
            f"with `study prepare {name} --archives FILE`"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", short):
        raise StudyError(
            f"the name in folder:NAME must be letters, digits, '.', '_' or '-' to unpack an archive (got {short!r}); "
            "such as folder:flowers"
        )
    if target.exists():
        progress(f"{name} is already prepared in {target}")
        return target
    if archives.is_dir():
        there = [archives / (short + suffix) for suffix in unpack.SUFFIXES if (archives / (short + suffix)).is_file()]
        if not there:
            raise StudyError(
                f"{archives} must hold {short}.tar.xz or the like (got no such file); give the file itself"
            )
        archives = there[0]
    with _working_folder(root, name) as work:
        unpack.unpack_folder(archives.resolve(), target, work=work, progress=progress)
    return target


@contextlib.contextmanager
def _working_folder(root, name):
    """Gives a working folder in `root`, and says in one line what is wrong with the disk."""
    work = None
    try:
        with files.working_folder(root) as work:
            yield work
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StudyError(f"the disk of {root} is full; make room, or choose another with --data-dir") from None
        if work is None or error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StudyError(
                f"the data folder must be writable (got {error.filename}: {error.strerror}); choose another with "
                "--data-dir, or set STUDY_DATA_DIR"
            ) from None
        raise StudyError(
            f"the disk of {root} must work (got {error}); nothing of {name} was kept: mend that, and prepare it again"
        ) from None
