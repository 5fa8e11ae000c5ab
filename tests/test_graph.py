"""The graph as it ran, of datasets whose rewriting is known; and every variant of the kit, held to its name."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies as st

from helpers import claims, pipelines, plots
from helpers.errors import NothingToShow, StudyError
from helpers.pipelines import Feed, Spec, graph, read_specs, stages
from helpers.sweep import grid
from helpers.tasks import Task
from helpers.tf_image_data_generator import TFImageDataGenerator
from helpers.timing import starvation

SWEEPS = Path(__file__).resolve().parents[1] / "notebooks" / "sweeps"
IMAGES, LABELS = np.zeros((200, 8, 8, 3), np.uint8), np.arange(200)
TASK = Task(dataset="synthetic", transform="noise", examples=64, batch_size=16)


def scaled(image, label):
    return tf.cast(image, tf.float32) / 255, label


def flipped(image, label):
    return tf.image.random_flip_left_right(image), label


def in_python(image, label):
    return tf.numpy_function(lambda array: array, [image], tf.uint8), label


def slices():
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))


def plain(**rewriting):
    options = tf.data.Options()
    for name in ("map_parallelization", "map_and_batch_fusion", "inject_prefetch"):
        setattr(options.experimental_optimization, name, rewriting.get(name, False))
    return options


def without_autotune(dataset):
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def changes(shown):
    return {node.name: node.changes for node in shown.nodes if node.changes}


@pytest.mark.parametrize(
    ("make", "names", "changed"),
    [
        (
            lambda: slices().batch(10).map(scaled),
            ["TensorSlice", "BatchV2", "ParallelMapV2"],
            {"ParallelMapV2": ("made parallel",)},
        ),
        (
            lambda: slices().map(scaled).batch(10),
            ["TensorSlice", "MapAndBatch"],
            {"MapAndBatch": ("fused", "made parallel")},
        ),
        (lambda: slices().map(in_python).batch(10), ["TensorSlice", "MapAndBatch"], {"MapAndBatch": ("fused",)}),
        (
            lambda: slices().map(scaled, num_parallel_calls=2).batch(10),
            ["TensorSlice", "MapAndBatch"],
            {"MapAndBatch": ("fused",)},
        ),
        (lambda: slices().batch(10), ["TensorSlice", "BatchV2", "Prefetch"], {"Prefetch": ("added",)}),
        (lambda: slices().batch(10).prefetch(1), ["TensorSlice", "BatchV2", "Prefetch"], {}),
        (lambda: slices().map(scaled).batch(10).with_options(plain()), ["TensorSlice", "Map", "BatchV2"], {}),
        (
            lambda: without_autotune(slices().map(scaled).batch(10)),
            ["TensorSlice", "MapAndBatch"],
            {"MapAndBatch": ("fused",)},
        ),
        (
            lambda: slices().shuffle(5).repeat(2).batch(10).prefetch(1),
            ["TensorSlice", "ShuffleAndRepeatV2", "BatchV2", "Prefetch"],
            {"ShuffleAndRepeatV2": ("fused",)},
        ),
    ],
)
def test_the_graph_shows_what_tensorflow_made_of_what_was_written(make, names, changed):
    shown = graph.as_it_ran(make())
    assert shown.names == names
    assert changes(shown) == changed
    assert not shown.invisible and str(shown) and shown._repr_html_()


def test_a_fused_node_names_its_stages_and_their_functions():
    first, second = graph.as_it_ran(slices().map(scaled).map(flipped).batch(10)).nodes[-2:]
    assert [stage.function for stage in first.stages] == ["scaled"]
    assert [(stage.name, stage.function) for stage in second.stages] == [("Map", "flipped"), ("BatchV2", "")]
    (stage,) = first.stages
    assert (stage.file, stage.line) == (__file__, scaled.__code__.co_firstlineno)
    assert stage.where == f"scaled (test_graph.py:{stage.line})"


def test_functions_stand_with_their_own_stages_also_where_a_dataset_wraps_another():
    flow = TFImageDataGenerator(horizontal_flip=True).flow(IMAGES.astype(np.float32), LABELS, batch_size=16)
    written = graph.as_it_ran(flow, read=False).written
    with_functions = {stage.name for stage in written if stage.function}
    assert with_functions and all("Map" in name for name in with_functions)
    assert [stages.kind(stage) for stage in stages.in_order(flow)].count("AssertCardinality") <= 1


def test_a_stage_that_changes_nothing_is_told_as_left_out():
    shown = graph.as_it_ran(slices().map(lambda image, label: (image, label), name="mine").batch(10).prefetch(1))
    assert [stage.name for stage in shown.dropped] == ["Map"]
    assert "Left out" in str(shown)


def test_figures_are_those_of_a_whole_epoch():
    shown = graph.as_it_ran(slices().map(scaled).batch(10, drop_remainder=True).with_options(plain()))
    batch = shown.nodes[-1]
    assert 10 < batch.elements <= 20  # the last look may come before the end
    assert batch.bytes_produced == batch.elements * (10 * 8 * 8 * 3 * 4 + 10 * 8)
    assert all(node.processing_s > 0 for node in shown.nodes)


def test_what_autotune_chose_is_told_and_what_was_asked_for_kept():
    chosen = graph.as_it_ran(slices().batch(10).map(scaled, num_parallel_calls=tf.data.AUTOTUNE)).nodes[-1]
    assert chosen.settings["num_parallel_calls"] == pipelines.AUTOTUNE
    assert chosen.parallelism >= 1 and chosen.told["calls"] == f"{chosen.parallelism} (tuned)"
    asked = graph.as_it_ran(slices().batch(10).map(scaled, num_parallel_calls=3)).nodes[-1]
    assert asked.parallelism == 3 and asked.told["calls"] == "3"


def test_a_branch_is_drawn_from_by_its_own_place():
    both = tf.data.Dataset.zip(slices().map(flipped), tf.data.Dataset.random(seed=0)).batch(10).prefetch(1)
    shown = graph.as_it_ran(both)
    assert shown.names == ["TensorSlice", "Map", "Random", "Zip", "BatchV2", "Prefetch"]
    assert shown.nodes[3].inputs == (1, 2)


def test_datasets_that_a_function_makes_are_told_by_their_names():
    shown = graph.as_it_ran(tf.data.Dataset.range(5).flat_map(lambda n: tf.data.Dataset.range(n).batch(2)))
    assert {node.name: node.nested for node in shown.nodes if node.nested} == {"FlatMap": ("Range", "BatchV2")}


def test_the_same_dataset_used_twice_is_two_stages():
    shown = graph.as_it_ran((once := slices()).concatenate(once).batch(10))
    assert shown.names[:3] == ["TensorSlice", "TensorSlice", "Concatenate"]
    assert not shown.dropped


def test_looking_at_a_cached_pipeline_leaves_its_cache_whole():
    dataset = slices().cache().batch(10)
    graph.as_it_ran(dataset)
    assert [sum(len(labels) for _, labels in dataset) for _ in range(3)] == [200] * 3


def test_looking_without_reading_reads_nothing():
    asked = []

    def generate():
        asked.append(True)
        yield 0

    dataset = tf.data.Dataset.from_generator(generate, output_signature=tf.TensorSpec((), tf.int64))
    assert graph.as_it_ran(dataset, read=False).names[-1] == "Prefetch"
    assert not asked


def test_a_feed_that_never_ends_is_read_for_its_steps_and_else_not_at_all():
    endless = slices().batch(10).repeat()
    assert graph.as_it_ran(endless).nodes[-1].elements is None
    assert graph.as_it_ran(Feed(endless, steps_per_epoch=4)).nodes[-1].elements >= 4


def test_a_function_that_makes_a_feed_is_called_for_it():
    made = []

    def make():
        made.append(slices().batch(10))
        return made[-1]

    assert graph.as_it_ran(make).names == ["TensorSlice", "BatchV2", "Prefetch"]
    assert len(made) == 1


@pytest.mark.parametrize("name", ["py_dataset", "image_data_generator"])
def test_of_a_py_dataset_it_is_said_that_it_has_no_graph(name):
    shown = graph.as_it_ran(pipelines.build(name, TASK))
    assert "no tf.data graph" in str(shown) and not shown.nodes
    with pytest.raises(NothingToShow):
        plots.graph(shown)


def test_a_graph_that_holds_too_much_data_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(graph, "MOST_BYTES", IMAGES.nbytes - 1)
    assert "give fewer examples" in graph.as_it_ran(slices().batch(10)).invisible


def test_what_is_no_feed_is_refused():
    with pytest.raises(StudyError, match="a feed must be"):
        graph.as_it_ran([1, 2])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from(["shuffle", "scaled", "parallel", "flipped", "cache", "prefetch", "take", "repeat"]), max_size=5
    ),
    st.booleans(),
)
def test_every_written_stage_is_in_one_node_or_left_out(made_of, autotune):
    stages = {
        "shuffle": lambda dataset: dataset.shuffle(7),
        "scaled": lambda dataset: dataset.map(scaled),
        "parallel": lambda dataset: dataset.map(scaled, num_parallel_calls=2),
        "flipped": lambda dataset: dataset.map(flipped),
        "cache": lambda dataset: dataset.cache(),
        "prefetch": lambda dataset: dataset.prefetch(2),
        "take": lambda dataset: dataset.take(20),
        "repeat": lambda dataset: dataset.repeat(2),
    }
    dataset = slices()
    for name in made_of:
        dataset = stages[name](dataset)
    dataset = dataset.batch(4)
    shown = graph.as_it_ran(dataset if autotune else without_autotune(dataset), read=False)
    assert len(shown.written) == len(made_of) + 2
    in_nodes = [id(stage) for node in shown.nodes for stage in node.stages]
    assert sorted(in_nodes + [id(stage) for stage in shown.dropped]) == sorted(map(id, shown.written))
    assert all(("added" in node.changes) == (not node.stages) for node in shown.nodes)
    assert shown.autotune == autotune
    plots.png(plots.graph(shown))


def test_the_drawing_tells_both_rows_in_words():
    label = plots.graph(graph.as_it_ran(slices().map(scaled).batch(10))).get_label()
    assert "As it was written: TensorSlice, Map, BatchV2" in label
    assert "As it ran: TensorSlice, MapAndBatch (fused) (made parallel)" in label


@pytest.mark.parametrize(
    ("dataset", "ahead"),
    [
        (lambda: slices().map(scaled).batch(10), True),  # fused
        (lambda: slices().batch(10), True),  # a prefetch is added
        (lambda: slices().map(scaled).batch(10).with_options(plain()), False),
    ],
)
def test_what_tensorflow_added_counts_as_working_ahead(dataset, ahead):
    assert starvation.overlaps(dataset()) == ahead


# Every variant holds what its name says: "tf_data, A, B" is tf_data's graph with the changes A and B, and no other.


def nodes_of(spec, task=TASK):
    """The graph of a pipeline as (name, settings) of each node, sources first; autotune's nodes apart."""
    shown = graph.as_it_ran(spec.build(task), read=False)
    return [(node.name, dict(node.settings)) for node in shown.nodes], shown.autotune


