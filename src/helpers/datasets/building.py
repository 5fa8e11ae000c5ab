"""Runs the builders of TensorFlow Datasets: on the network, on official archives, or on a stand-in's."""

import json
from pathlib import Path

from helpers import files, internals
from helpers.datasets import stand_ins


def build(tfds_name: str, work: Path, target: Path, *, manual: Path | None = None) -> Path:
    """Runs TFDS' own builder in the folder `work`, and moves the whole prepared set to the data_dir `target`.

    Args:
        tfds_name: a name of TFDS.
        work: a folder on the disk of `target`, with `downloads` if something was put there.
        target: the TFDS data_dir that gets the set.
        manual: a folder with the official archives.

    Returns:
        The folder of the prepared set.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder(tfds_name, data_dir=str(work / "prepared"))
    config = tfds.download.DownloadConfig(
        manual_dir=str(manual or work / "manual"),
        extract_dir=str(work / "extracted"),
        try_download_gcs=False,
    )
    builder.download_and_prepare(download_dir=str(work / "downloads"), download_config=config)
    made = Path(builder.data_path)
    folder = target / made.relative_to(work / "prepared")
    if not folder.exists():  # another process may have been faster
        files.move_whole(made, folder)
    return folder


def build_stand_in(
    tfds_name: str,
    work: Path,
    target: Path,
    *,
    train: int = stand_ins.TRAIN_EXAMPLES,
    test: int = stand_ins.TEST_EXAMPLES,
    seed: int = 0,
) -> Path:
    """Generates a stand-in's archives and prepares them with the real builder.

    Args:
        tfds_name: "mnist" or "cifar10".
        work: an empty folder on the disk of `target`.
        target: the TFDS data_dir of the stand-ins, never that of real data.
        train: training examples.
        test: test examples.
        seed: of the images.

    Returns:
        The folder of the prepared set.
    """
    archives = work / "archives"
    archives.mkdir()
    write = stand_ins.write_mnist_archives if tfds_name == "mnist" else stand_ins.write_cifar10_archive
    write(archives, train=train, test=test, seed=seed)
    _put_in_download_cache(tfds_name, sorted(archives.iterdir()), work / "downloads")
    with internals.mnist_examples(train, test):  # the builder of CIFAR-10 reads all that there are
        return build(tfds_name, work, target)


def _put_in_download_cache(tfds_name, archives, downloads):
    """Puts files where TFDS looks for what it has downloaded and verified before."""
    import tensorflow_datasets as tfds

    downloads.mkdir()
    by_name = {info.filename: (url, info) for url, info in tfds.builder_cls(tfds_name).url_infos.items()}
    for archive in archives:
        url, info = by_name[archive.name]
        cached = downloads / internals.download_cache_name(url, info.checksum)
        archive.rename(cached)
        about = {"urls": [url], "dataset_names": [tfds_name], "original_fname": archive.name}
        cached.with_name(cached.name + ".INFO").write_text(json.dumps(about))
