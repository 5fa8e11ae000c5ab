"""Which pipeline to use: planted answers are found, none is made up, and the lines to change over run as they stand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from made_up_results import cell, quick_like, table

from helpers.report import switching, wording
from helpers.results.answers import answers, feed_times

SEQUENCE, ELEMENT = ("py_dataset", "{}"), ("tf_data", "{}")
GENERATOR, PORT = ("image_data_generator", "{}"), ("tf_image_data_generator", "{}")


def feeder(builder, **knobs):
    return builder, json.dumps(knobs, sort_keys=True)


def with_start(rows, label, share):
    """The cell, in which so much of one pipeline's epoch is its start."""
    rows = rows.copy()
    (at,) = rows.index[rows["pipeline"] == label]
    row = rows.loc[at]
    batch_s = (1 - share) * row["epoch_s"] / row["batches"]
    rounds = [(1 - share) * s * (row["batches"] - 1) / row["batches"] for s in row["epoch_s_rounds"]]
    rows.at[at, "steady_s_rounds"] = rounds
    rows.at[at, "first_batch_s_rounds"] = [share * s for s in row["epoch_s_rounds"]]
    rows.loc[at, ["start_s", "batch_s"]] = share * row["epoch_s"], batch_s
    return rows


def test_the_planted_fastest_is_named_with_how_much_faster_it_is_than_the_usual_one_and_the_next():
    rows = table([cell(seconds={"py_dataset": 1.0, "tf_data": 0.8, "tf_data, batch map": 0.5})])
    (answer,) = answers(rows)
    assert (answer.work, answer.usual, answer.pipeline) == ("light", "py_dataset", "tf_data, batch map")
    assert answer.lead.low < 2.0 < answer.lead.high and answer.lead.verdict == "faster"
    assert answer.next.over == "tf_data" and answer.next.low < 1.6 < answer.next.high
    assert len(answer.lead.by_cell[0][-1]) == 12


def test_where_none_is_shown_to_be_faster_the_usual_one_is_kept_and_the_interval_is_told():
    (answer,) = answers(table([cell(seconds={"py_dataset": 1.0, "tf_data": 0.97}, noise=0.3)]))
    assert answer.pipeline == "py_dataset" and answer.lead is None
    verb, name, told = wording.recommended(answer)
    assert (verb, name) == ("Keep", "a Sequence") and "no other is shown to be faster" in told
    assert f"{wording.times(answer.next)}, undecided" in told


def test_a_pipeline_that_does_other_work_is_never_recommended():
    rows = table([cell(seconds={"py_dataset": 1.0, "tf_data": 0.9, "tf_data, cache": 0.1}, unlike=("tf_data, cache",))])
    (answer,) = answers(rows)
    assert answer.pipeline == "tf_data"


def test_cells_of_one_kind_make_one_answer_whose_lead_is_their_mean():
    slow, quick = ({"py_dataset": 1.0, "tf_data": times} for times in (0.8, 0.4))
    rows = table([cell(seconds=slow, dataset="one"), cell(seconds=quick | {"tf_data, batch map": 2}, dataset="two")])
    (answer,) = answers(rows)
    assert len(answer.cells) == 2
    assert answer.lead.times == pytest.approx(1 / math.sqrt(0.8 * 0.4), rel=0.05)


def test_small_and_large_batches_light_and_heavy_work_have_answers_of_their_own():
    found = answers(quick_like())
    told = [(answer.work, max(answer.among("batch_size")), answer.usual) for answer in found]
    assert told == [
        ("light", 32, "py_dataset"),
        ("light", 256, "py_dataset"),
        ("heavy", 32, "py_dataset"),
        ("augmentation", 32, "image_data_generator"),
    ]
    assert len({answer.key for answer in found}) == len(found)


@pytest.mark.parametrize(("start", "expected"), [(0.02, (None, "some")), (0.6, ("some", None)), (0.2, (None, None))])
def test_a_lead_that_lies_in_the_start_fades_and_one_that_lies_in_the_rate_begins_somewhere(start, expected):
    rows = cell(seconds={"py_dataset": 1.0, "tf_data": 0.9}, rounds=20, noise=0.002)
    (answer,) = answers(table([with_start(rows, "tf_data", start)]))
    assert answer.pipeline == "tf_data"
    assert tuple(end and "some" for end in answer.shown) == expected


def test_from_the_step_that_is_named_on_less_than_the_margin_is_gained():
    rows = table([cell(seconds={"py_dataset": 1.0, "tf_data": 0.5})])
    (answer,) = answers(rows)
    mine, other = (feed_times(row) for _, row in rows.set_index("pipeline").loc[["tf_data", "py_dataset"]].iterrows())
    gains = [other.predict(step).epoch_s / mine.predict(step).epoch_s for step in (0.8 * answer.step_s, answer.step_s)]
    assert gains[0] > 1.05 >= gains[1]