def changed_to(name, **told):
    return lambda nodes: [(other, kept | told if other == name else kept) for other, kept in nodes]


def without_prefetch(nodes):
    assert nodes[-1][0] == "Prefetch"
    return nodes[:-1]


def unfused(nodes):
    (place,) = [place for place, (name, _) in enumerate(nodes) if name == "MapAndBatch"]
    told = nodes[place][1]
    apart = [
        ("ParallelMapV2", {"num_parallel_calls": told["num_parallel_calls"]}),
        ("BatchV2", {name: told[name] for name in ("batch_size", "drop_remainder")}),
    ]
    return nodes[:place] + apart + nodes[place + 1 :]


def batch_first(nodes):
    """The batch moves from behind the map to where its elements are chosen: before the seeds are drawn.

    Both times TensorFlow makes it one stage with the map before it, where there is one: behind, that of the decoding.
    """
    *before, (map_, map_settings), (batch, batch_settings), prefetch = unfused(nodes)
    seeds = [node for node in before if node[0] in ("RandomV2", "Zip")]
    source = before[: len(before) - len(seeds)]
    batched = [*source, (batch, batch_settings)]
    if source[-1][0] == map_:
        batched = [*source[:-1], ("MapAndBatch", map_settings | batch_settings)]
    return [*batched, *seeds, (map_, map_settings), prefetch]


