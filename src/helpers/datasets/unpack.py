"""Archives of image folders, unpacked with checks: nothing outside the folder, no links, bounded, all or nothing."""

import lzma
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from helpers import checks, files
from helpers.datasets.folders import PICTURES, damaged_pictures
from helpers.errors import StudyError, first_line

MOST_FILES = 2_000_000
MOST_BYTES = 64 << 30
MOST_HEADER_BYTES = 64 << 10
MOST_NAME_BYTES, MOST_PATH_BYTES = 255, 1024  # what file systems take, with room for the folder around
MOST_PADDING_BYTES = 64 << 20  # behind the last member
SUFFIXES = (".tar.xz", ".tar.gz", ".tgz", ".tar.bz2", ".tar")
# Headers whose content tarfile reads into memory at once.
_READ_WHOLE = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
# Headers that announce a header that announces a header …: tarfile follows them by calling itself.
_DAMAGE = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, RecursionError)
_BLOCK_BYTES = 4096  # what a small file takes on disk


def unpack_folder(archive: Path, target: Path, *, work: Path, progress: Callable[[str], None] = print) -> None:
    """Unpacks an archive of CLASS/*.jpg, or of train/CLASS/*.jpg and test/CLASS/*.jpg, to the folder `target`.

    One folder that holds everything in the archive is left out. The whole archive is read and checked before
    anything is written; then it is unpacked into `work` and renamed, so that `target` is whole or not there.

    Args:
        archive: a tar file, compressed or not.
        target: the folder to make; must not exist.
        work: an empty folder on the same disk, which the caller removes.
        progress: takes lines of text.

    Raises:
        StudyError: where the archive is unsafe, damaged, no image folder, or larger than the disk.
    """
    if not archive.name.endswith(SUFFIXES):
        raise StudyError(f"an archive must end in one of {', '.join(SUFFIXES)} (got {archive.name})")
    progress(f"checking {archive}")
    pictures, ignored, size = _survey(archive, work)
    prefix = _common_prefix(pictures, archive)
    require_space(target.parent, size + len(pictures) * _BLOCK_BYTES, what=target.name)
    progress(f"unpacking {len(pictures)} pictures" + (f", leaving {ignored} other files" if ignored else ""))
    whole = work / "whole"
    with _opened(archive) as tar:
        for member in tar:
            name = _checked_name(member, archive)
            if name in pictures and (source := tar.extractfile(member)):
                file = whole.joinpath(*name.split("/")[prefix:])
                file.parent.mkdir(parents=True, exist_ok=True)
                with source, open(file, "xb") as written:
                    shutil.copyfileobj(source, written)
    damaged = damaged_pictures([str(file) for file in sorted(whole.rglob("*")) if file.is_file()])
    if damaged:
        names = checks.few([str(Path(file).relative_to(whole)) for file in damaged])
        raise StudyError(f"an archive must hold whole pictures (got {names} in {archive}); pack it again without them")
    files.move_whole(whole, target)


def require_space(folder: Path, needed_bytes: int, *, what: str) -> None:
    """Raises StudyError unless the disk of `folder` has `needed_bytes` free."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise StudyError(
            f"preparing {what} needs {needed_bytes / 2**20:.0f} MiB on the disk of {folder} (got "
            f"{free / 2**20:.0f} MiB free); make room, or choose another disk with --data-dir"
        )


class _BoundedHeader(tarfile.TarInfo):
    """A tar header that is refused where tarfile would read without bound: long names and pax records."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_BoundedHeader":
        """Parses one header block, and looks at it before what follows is read."""
        header = super().frombuf(buf, encoding, errors)
        if header.type in _READ_WHOLE and header.size > MOST_HEADER_BYTES:
            raise StudyError(
                f"an archive's header must be at most {MOST_HEADER_BYTES >> 10} KiB "
                f"(got one of {header.size >> 10} KiB); do not use this archive"
            )
        return header


