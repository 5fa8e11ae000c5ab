"""What the doctor says of feeds with a fault, of their healthy twins, and of healthy feeds that look suspicious."""

import json
import sys
import textwrap
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from helpers import cli, doctor
from helpers.doctor import (
    content_rules,
    examination,
    files_of,
    findings,
    more_rules,
    parts,
    resource_rules,
    seen,
    stages,
    tf_data_stages,
)
from helpers.doctor.case import Case
from helpers.errors import StudyError
from helpers.pipelines import Feed, feeds, graph

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import doctor_cases
import doctor_untouched_cases

NOT_BY_A_CASE = ("tf.data", "tf.data, endless")  # a length that is seen before anything is read
OF_CONTENT = [
    pytest.param(
        planted,
        id=f"{planted.fault}, {planted.shape}",
        marks=[] if planted.shape == "tf.data" else [pytest.mark.slow],
    )
    for planted in doctor_cases.PLANTED
    if findings.FAULTS[planted.fault][0] == findings.CONTENT
    and not (planted.fault == "wrong_length" and planted.shape in NOT_BY_A_CASE)
]


def content_of(given, *, model=None, validation=None, role="training", source=None):
    """The faults of content, without the seconds that measuring takes."""
    old_files = files_of.of_caches(given)
    part = parts.part_of(given, 5.0)
    epochs = examination.two_epochs(part.feed)
    kind, datasets, drawn = feeds.kind(part.feed.data), (), graph.Graph()
    if kind == "tf.data":
        datasets = tuple(tf_data_stages.in_order(part.feed.data))
        drawn = graph.as_it_ran(part.feed, read=False)
    named = tuple(stages.Stage(tf_data_stages.kind(each)) for each in datasets)
    validated = validation and examination.two_epochs(parts.part_of(validation, 5.0).feed)
    case = Case(
        part.feed,
        kind,
        role,
        epochs,
        part.is_whole,
        stages.Stages(named, part.batches, graph=drawn, datasets=datasets),
        model=model,
        source=source and seen.of_source(source),
        validation=validated,
        validation_is_whole=True,
        given_steps=part.feed.steps_per_epoch,
        old_files=old_files,
    )
    rules = (*content_rules.RULES, *more_rules.RULES, resource_rules.stale_cache, resource_rules.unsafe_workers)
    return {finding.fault: finding for rule in rules if (finding := rule(case)) is not None}