def cached(nodes):
    """Behind the source and its decoding; the shuffle, which must not be cached, stands behind."""
    shuffle = [node for node in nodes if node[0] == "ShuffleV3"]
    rest = [node for node in nodes if node not in shuffle]
    place = 2 if rest[1][0] == "ParallelMapV2" else 1
    return [*rest[:place], ("CacheV2", {}), *shuffle, *rest[place:]]


def repeated(nodes):
    assert nodes[-1][0] == "Prefetch"
    return [*nodes[:-1], ("Repeat", {"count": -1}), nodes[-1]]


CHANGES = {
    "one iterator": repeated,
    "no prefetch": without_prefetch,
    "prefetch 1": changed_to("Prefetch", buffer_size=1),
    "prefetch 2": changed_to("Prefetch", buffer_size=2),
    "prefetch 16": changed_to("Prefetch", buffer_size=16),
    "no parallel map": changed_to("MapAndBatch", num_parallel_calls=1),
    "2 calls": changed_to("MapAndBatch", num_parallel_calls=2),
    "unfused": unfused,
    "batch map": batch_first,
    "gather": batch_first,  # and its slices are indices
    "cache": cached,
    "cache in a file": cached,
    "autotune off": lambda nodes: nodes,
}


def variants():
    """Every tf.data pipeline of the grids with its transform and source, once."""
    for name in ("quick", "full", "gpu"):
        seen = set()
        for cell in grid.load(SWEEPS / f"{name}.yml").cells:
            transform, source = cell.parameters["transform"], cell.parameters["source"]
            for label, spec in read_specs(cell.parameters["pipelines"]).items():
                if spec.builder == "tf_data" and (label, transform, source) not in seen:
                    seen.add((label, transform, source))
                    yield pytest.param(label, spec, transform, source, id=f"{name}: {label}, {transform}, {source}")


