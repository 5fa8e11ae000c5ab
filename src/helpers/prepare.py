"""Getting datasets ready: from the network, from the official archives, from an archive of pictures, generated.

Everything is built in a temporary folder beside its place and then renamed: nothing is ever half written.
"""

import lzma
import shutil
import socket
import tarfile
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from helpers import datasets, paths
from helpers.errors import StudyError

MIB = 2**20
NEEDED_BYTES = {"mnist": 150 * MIB, "cifar10": 900 * MIB, "mnist-standin": 150 * MIB, "cifar10-standin": 300 * MIB}
HOSTS = {"mnist": "storage.googleapis.com", "cifar10": "www.cs.toronto.edu"}
PROBE_S = 2.0
MOST_FILES = 1_000_000
MOST_BYTES = 20 * 1024 * MIB


def prepare(
    name: str, *, archives: Path | str | None = None, data_dir: Path | str | None = None, progress=print
) -> Path:
    """Gets a dataset ready and returns the folder that holds it; does nothing where it is ready.

    Args:
        name: "mnist" or "cifar10" (from the network, or `archives`), "mnist-standin" or "cifar10-standin"
            (generated), or "folder:NAME" (from an archive of pictures).
        archives: a folder with the official archives, whose checksums are verified; for a folder of pictures
            the tar archive, or the folder that holds NAME.tar, NAME.tar.gz or NAME.tar.xz.
        data_dir: the data folder; None: `paths.data_dir()`.
        progress: called with lines for people.

    Raises:
        StudyError: with the remedy, for anything missing, altered, unreachable or without room.
    """
    datasets.check_name(name)
    root = Path(data_dir).expanduser() if data_dir else paths.data_dir()
    if name == "synthetic":
        raise StudyError("synthetic data needs no preparing; use the dataset as it is")
    if name.startswith("folder:"):
        return _prepare_folder(name.removeprefix("folder:"), archives, root, progress)
    place = root / ("standin" if name.endswith("-standin") else "tfds")
    ready = sorted((place / datasets.tfds_name(name)).glob("*/dataset_info.json"))
    if ready:
        progress(f"{name} was prepared before")
        return ready[-1].parent
    if name.endswith("-standin"):
        if archives:
            raise StudyError(f"{name} is generated and takes no archives; leave --archives out")
        source = None
    elif archives is None:
        _check_reachable(name)
        source = "network"
    else:
        source = Path(archives).expanduser()
        if not source.is_dir():
            raise StudyError(f"--archives must name a folder with the official archives (got {archives}, no folder)")
    with _building(place, NEEDED_BYTES[name]) as partial:
        built = _build(name, source, partial, progress)
        target = place / datasets.tfds_name(name) / built.name
        target.parent.mkdir(parents=True, exist_ok=True)
        built.replace(target)
    return target


@contextmanager
def _building(place, needed):
    """Gives a temporary folder inside `place`, after looking whether it can be written and has room."""
    existing = next(p for p in (place, *place.absolute().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise StudyError(
            f"{place} needs {needed / MIB:,.0f} MiB free (got {free / MIB:,.0f}); make room or give --data-dir"
        )
    try:
        place.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=place))
    except OSError as error:
        raise StudyError(f"{place} must be a folder that can be written ({error.strerror}); give --data-dir") from error
    try:
        yield partial
    except OSError as error:
        raise StudyError(f"{place} could not be written ({error}); make room or give --data-dir") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_reachable(name):
    """Finds out in two seconds, not in tfds' three minutes, that there is no network."""

    def connect():
        socket.create_connection((HOSTS[name], 443), timeout=PROBE_S).close()

    pool = ThreadPoolExecutor(1)
    try:
        pool.submit(connect).result(timeout=PROBE_S + 0.5)
    except (OSError, TimeoutError) as error:
        raise StudyError(
            f"{name} comes from {HOSTS[name]}, which cannot be reached ({error or 'no answer'}); lay the official "
            f"archives in a folder and run `study prepare {name} --archives DIR`, or run "
            f"`study prepare {name}-standin` and use the dataset {name}-standin"
        ) from error
    finally:
        pool.shutdown(wait=False)