@pytest.mark.filterwarnings("ignore::UserWarning")  # statistics that were never fitted
@pytest.mark.parametrize("planted", OF_CONTENT)
def test_a_fault_of_content_is_named_and_its_healthy_twin_is_left_in_peace(planted):
    data = doctor_cases.Data(7, examples=320)
    assert planted.fault in content_of(planted.sick(data), **planted.given(data))
    data = doctor_cases.Data(7, examples=320)
    assert content_of(planted.healthy(data), **(planted.given_healthy or planted.given)(data)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("control", doctor_cases.HEALTHY, ids=lambda control: control.why)
def test_what_only_looks_suspicious_has_no_fault_of_content(control):
    data = doctor_cases.Data(11, examples=320)
    assert content_of(control.feed(data), **control.given(data)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("untouched", doctor_untouched_cases.PLANTED, ids=lambda each: f"{each.fault}, {each.shape}")
@pytest.mark.filterwarnings("ignore::UserWarning")  # statistics that were never fitted
def test_the_feeds_of_the_untouched_half_can_be_read(untouched):
    """Nothing is said of what the doctor finds there: that would be tuning on it."""
    data = doctor_cases.Data(13, examples=100)
    untouched.given(data)
    for make in (untouched.sick, untouched.healthy):
        first = next(feeds.batches_of(make(data)))
        assert len(keras.tree.flatten(first)) >= 1
    (untouched.given_healthy or untouched.given)(data)


def test_both_halves_hold_enough_and_share_no_shape():
    halves = doctor_cases.PLANTED, doctor_untouched_cases.PLANTED
    assert sum(map(len, halves)) >= 60
    assert len(doctor_cases.HEALTHY) + len(doctor_untouched_cases.HEALTHY) >= 25
    shapes = [{(each.fault, each.shape) for each in half} for half in halves]
    assert not shapes[0] & shapes[1]
    assert {each.fault for half in halves for each in half} >= {*findings.FAULTS} - {
        *("cache_too_large", "processes_misused", "rebuilt_each_epoch")  # planted nowhere: they need other machines
    }


def test_the_label_of_a_neighbour_is_told_by_its_number():
    data = doctor_cases.Data(3)
    wrong = doctor_cases.sequence(data, take=doctor_cases.wrong_labels(1), shuffle=False)
    told = content_of(wrong, **data.source())["label_mismatch"]
    assert "came with the label of example" in told.evidence
    number, picture = told.examples[0]
    np.testing.assert_array_equal(picture, data.x[number])


def test_a_feed_whose_last_batch_is_empty_is_examined_all_the_same():
    data = doctor_cases.Data(0, examples=64)
    report = doctor.examine(doctor_cases.sequence(data, length=64 // doctor_cases.BATCH + 1), budget_s=1)
    assert "wrong_length" in {finding.fault for finding in report.findings}


def test_a_report_says_it_all_and_leaves_model_and_seeds_alone():
    data = doctor_cases.Data(0, examples=64)
    model = doctor_cases.model_of()
    before = [np.array(each) for each in model.weights]
    np.random.seed(4)
    report = doctor.examine(doctor_cases.shuffled(data), model=model, budget_s=1, **data.source())
    drawn = np.random.random()
    np.random.seed(4)
    assert drawn == np.random.random()
    for value, now in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(value, now)
    (finding,) = [each for each in report.findings if each.kind == "content"]
    assert finding.fault == "wrong_scale" and finding.certainty == "measured"
    assert "wrong_scale" in str(report) and "wrong_scale" in report._repr_html_()
    assert json.loads(json.dumps(report.to_dict()))["findings"][0]["fault"] == "wrong_scale"
    assert report.not_looked_at["split_leak"] == "validation=…"
    assert "label_mismatch" not in report.not_looked_at
    assert {*findings.FAULTS} - {rule.__name__ for rule in examination.RULES} == {"rebuilt_each_epoch"}
    assert "Watch" in report.not_looked_at["rebuilt_each_epoch"]


@pytest.mark.parametrize("steps", [7, None])
def test_a_length_that_does_not_fit_is_a_finding_not_an_error(steps):
    data = doctor_cases.Data(0, examples=64)
    feed = Feed(data.pairs().batch(16), steps_per_epoch=steps) if steps else data.pairs().batch(16).repeat()
    assert "wrong_length" in [finding.fault for finding in doctor.examine(feed, budget_s=1).findings]


class Breaks(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise KeyError("no such picture")
        return np.zeros((4, 2), np.float32)


def test_a_feed_that_crashes_is_a_finding_with_the_users_line():
    line = Breaks.__getitem__.__code__.co_firstlineno + 2
    (finding,) = doctor.examine(Breaks(), budget_s=1).findings
    assert finding.where == f"{__file__}:{line}" and "no such picture" in finding.evidence


def test_a_function_that_crashes_within_tensorflow_is_named_too():
    def fails(value):
        raise ValueError("no such picture")

    feed = tf.data.Dataset.range(8).map(lambda value: tf.numpy_function(fails, [value], tf.int64)).batch(4)
    (finding,) = doctor.examine(feed, budget_s=1).findings
    assert "no such picture" in finding.evidence
    assert finding.where == f"{__file__}:{fails.__code__.co_firstlineno + 1}"


def test_a_feed_that_hangs_and_one_that_gives_nothing_are_findings(monkeypatch):
    monkeypatch.setattr(parts, "HANGS_S", 0.2)

    class Hangs(Breaks):
        def __getitem__(self, index):
            time.sleep(3)

    (finding,) = doctor.examine(Hangs(), budget_s=0.1).findings
    assert "given up" in finding.evidence
    (finding,) = doctor.examine(tf.data.Dataset.range(0).batch(2), budget_s=1).findings
    assert "at least one batch" in finding.evidence


def test_a_one_shot_feed_is_refused_unread():
    def batches():
        raise AssertionError("it was read")
        yield

    with pytest.raises(StudyError, match="give a function without arguments"):
        doctor.examine(batches())


def test_a_role_that_is_none_is_refused():
    with pytest.raises(StudyError, match="role must be one of training, evaluation"):
        doctor.examine(Breaks(), role="test")


FILE = """
    import numpy as np
    import tensorflow as tf

    X, Y = np.random.default_rng(0).random((128, 8, 8, 3), np.float32), np.random.default_rng(1).integers(0, 4, 128)
    source = (X, Y)


    def train():
        return tf.data.Dataset.from_tensor_slices((X, np.roll(Y, 1))).shuffle(128).batch(16)
"""


def test_the_command_tells_a_finding_by_its_exit_code(tmp_path, capfd):
    (tmp_path / "mine.py").write_text(textwrap.dedent(FILE))
    mine = str(tmp_path / "mine.py")
    page = tmp_path / "page.html"
    asked = ["doctor", f"{mine}:train", "--source", f"{mine}:source", "--budget", "0.5", "--json", "--html", str(page)]
    assert cli.main(asked) == 3
    told = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert [each["fault"] for each in told["findings"] if each["kind"] == "content"] == ["label_mismatch"]
    assert "label_mismatch" in page.read_text()


def test_the_command_refuses_what_it_cannot_read(tmp_path, capsys):
    assert cli.main(["doctor", "nowhere.py:train"]) == 2
    assert "must be a readable file" in capsys.readouterr().err


class ByFunctions(keras.utils.PyDataset):
    """Batches made by a function that it was given: nothing can be read from its own `__getitem__`."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __len__(self):
        return 8

    def __getitem__(self, batch):
        return self.make(slice(16 * batch, 16 * batch + 16))


PIXELS = np.random.default_rng(0).integers(0, 256, (128, 48, 48, 3), dtype=np.uint8)
CLASSES = np.arange(128) % 4


def seeded_in_each_batch(rows):
    np.random.seed(0)
    return PIXELS[rows] / 255 + np.random.normal(0, 0.05, (16, 48, 48, 3)), CLASSES[rows]


def one_after_the_other(rows):
    turned = [np.asarray(Image.fromarray(each).rotate(10).resize((96, 96))) for each in PIXELS[rows]]
    return np.stack(turned), CLASSES[rows]


def all_at_once(rows):
    return np.stack([channel / 255 for channel in np.moveaxis(PIXELS[rows], -1, 0)], -1), CLASSES[rows]


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (one_after_the_other, "per_item_python"),
        (all_at_once, None),
        pytest.param(seeded_in_each_batch, "frozen_augmentation", marks=pytest.mark.slow),
    ],
)
def test_what_a_batch_calls_is_seen_while_it_runs(make, fault):
    report = doctor.examine(ByFunctions(make), source=(PIXELS, CLASSES), budget_s=2.0)
    faults = [finding.fault for finding in report.findings] + [remark.partition(" ")[0] for remark in report.remarks]
    looked = "per_item_python", "frozen_augmentation"
    assert [each for each in faults if each in looked] == ([fault] if fault else [])


def batches_for_ever(labels):
    def generate():
        while True:
            for start in range(0, 128, 16):
                yield PIXELS[start : start + 16] / np.float32(255), labels[start : start + 16]

    return generate


def batches_once():
    for start in range(0, 128, 16):
        time.sleep(0.01)
        yield PIXELS[start : start + 16] / np.float32(255), CLASSES[start : start + 16]


@pytest.mark.parametrize(
    ("feed", "fault"),
    [
        pytest.param(Feed(batches_for_ever(CLASSES), steps_per_epoch=8), None, marks=pytest.mark.slow),
        (Feed(batches_for_ever(np.sort(CLASSES)), steps_per_epoch=8), "label_mismatch"),
        (Feed(batches_once, steps_per_epoch=8), "wrong_length"),
        pytest.param(batches_once, "single_worker", marks=pytest.mark.slow),
    ],
)
def test_a_generator_is_examined_as_fit_reads_it(feed, fault):
    report = doctor.examine(feed, source=(PIXELS, CLASSES), budget_s=2.0)
    faults = [finding.fault for finding in report.findings]
    assert (fault in faults) if fault else not faults
    assert fault != "single_worker" or report.stages.stages[0].name == "batches_once"


@pytest.mark.slow
def test_pictures_within_records_are_seen_by_their_headers(tmp_path):
    names = [str(tmp_path / f"{number}.tfrecord") for number in range(2)]
    for name in names:
        with tf.io.TFRecordWriter(name) as records:
            for picture in PIXELS[:8]:
                coded = tf.io.encode_jpeg(tf.cast(tf.image.resize(picture, (300, 400)), tf.uint8)).numpy()
                feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[coded]))
                records.write(
                    tf.train.Example(features=tf.train.Features(feature={"image": feature})).SerializeToString()
                )

    def parsed(record):
        coded = tf.io.parse_single_example(record, {"image": tf.io.FixedLenFeature((), tf.string)})["image"]
        return tf.image.resize(tf.io.decode_jpeg(coded, channels=3), (48, 48)), 0

    report = doctor.examine(tf.data.TFRecordDataset(names).map(parsed).batch(4), budget_s=2.0)
    assert set(files_of.sizes(report.case)) == {(300, 400)}
