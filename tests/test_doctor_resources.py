"""What a feed keeps and shares: originals, shuffle buffers, cache files, workers, memory; and crashes and hangs."""

import json
import sys
import textwrap
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from helpers import cli, doctor
from helpers.cli import own_examination
from helpers.doctor import files_of, findings, lines, parts, resource_rules
from helpers.doctor.case import Case
from helpers.doctor.examination import two_epochs
from helpers.doctor.stages import Stage, Stages
from helpers.doctor.tf_data_stages import in_order, kind
from helpers.pipelines import feeds

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import doctor_cases

pytestmark = pytest.mark.usefixtures("own_seed")


def case_of(given, costly=""):
    """A case whose stages cost nothing but for one, without the seconds that measuring takes."""
    old_files = files_of.of_caches(given)
    part = parts.part_of(given, 5.0)
    is_tf_data = feeds.kind(part.feed.data) == "tf.data"
    datasets = tuple(in_order(part.feed.data)) if is_tf_data else ()
    named = [Stage(kind(each), cpu_s=float(kind(each) == costly)) for each in datasets]
    told = Stages(tuple(named) or (Stage("all", "here:1", 1.0, 1.0),), part.batches, datasets=datasets)
    epochs = two_epochs(part.feed)
    return Case(part.feed, feeds.kind(part.feed.data), "training", epochs, True, told, old_files=old_files)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    pixels = np.random.default_rng(0).integers(0, 255, (16, 128, 160, 3), np.uint8)
    names = [str(folder / f"{number}.jpg") for number in range(16)]
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image).save(name)
    return names


def read(side):
    def decoded(name):
        image = tf.io.decode_jpeg(tf.io.read_file(name), channels=3)
        return tf.image.resize(image, (side, side))

    return decoded


@pytest.mark.parametrize("encoded", [False, True])
def test_originals_of_many_times_the_pixels_are_told(photographs, encoded):
    given = [Path(name).read_bytes() for name in photographs] if encoded else photographs
    names = tf.data.Dataset.from_tensor_slices(given)

    def picture(name):
        return read(32)(name) if not encoded else tf.image.resize(tf.io.decode_jpeg(name, channels=3), (32, 32))

    finding = resource_rules.oversized_source(case_of(names.map(picture).batch(4), "Map"))
    assert "160 x 128" in finding.evidence and "20 times" in finding.evidence


def test_originals_of_about_the_size_or_behind_a_cache_are_not(photographs):
    names = tf.data.Dataset.from_tensor_slices(photographs)
    assert resource_rules.oversized_source(case_of(names.map(read(96)).batch(4), "Map")) is None
    cheap = case_of(names.map(read(32)).batch(4), "Batch")
    assert list(files_of.sizes(cheap)) == [(128, 160)] * 8


class FromFiles(keras.utils.PyDataset):
    def __init__(self, names, side, **options):
        super().__init__(**options)
        self.names, self.side = names, side

    def __len__(self):
        return 4

    def __getitem__(self, index):
        chosen = self.names[4 * index : 4 * index + 4]
        return np.stack([np.float32(Image.open(name).resize((self.side, self.side))) for name in chosen])


def test_the_originals_of_a_py_dataset_are_looked_at_too(photographs):
    assert "20 times" in resource_rules.oversized_source(case_of(FromFiles(photographs, 32))).evidence
    assert resource_rules.oversized_source(case_of(FromFiles(photographs, 120))) is None


def test_a_buffer_of_decoded_examples_is_told_and_one_of_names_is_not(photographs):
    names = tf.data.Dataset.from_tensor_slices(photographs)
    heavy = case_of(names.map(read(64)).shuffle(16).batch(4), "Map")
    assert "MB" in resource_rules.heavy_shuffle_buffer(heavy).evidence
    for healthy in (names.shuffle(16).map(read(64)), names.map(read(64)).cache().shuffle(16)):
        assert resource_rules.heavy_shuffle_buffer(case_of(healthy.batch(4), "Map")) is None


def test_a_cache_file_of_an_earlier_pipeline_is_told(tmp_path):
    file = str(tmp_path / "cache")

    def pipeline(factor):
        return tf.data.Dataset.range(12).map(lambda number: factor * number).cache(file).batch(4)

    fresh = case_of(pipeline(1))
    assert resource_rules.stale_cache(fresh) is None  # it was written now
    assert resource_rules.stale_cache(case_of(pipeline(1))) is None
    finding = resource_rules.stale_cache(case_of(pipeline(3)))
    assert finding.fault == "stale_cache" and "example 1 differs" in finding.evidence


@pytest.mark.slow
def test_a_cache_file_that_is_not_there_yet_is_not_written(tmp_path):
    file = str(tmp_path / "cache")
    numbers = tf.data.Dataset.range(40).map(lambda number: 2 * number).cache(file).batch(4)
    report = doctor.examine(numbers, budget_s=1)
    assert list(tmp_path.iterdir()) == [] and file in report.remarks[0]
    beside = tf.data.Dataset.zip(numbers, numbers)  # in a branch, nothing is made anew
    assert "is written" in files_of.without_new_ones(beside)[1][0]
    assert files_of.without_new_ones(tf.data.Dataset.range(4).cache())[1] == []