@contextmanager
def _opened(archive) -> Iterator[tarfile.TarFile]:
    """Opens a tar file, and turns what a damaged one raises into a StudyError."""
    opened = False
    try:
        with tarfile.open(archive, "r:*", tarinfo=_BoundedHeader) as tar:
            opened = True
            yield tar
    except (*_DAMAGE, OSError) as error:
        if opened and isinstance(error, OSError) and error.errno is not None:  # the disk's, not the archive's
            raise
        raise StudyError(
            f"the archive must be whole (got {archive}: {first_line(error).rstrip(': -')}); fetch it again"
        ) from None


def _survey(archive, work):
    """Returns (the pictures' names in the archive, number of files that are none, bytes of the pictures)."""
    pictures, ignored, size = set(), 0, 0
    with _opened(archive) as tar:
        for count, member in enumerate(tar, start=1):
            name = _checked_name(member, archive)
            tarfile.data_filter(member, str(work))
            size += member.size
            if count > MOST_FILES or size > MOST_BYTES:
                raise StudyError(
                    f"an archive must hold at most {MOST_FILES} files and {MOST_BYTES >> 30} GiB (got more in "
                    f"{archive}); unpack it yourself and use folder:PATH"
                )
            tar.members = []  # type: ignore[attr-defined]  # tarfile would keep all of them
            if not member.isreg():
                continue
            if not name.lower().endswith(PICTURES) or name.rsplit("/", 1)[-1].startswith("."):
                ignored += 1
            elif name in pictures:
                raise StudyError(f"an archive must hold a name once (got {name!r} twice in {archive}); pack it again")
            else:
                pictures.add(name)
        _read_to_the_end(tar, archive)
    both = pictures & {str(folder) for name in pictures for folder in PurePosixPath(name).parents}
    if both:
        raise StudyError(f"a name must be a file or a folder (got {min(both)!r} as both in {archive}); pack it again")
    return pictures, ignored, size


def _read_to_the_end(tar, archive):
    """Reads what follows the last member, so that the compressed stream's own checksum is looked at."""
    padding = 0
    while block := tar.fileobj.read(1 << 20):
        padding += len(block)
        if padding > MOST_PADDING_BYTES:
            raise StudyError(
                f"an archive must end after its last member (got more than {MOST_PADDING_BYTES >> 20} MiB behind it in "
                f"{archive}); pack it again"
            )


def _checked_name(member, archive):
    """Returns the member's name without a leading "./"; raises StudyError where it is no plain file or leaves."""
    name = member.name.removeprefix("./")
    if not (member.isreg() or member.isdir()):
        raise StudyError(f"an archive must hold files and folders only (got the link or device {name!r} in {archive})")
    if member.issparse():
        raise StudyError(f"an archive must hold whole files (got the sparse file {name!r} in {archive}); pack it again")
    parts = name.split("/")
    lengths = [len(part.encode(errors="surrogateescape")) for part in parts]
    if max(lengths) > MOST_NAME_BYTES or sum(lengths) + len(lengths) > MOST_PATH_BYTES:
        raise StudyError(
            f"an archive's names must have at most {MOST_NAME_BYTES} bytes, {MOST_PATH_BYTES} with their folders "
            f"(got {name[:40]!r}… of {sum(lengths)} in {archive}); pack it again"
        )
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or ":" in parts[0]:
        raise StudyError(f"an archive must not reach outside its folder (got the name {name!r} in {archive})")
    return "/".join(part for part in parts if part not in ("", "."))


def _common_prefix(pictures, archive):
    """Returns how many leading folders to leave out: 1 where one folder holds all classes, else 0."""
    parts = [name.split("/") for name in pictures]
    firsts, deep = {part[0] for part in parts}, {len(part) for part in parts}
    prefix = int(len(firsts) == 1 and bool(deep) and min(deep) > 2)
    rests = [part[prefix:] for part in parts]
    split = all(rest[0] in ("train", "test") for rest in rests)
    if not rests or min(map(len, rests)) < 2 + split:
        raise StudyError(
            f"an archive must hold CLASS/*.jpg or train/CLASS/*.jpg with JPEG or PNG files (got {archive}); "
            "pack one folder per class"
        )
    return prefix
