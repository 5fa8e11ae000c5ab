"""Records of a prepared set, read from any position of their files: what a Sequence needs, and tf.data does not.

A TFRecord file is a row of records, each with its length (uint64) and a checksum (4 bytes) before it and a checksum
behind it (TensorFlow, `tfrecord` in the guide "TFRecord and tf.train.Example"). The checksums are not looked at.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers.errors import StudyError

HEAD_BYTES, TAIL_BYTES = 12, 4


@dataclass(frozen=True)
class RecordFiles:
    """The coded pictures and labels of a split, as its files hold them.

    Attributes:
        paths: TFRecord files, in their order.
        examples: how many records, from the first on.
        labels: int64 (examples,).

    Raises:
        StudyError: where the files hold fewer records, or others.
    """

    paths: tuple[str, ...]
    examples: int
    labels: np.ndarray = field(init=False, repr=False)
    _where: list[tuple[int, int, int]] = field(init=False, repr=False)  # file, position, bytes

    def __post_init__(self) -> None:
        """Looks where each record is, and keeps its label."""
        where = [
            (number, *found) for number, path in enumerate(self.paths) for found in positions(Path(path).read_bytes())
        ][: self.examples]
        if len(where) < self.examples:
            raise StudyError(
                f"the record files must hold {self.examples} records (got {len(where)}); prepare them again"
            )
        object.__setattr__(self, "_where", where)
        labels = [label for _, label in self._parsed(range(self.examples))]
        object.__setattr__(self, "labels", np.array(labels, np.int64))

    def pictures(self, indices: Sequence[int] | np.ndarray) -> list[bytes]:
        """Reads the records of these indices from their files; returns the coded pictures, such as PNG."""
        return [picture for picture, _ in self._parsed(indices)]

    def _parsed(self, indices):
        import tensorflow as tf
        from google.protobuf.message import DecodeError

        parsed = []
        opened: dict[int, int] = {}
        try:
            for index in indices:
                number, position, length = self._where[index]
                if number not in opened:
                    opened[number] = os.open(self.paths[number], os.O_RDONLY)
                features = tf.train.Example.FromString(os.pread(opened[number], length, position)).features.feature
                parsed.append((features["image"].bytes_list.value[0], features["label"].int64_list.value[0]))
        except (OSError, IndexError, DecodeError) as error:
            raise StudyError(
                f"the record files must hold pictures with labels (got {error!r}); prepare again"
            ) from None
        finally:
            for descriptor in opened.values():
                os.close(descriptor)
        return parsed


def positions(content: bytes) -> Iterator[tuple[int, int]]:
    """Yields (position, length in bytes) of each whole record of a TFRecord file's content."""
    position = 0
    while position + HEAD_BYTES <= len(content):
        (length,) = struct.unpack_from("<Q", content, position)
        position += HEAD_BYTES
        if position + length > len(content):
            return
        yield position, length
        position += length + TAIL_BYTES