class OneBuffer(doctor_cases.Sequence):
    """Its batches share one array."""

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        if not hasattr(self, "buffer"):
            self.buffer = np.empty((self.batch, *x.shape[1:]), x.dtype)
        self.buffer[:] = x
        return self.buffer, y


@pytest.mark.parametrize("unsafe", [OneBuffer, doctor_cases.OneCounter])
def test_workers_that_share_what_changes_are_told(unsafe):
    data = doctor_cases.Data(1)
    finding = resource_rules.unsafe_workers(case_of(unsafe(data.x, data.y, workers=4)))
    assert finding.fault == "unsafe_workers" and "4 threads" in finding.evidence
    assert resource_rules.unsafe_workers(case_of(unsafe(data.x, data.y))) is None  # one worker
    assert resource_rules.unsafe_workers(case_of(doctor_cases.Sequence(data.x, data.y, workers=4))) is None


def test_workers_that_fail_together_are_told():
    class Busy(doctor_cases.Sequence):
        lock = threading.Lock()

        def __getitem__(self, number):
            if not self.lock.acquire(blocking=False):
                raise RuntimeError("already open")
            try:
                time.sleep(0.01)
                return super().__getitem__(number)
            finally:
                self.lock.release()

    data = doctor_cases.Data(1)
    assert "already open" in resource_rules.unsafe_workers(case_of(Busy(data.x, data.y, workers=4))).evidence


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ([100, 130, 150, 160, 170, 180, 190], 10),
        ([100, 130, 150, 160, 150, 160, 170], 0),
        ([100, 130, 150, 150, 150, 150, 150], 0),
        ([100, 130, 150, 160, 170, 180], 0),
        ([100, 200, 300], 0),
        ([], 0),
    ],
)
def test_memory_grows_where_nearly_every_round_leaves_some_behind(rounds, expected):
    assert resource_rules.growth(1e6 * np.array(rounds), 8e6) == expected * 1e6


class Leaks(doctor_cases.Sequence):
    kept = ()

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        self.kept = (*self.kept, np.tile(x, (8, 1, 1, 1)))
        return x, y


@pytest.mark.slow
def test_a_training_that_keeps_its_batches_or_calls_fit_in_a_loop_is_told(capsys):
    data = doctor_cases.Data(1)
    model = doctor_cases.model_of()
    feed = Leaks(data.x, data.y)
    watch = doctor.Watch(feed)
    model.fit(feed, epochs=9, verbose=0, callbacks=[watch])
    assert "memory_growth" in [finding.fault for finding in watch.findings]
    healthy = doctor_cases.Sequence(data.x, data.y)
    for number in range(4):
        watch = doctor.Watch(healthy)
        model.fit(healthy, verbose=0, callbacks=[watch])
        assert [finding.fault for finding in watch.findings] == ["rebuilt_each_epoch"] * (number == 2)
    assert "rebuilt_each_epoch" in capsys.readouterr().out
    model.fit(healthy, epochs=9, verbose=0, callbacks=[watch])
    assert watch.findings == ()


def test_the_line_in_which_a_feed_hangs_is_told():
    started = threading.Event()

    def hangs():
        started.set()
        time.sleep(2)

    thread = threading.Thread(target=hangs, daemon=True)
    thread.start()
    started.wait()
    assert lines.of_thread(thread.ident) == f"{__file__}:{hangs.__code__.co_firstlineno + 2}"
    assert lines.is_the_users(__file__) and not lines.is_the_users(keras.__file__)
    assert not lines.is_the_users(parts.__file__) and not lines.is_the_users(threading.__file__)


FILE = """
    import ctypes
    import time

    import numpy as np
    import keras


    class Feed(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            if index == 2:
                {fault}
            return np.zeros((4, 2), np.float32)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"), [("ctypes.string_at(0)", "signal 11"), ("time.sleep(60)", "came to no end")]
)
def test_a_process_that_crashes_or_hangs_is_a_finding_with_the_users_line(tmp_path, monkeypatch, capfd, fault, said):
    file = tmp_path / "mine.py"
    file.write_text(textwrap.dedent(FILE).format(fault=fault))
    monkeypatch.setattr(own_examination, "AFTER_S", 35.0)
    code = cli.main(["doctor", f"{file}:Feed", "--budget", "1", "--json", "--html", str(tmp_path / "page.html")])
    assert "<!DOCTYPE html>" in (tmp_path / "page.html").read_text()
    told = json.loads(capfd.readouterr().out.splitlines()[-1])
    (finding,) = told["findings"]
    assert code == own_examination.FINDINGS and said in finding["evidence"]
    assert finding["where"] == f"{file}:15"


def test_every_fault_has_a_rule_or_says_what_it_needs():
    report = doctor.examine(tf.data.Dataset.range(0).batch(2), budget_s=1)
    assert findings.NO_RULE not in report.not_looked_at.values()
