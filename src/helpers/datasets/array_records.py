"""A prepared set as ArrayRecord files, which can be read from any position: what `tfds.data_source` and Grain ask for.

TensorFlow Datasets writes them when it prepares a set so, and its conversion of a prepared set asks for Apache Beam.
Here the records are copied as they are.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from helpers import files
from helpers.datasets.record_files import positions
from helpers.errors import StudyError, first_line
from helpers.paths import data_dir

INFO = "dataset_info.json"


def data_source(prepared: Path, *, split: str, examples: int) -> Any:
    """Returns the first `examples` decoded records of a split by position.

    Args:
        prepared: the folder of a set that TensorFlow Datasets prepared as TFRecord files.
        split: "train" or "test".
        examples: how many, from the first on.

    Returns:
        A sequence of {"image": uint8 (height, width, channels), "label": int64 ()}.

    Raises:
        OSError, ValueError, AssertionError: where its files are not what they must be.
        StudyError: as `copied`.
    """
    import tensorflow_datasets as tfds

    return tfds.builder_from_directory(str(copied(prepared))).as_data_source(split=f"{split}[:{examples}]")


def copied(prepared: Path) -> Path:
    """Returns the folder of the ArrayRecord copy of a prepared set, made at the first call.

    Args:
        prepared: the folder of the TFRecord files.

    Raises:
        StudyError: where the copy cannot be written.
    """
    state = f"{prepared.resolve()} {(prepared / INFO).stat().st_mtime_ns}"
    root = data_dir() / "array_record"
    folder = root / f"{prepared.parent.name}-{hashlib.sha256(state.encode()).hexdigest()[:16]}"
    if not folder.is_dir():
        try:
            with files.working_folder(root) as work:
                made = work / "made"
                made.mkdir()
                _copy(prepared, made)
                files.move_whole(made, folder)
        except (OSError, RuntimeError) as error:  # the latter of ArrayRecord's writer
            raise StudyError(
                f"a copy as ArrayRecord files must be written to {root} (got {first_line(error)}); make room there, or "
                "set STUDY_DATA_DIR"
            ) from None
    return folder


def _copy(prepared, made):
    from array_record.python.array_record_module import ArrayRecordWriter

    for file in sorted(prepared.iterdir()):
        if ".tfrecord-" not in file.name:
            shutil.copyfile(file, made / file.name)
            continue
        content = file.read_bytes()
        writer = ArrayRecordWriter(str(made / file.name.replace(".tfrecord-", ".array_record-")), "group_size:1")
        for position, length in positions(content):
            writer.write(content[position : position + length])
        writer.close()
    files.write_json(made / INFO, files.read_json(prepared / INFO) | {"fileFormat": "array_record"})