@settings(max_examples=25, deadline=None)
@given(
    seconds=st.lists(st.floats(0.01, 10), min_size=2, max_size=4),
    scale=st.floats(0.01, 100),
    noise=st.floats(0.001, 0.5),
)
def test_the_unit_of_time_changes_no_answer_and_what_is_recommended_is_shown_to_be_faster(seconds, scale, noise):
    labels = ("py_dataset", "tf_data", "tf_data, batch map", "tf_data, one iterator")
    found = [
        answers(table([cell(seconds=dict(zip(labels, [by * s for s in seconds], strict=False)), noise=noise)]))[0]
        for by in (1.0, scale)
    ]
    assert found[0].pipeline == found[1].pipeline
    for answer in found:
        assert (answer.lead is None) == (answer.pipeline == answer.usual)
        assert answer.lead is None or answer.lead.low > 1


def test_a_table_without_parts_of_epochs_has_answers_without_lengths_and_steps():
    rows = table([cell(seconds={"py_dataset": 1.0, "tf_data": 0.5})])
    nothing = [[] for _ in range(len(rows))]
    rows = rows.assign(steady_s_rounds=nothing, first_batch_s_rounds=nothing, end_s_rounds=nothing, batch_s=np.nan)
    (answer,) = answers(rows)
    assert answer.pipeline == "tf_data" and math.isnan(answer.step_s)
    assert wording.lengths(answer) == "for the measured 1,000 examples per epoch only"


WAYS = [
    SEQUENCE,
    feeder("py_dataset", backend="opencv"),
    feeder("py_dataset", workers=2),
    ELEMENT,
    feeder("tf_data", map="batch"),
    feeder("tf_data", map="gather", repeat=True),
    feeder("tf_data", cache="memory", repeat=True),
    feeder("tf_data", cache="file", prefetch=0),
    GENERATOR,
    PORT,
    feeder("tf_image_data_generator", repeat=True),
    feeder("keras_layers"),
    feeder("keras_directory"),
]


@pytest.mark.filterwarnings("ignore:.shuffle=True. was passed:UserWarning")
@pytest.mark.filterwarnings("ignore:.*oddit.*:UserWarning")
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_lines_that_it_takes_train_a_model_as_they_stand(way, picture_folder, tmp_path, own_seed):
    import keras
    import tensorflow as tf

    code, lesson = switching.lines_of(way, batch_size=16)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    known = {
        "keras": keras,
        "math": math,
        "np": np,
        "tf": tf,
        "images": np.random.default_rng(0).random((40, 32, 32, 3), dtype=np.float32),
        "labels": np.arange(40) % 3,
        "prepare": lambda images, labels: (images, labels),
        "layers": keras.Sequential([keras.layers.RandomFlip()]),
        "folder": str(picture_folder),
        "file": str(tmp_path / "cache"),
        "model": model,
    }
    exec("\n".join(code).replace("epochs=20", "epochs=1, verbose=0"), known)
    assert model.built
    assert lesson in switching.LESSONS.values()


def test_only_new_lines_are_counted_and_a_rewrite_is_told():
    to_port = switching.switch(GENERATOR, PORT, batch_size=32)
    assert to_port.lines == (switching.lines_of(PORT, batch_size=32)[0][0],) and not to_port.rewrite
    to_one_iterator = switching.switch(ELEMENT, feeder("tf_data", repeat=True), batch_size=32)
    assert to_one_iterator.lines == ("model.fit(dataset.repeat(), steps_per_epoch=len(dataset), epochs=20)",)
    assert "prepare()" in switching.switch(SEQUENCE, ELEMENT, batch_size=32).rewrite
    assert switching.switch(SEQUENCE, ("published_b3_imitation", "{}"), batch_size=32) is None


def test_every_lesson_that_is_named_is_there():
    from helpers import paths

    for lesson in switching.LESSONS.values():
        assert (paths.project_root() / "notebooks" / lesson).is_file()


@pytest.mark.parametrize(
    ("way", "name"),
    [
        (SEQUENCE, "Sequence"),
        (ELEMENT, "tf.data with a map per image"),
        (feeder("tf_data", repeat=True), "tf.data with one iterator for all epochs"),
        (
            feeder("tf_data", cache="memory", prefetch=0, inject_prefetch=False),
            "tf.data with a cache in memory and no prefetch",
        ),
        (feeder("tf_data", deterministic=False), "the grid's label"),
        (("mine", "{}"), "the grid's label"),
    ],
)
def test_pipelines_have_names_for_people_and_the_grids_where_there_are_no_words(way, name):
    assert wording.name_of(way, "the grid's label") == name
