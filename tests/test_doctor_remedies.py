"""What the doctor does about a fault: the same data proved where it says so, and the fault gone where it changes it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from helpers import doctor, parity
from helpers.doctor import content_rules, findings, py_dataset_remedies, rebuilding, remedies, stages, tf_data_stages
from helpers.doctor.case import Case
from helpers.doctor.examination import two_epochs
from helpers.doctor.parts import part_of
from helpers.doctor.rebuilding import CannotRebuild, Chain
from helpers.doctor.stages import Stage, Stages
from helpers.errors import StudyError
from helpers.pipelines import Feed, feeds, graph

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import doctor_cases

IMAGES = np.random.default_rng(0).random((96, 8, 8, 3), np.float32)
LABELS = np.arange(96) % 4
AUTOTUNE = tf.data.AUTOTUNE


def pairs():
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))


def squared(image, label):
    return image * image + 1, label


def centred(image, label):
    return image - tf.reduce_mean(image), label


def case_of(given):
    part = part_of(given, 5.0)
    kind, datasets = feeds.kind(part.feed.data), ()
    if kind == "tf.data":
        datasets = tuple(tf_data_stages.in_order(part.feed.data))
    named = tuple(Stage(tf_data_stages.kind(each)) for each in datasets) or (Stage("all", wall_s=1.0, cpu_s=1.0),)
    drawn = graph.as_it_ran(part.feed, read=False) if kind == "tf.data" else graph.Graph()
    told = Stages(named, part.batches, graph=drawn, datasets=datasets)
    return Case(part.feed, kind, "training", two_epochs(part.feed), part.is_whole, told)


def remedy_of(given, fault, kind=""):
    """The remedy of a fault, at the last stage of a kind."""
    case = case_of(given)
    places = [place for place, each in enumerate(case.stage_kinds) if each == kind]
    finding = findings.suspected(fault, "", "", place=places[-1] if places else -1)
    return case, remedies.of(case, [finding]).get(fault)


def kinds_of(feed):
    return Chain.of(feed.data).kinds


SAME_DATA = [
    ("no_cache", "Map", lambda: pairs().map(squared).shuffle(96).batch(8), ["Map", "Cache", "Shuffle", "Batch"]),
    (
        "python_in_map",
        "Map",
        lambda: pairs().shuffle(96).map(doctor_cases.in_python).batch(8),
        ["Map", "Cache", "Shuffle", "Batch"],
    ),
    ("map_per_element", "Map", lambda: pairs().map(squared).shuffle(96).batch(8), ["Shuffle", "Batch", "Map"]),
    ("map_per_element", "Map", lambda: pairs().map(centred).batch(8), ["Batch", "Map"]),
    (
        "map_per_element",
        "ParallelMap",
        lambda: pairs().map(centred, num_parallel_calls=2).batch(8),
        ["Batch", "ParallelMap"],
    ),
    ("sequential_map", "Map", lambda: pairs().map(squared).batch(8), ["ParallelMap", "Batch"]),
    ("no_prefetch", "", lambda: pairs().batch(8), ["Batch", "Prefetch"]),
    ("wasted_work", "Map", lambda: pairs().map(squared).shard(3, 1).batch(8), ["Shard", "Map", "Batch"]),
    (
        "wasted_work",
        "Map",
        lambda: pairs().map(squared).filter(lambda image, label: label < 2).batch(8),
        ["Filter", "Map", "Batch"],
    ),
    ("heavy_shuffle_buffer", "", lambda: pairs().map(squared).shuffle(9).batch(8), ["Shuffle", "Map", "Batch"]),
    ("thread_starvation", "", lambda: pairs().map(squared).batch(8), ["Map", "Batch", "Options"]),
    ("cache_too_large", "", lambda: pairs().map(squared).cache().batch(8), ["Map", "Batch"]),
    (
        "sequential_read",
        "FlatMap",
        lambda: (
            tf.data.Dataset.range(4).flat_map(lambda n: tf.data.Dataset.range(8 * n, 8 * n + 8)).shuffle(32).batch(8)
        ),
        ["ParallelInterleave", "Shuffle", "Batch"],
    ),
]


@pytest.mark.parametrize(
    ("fault", "kind", "make", "expected"), SAME_DATA, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_remedy_of_speed_delivers_the_same_examples(fault, kind, make, expected):
    case, remedy = remedy_of(make(), fault, kind)
    remedied = remedy.make()
    assert kinds_of(remedied) == expected
    assert remedy.changes == "" and parity.compare({"as it is": case.feed, fault: remedied}).same


CHANGED_DATA = [
    ("weak_shuffle", content_rules.weak_shuffle),
    ("shuffle_after_batch", content_rules.shuffle_after_batch),
    ("frozen_order", content_rules.frozen_order),
    ("epochs_mixed", content_rules.epochs_mixed),
    ("frozen_augmentation", content_rules.frozen_augmentation),
]


@pytest.mark.parametrize(("fault", "rule"), CHANGED_DATA, ids=[fault for fault, _ in CHANGED_DATA])
def test_a_remedy_of_content_takes_the_fault_away_and_says_what_it_changes(fault, rule):
    data = doctor_cases.Data(5)
    planted = [each for each in doctor_cases.PLANTED if each.fault == fault and each.shape.startswith("tf.data")]
    for each in planted:
        case, remedy = remedy_of(each.sick(data), fault)
        assert rule(case) is not None and remedy.changes
        assert rule(case_of(remedy.make())) is None


def test_what_else_changes_the_data_says_so():
    case, remedy = remedy_of(pairs().batch(10, drop_remainder=True), "lost_examples")
    assert case.epochs[0].count == 90 and case_of(remedy.make()).epochs[0].count == 96
    _, remedy = remedy_of(pairs().batch(2), "tiny_batches")
    assert case_of(remedy.make()).epochs[0].epoch.sizes[0] == 32 and "size" in remedy.changes
    wide = pairs().map(lambda image, label: (tf.cast(image, tf.float64), label)).batch(8)
    _, remedy = remedy_of(wide, "wide_dtype")
    image, label = remedy.make().data.element_spec
    assert image.dtype == tf.float32 and label.dtype == tf.int64 and "dtype" in remedy.changes


def test_a_seeded_shuffle_keeps_its_order_when_it_is_made_anew():
    dataset = pairs().map(squared).shuffle(96, seed=3).batch(8)
    _, remedy = remedy_of(pairs().map(squared).shuffle(96, seed=3).batch(8), "sequential_map", "Map")
    remedied = Chain.of(remedy.make().data).built()  # whose shuffle counts no epoch yet
    orders = [next(iter(each))[1].numpy().tolist() for each in (dataset, remedied)]
    assert orders[0] == orders[1]


def test_what_comes_before_an_edit_is_used_as_it_is():
    dataset = pairs().map(squared).batch(8)
    chain = Chain.of(dataset)
    assert chain.built() is dataset
    longer = chain.inserted(2, rebuilding.Step("Prefetch", lambda below: below.prefetch(1))).built()
    assert longer._input_dataset is dataset


def test_a_pipeline_whose_parts_cannot_be_made_anew_has_no_remedy(tmp_path):
    with pytest.raises(CannotRebuild, match="Window"):
        rebuilding.again(pairs().window(4))(pairs())
    in_a_file = pairs().map(squared).cache(str(tmp_path / "there"))
    _, remedy = remedy_of(in_a_file.shuffle(96).batch(8), "heavy_shuffle_buffer")
    assert remedy is None
    both = tf.data.Dataset.zip(pairs().map(squared), pairs()).map(lambda first, second: first).batch(8)
    case = case_of(both)
    place = case.stage_kinds.index("Map")  # within a branch
    assert remedies.of(case, [findings.suspected("sequential_map", "", "", place=place)]) == {}


def test_a_cache_never_freezes_an_order():
    data = pairs().shuffle(96).batch(8).map(squared)
    assert remedy_of(data, "no_cache", "Map")[1] is None
    assert remedy_of(Feed(pairs().repeat().map(squared).batch(8), 12), "no_cache", "Map")[1] is None


def test_several_remedies_go_together():
    case = case_of(pairs().map(squared).shuffle(96).batch(8))
    found = [findings.suspected(fault, "", "", place=1) for fault in ("no_cache", "sequential_map")]
    combined = remedies.together(case, remedies.of(case, found).values())
    assert kinds_of(combined.make()) == ["ParallelMap", "Cache", "Shuffle", "Batch"]
    assert parity.compare({"as it is": case.feed, "both": combined.make()}).same


def test_one_iterator_for_all_epochs_delivers_the_same():
    case = case_of(pairs().shuffle(96).batch(10))
    remedy = remedies.one_iterator(case)
    assert remedy.make().steps_per_epoch == 10 and parity.compare({"a": case.feed, "b": remedy.make()}).same
    assert remedies.one_iterator(case_of(Feed(pairs().repeat().batch(8), 12))) is None


def test_a_py_dataset_gets_workers_or_keeps_its_batches():
    data = doctor_cases.Data(2)
    case, remedy = remedy_of(doctor_cases.Waiting(data.x, data.y), "single_worker")
    assert remedy.make().data.workers == 8 and parity.compare({"a": case.feed, "b": remedy.make()}).same
    case, remedy = remedy_of(
        Feed(doctor_cases.OneByOne(data.x, data.y, shuffle=False), shuffle=False), "per_item_python"
    )
    remedied = remedy.make()
    assert parity.compare({"a": case.feed, "b": remedied}).same
    assert remedied.data[3] is remedied.data[3]
    case, remedy = remedy_of(doctor_cases.Fresh(data.x, data.y), "no_cache")
    assert remedy is None
    wide = doctor_cases.Sequence(data.x.astype("float64"), data.y)
    case, remedy = remedy_of(wide, "wide_dtype")
    assert remedy.make().data[0][0].dtype == np.float32 and remedy.changes


def test_image_data_generator_becomes_its_port(without_the_warnings_about_oddities):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    data = doctor_cases.Data(2, examples=64)
    generator = ImageDataGenerator(rotation_range=15, horizontal_flip=True, rescale=1 / 255)
    case, remedy = remedy_of(generator.flow(data.x, data.y, batch_size=16), "per_item_python")
    assert py_dataset_remedies.is_image_data_generator(case)
    assert parity.compare({"as it is": case.feed, "port": remedy.make()}).same
    assert case.feed.data.image_data_generator is generator and generator.rescale == 1 / 255


@pytest.mark.slow
def test_verifying_proves_and_measures_and_changes_data_only_when_asked():
    data = doctor_cases.Data(0, examples=128)
    feed = data.pairs().map(doctor_cases.sin_slow).shuffle(128, reshuffle_each_iteration=False).batch(16)
    report = doctor.examine(feed, budget_s=1)
    assert {"frozen_order"} <= {finding.fault for finding in report.findings}
    cautious = report.verify(budget_s=0.5)
    by_name = {each.remedy.name: each for each in cautious.tried}
    assert "it changes the order" in by_name["frozen_order"].why_not and by_name["frozen_order"].gain is None
    assert by_name["one_iterator"].gain.low > 0 and not by_name["one_iterator"].differences
    told = {each.remedy.name: each for each in report.verify(change_data=True, budget_s=0.5).tried}
    assert told["frozen_order"].differences.keys() == {"order"} and told["frozen_order"].gain is not None
    assert "proved" in str(cautious) and "<table" in cautious._repr_html_()


def test_a_feed_that_cannot_be_read_is_not_remedied():
    report = doctor.examine(tf.data.Dataset.range(0).batch(2), budget_s=1)
    with pytest.raises(StudyError, match="must be readable"):
        report.verify()


def test_a_remedy_that_delivers_something_else_is_told_and_not_timed():
    case = case_of(pairs().batch(8))
    other = remedies.Remedy("x", "other labels", lambda: Feed(pairs().map(lambda x, y: (x, y + 1)).batch(8)))
    (tried,) = doctor.report.verification.verify(case, [other], budget_s=0.1).tried
    assert tried.gain is None and "not timed, other data" in tried.why_not
    fails = replace(other, make=lambda: 1 / 0)
    (tried,) = doctor.report.verification.verify(case, [fails], budget_s=0.1).tried
    assert "ZeroDivisionError" in tried.why_not and tried.feed is None
    assert stages.Stages((), 1).costliest is None