@pytest.mark.parametrize(("label", "spec", "transform", "source"), variants())
def test_every_variant_of_the_grids_differs_in_what_its_name_says_and_in_nothing_else(
    label, spec, transform, source, picture_folder
):
    task = TASK.but(transform=transform)
    if source == "folder":  # records of TFDS are as arrays, but for more stages before the first of ours
        task = task.but(dataset=f"folder:{picture_folder}", source=source)
    expected, _ = nodes_of(Spec("tf_data"), task)
    for change in label.split(", ")[1:]:
        before, expected = expected, CHANGES[change](expected)
        assert expected != before or change == "autotune off", f"{change} would change nothing"
    nodes, autotune = nodes_of(spec, task)
    assert nodes == expected
    assert autotune == ("autotune off" not in label)


def specs_of(side):
    """Every pipeline of tf_data that one side of a claim may be: knobs that are not named have their defaults."""
    choices = {
        knob: values if isinstance(values, list) else [values] for knob, values in side.items() if knob != "others"
    }
    for values in itertools.product(*choices.values()):
        knobs = {knob: value for knob, value in zip(choices, values, strict=True) if value != "default"}
        if (builder := knobs.pop("builder", None)) == "tf_data":
            yield Spec(builder, knobs)


def sides_of_claims():
    for claim in claims.load():
        for number, rule in enumerate(claim.tests):
            if rule.kind == "compare":
                for both in itertools.product(*(specs_of(rule.settings[side]) for side in ("pipeline", "reference"))):
                    yield pytest.param(*both, id=f"{claim.id}-{number}: {both[0].knobs} {both[1].knobs}")


@pytest.mark.parametrize(("pipeline", "reference"), sides_of_claims())
def test_no_claim_compares_a_graph_with_itself(pipeline, reference):
    assert nodes_of(pipeline) != nodes_of(reference)


@pytest.mark.parametrize(
    ("number", "change"), [(0, batch_first), (1, CHANGES["no parallel map"]), (2, without_prefetch)]
)
def test_the_sides_of_the_claim_about_configuration_differ_in_what_it_says_alone(number, change):
    (claim,) = [claim for claim in claims.load() if claim.id == "A8"]
    sides = (next(specs_of(claim.tests[number].settings[side])) for side in ("pipeline", "reference"))
    (nodes, _), (reference, _) = map(nodes_of, sides)
    assert nodes == change(reference)