def _build(name, source, partial, progress):
    """Runs the real tfds builder and returns the folder of the version it wrote."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    tfds.disable_progress_bar()
    builder = tfds.builder(datasets.tfds_name(name), data_dir=partial / "built")
    downloads = partial / "downloads"
    config = tfds.download.DownloadConfig(manual_dir=source if isinstance(source, Path) else None)
    if source is None:
        from helpers import stand_ins

        progress(f"generating the archives of {name}")
        stand_ins.write_archives(name, builder, downloads)
    elif isinstance(source, Path):
        _check_archives(builder, source)
    progress(f"preparing {name} with TensorFlow Datasets {tfds.__version__}")
    try:
        builder.download_and_prepare(download_dir=downloads, download_config=config)
    except NonMatchingChecksumError as error:
        raise StudyError(f"the archives of {name} must be the official ones: {str(error).splitlines()[0]}") from error
    return Path(builder.data_dir)


def _check_archives(builder, folder):
    """Checks that the official archives are there and unaltered, before the builder starts."""
    import hashlib

    wanted = {info.filename: info for info in builder.url_infos.values()}
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise StudyError(f"--archives must hold {', '.join(wanted)} (missing in {folder}: {', '.join(missing)})")
    for name, info in wanted.items():
        size = (folder / name).stat().st_size
        if size != info.size:
            raise StudyError(
                f"{folder / name} must have {info.size:,} bytes (got {size:,}); it is not whole, get it again"
            )
        with open(folder / name, "rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest != info.checksum:
            raise StudyError(f"{folder / name} must be the official archive (its SHA-256 differs); get it again")


def _prepare_folder(name, archives, root, progress):
    target = root / "folders" / name
    if Path(name).name != name or name.startswith("."):
        raise StudyError(f"a prepared folder needs a plain name (got {name!r}); other folders are used as they are")
    if target.is_dir():
        progress(f"folder:{name} was prepared before")
        return target
    if archives is None:
        raise StudyError(f"folder:{name} needs an archive: study prepare folder:{name} --archives FILE.tar.xz")
    archive = Path(archives).expanduser()
    if archive.is_dir():
        found = [archive / f"{name}{suffix}" for suffix in (".tar", ".tar.gz", ".tgz", ".tar.xz")]
        archive = next((file for file in found if file.is_file()), archive / f"{name}.tar.xz")
    if not archive.is_file():
        raise StudyError(f"--archives must name an archive of pictures (got {archive}, which is not there)")
    with _building(root / "folders", 3 * archive.stat().st_size) as partial:
        progress(f"extracting {archive.name}")
        extract(archive, partial / "all")
        entries = list((partial / "all").iterdir())
        top = entries[0] if len(entries) == 1 and entries[0].is_dir() else partial / "all"
        datasets.folder_files(f"folder:{top}")
        top.replace(target)
    return target


def extract(archive: Path, target: Path) -> None:
    """Extracts a tar archive of files and folders into a new folder.

    Raises:
        StudyError: if it is not whole, or holds a link, a device, a path that leads outside, or more than
            `MOST_FILES` files or `MOST_BYTES` bytes.
    """
    target.mkdir(parents=True)
    room = min(MOST_BYTES, shutil.disk_usage(target).free)
    files = size = 0
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                parts = Path(member.name).parts
                if not (member.isfile() or member.isdir()) or ".." in parts or member.name.startswith("/"):
                    raise StudyError(f"{archive.name} must hold plain files and folders only (got {member.name!r})")
                files, size = files + 1, size + member.size
                if files > MOST_FILES or size > room:
                    raise StudyError(f"{archive.name} must hold at most {MOST_FILES:,} files and {room:,} bytes")
                opened.extract(member, target, filter="data")
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise StudyError(f"{archive.name} must be a whole tar archive ({error}); get it again") from error
