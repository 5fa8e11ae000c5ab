"""The graph of a tf.data feed as it ran: before TensorFlow runs what was written, it rewrites it.

It makes plain maps parallel, fuses neighbours, and adds a prefetch. `as_it_ran` shows the graph after that, and which
of the written stages each of its nodes does.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import escape

from helpers import internals
from helpers.pipelines import AUTOTUNE, graph_figures
from helpers.pipelines.feeds import Feed, kind

MOST_BYTES = 512 << 20  # arrays in a graph are copied several times while it is read
OF_A_PY_DATASET = (
    "a PyDataset has no tf.data graph of its own; fit wraps it in a generator dataset, whose graph says nothing of it"
)
# Settings of the whole graph, which TensorFlow keeps as nodes of it.
_SETTINGS = ("OptionsDataset", "MaxIntraOpParallelismDataset", "PrivateThreadPoolDataset", "ModelDataset")
_DATASET = re.compile(r"Dataset(V\d+)?$")
_WHOLE = ("int32", "int64", "bool")


@dataclass(frozen=True)
class Stage:
    """A stage of a dataset as it was written.

    Attributes:
        name: as TensorFlow names it, such as "Map" or "BatchV2".
        settings: what it was told: "num_parallel_calls", "buffer_size", "batch_size" and the like; -1: AUTOTUNE.
        inputs: the places in the graph of the stages that it draws from.
        file, line, function: where the function was written that it calls; "" and 0 where it calls none of Python's.
    """

    name: str
    settings: Mapping[str, int]
    inputs: tuple[int, ...]
    file: str = ""
    line: int = 0
    function: str = ""

    @property
    def told(self) -> dict[str, str]:
        """What it was told of parallel calls and of a buffer, in words; "" where it has none."""
        return {
            "calls": _setting(self.settings.get("num_parallel_calls")),
            "buffer": _setting(self.settings.get("buffer_size")),
        }

    @property
    def where(self) -> str:
        """The function with its file and line, "" where there is none."""
        return f"{self.function} ({Path(self.file).name}:{self.line})" if self.file else ""

    def __str__(self):
        return f"{self.name} {self.function}".strip()


@dataclass(frozen=True)
class Node:
    """A node of the graph as it ran. Figures are None where TensorFlow did not tell.

    Attributes:
        name: as TensorFlow names it, such as "ParallelMapV2".
        settings: what it was told; -1: AUTOTUNE.
        inputs: the places in the graph of the nodes that it draws from.
        stages: what it does of the written; () where TensorFlow added it.
        changes: what TensorFlow did: "added", "fused", "made parallel".
        nested: the datasets that its function makes anew for each element, which TensorFlow leaves as they are.
        parallelism: calls at once; -1: left to AUTOTUNE, whose choice was not seen.
        buffer_size: elements that it may hold; -1: left to AUTOTUNE, whose choice was not seen.
        elements: delivered, as last seen.
        bytes_produced: of these elements.
        processing_s: seconds of work in this node alone, of all its threads together.
    """

    name: str
    settings: Mapping[str, int]
    inputs: tuple[int, ...]
    stages: tuple[Stage, ...] = ()
    changes: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    parallelism: int | None = None
    buffer_size: int | None = None
    elements: int | None = None
    bytes_produced: int | None = None
    processing_s: float | None = None

    @property
    def told(self) -> dict[str, str]:
        """Its parallel calls and its buffer, in words, and whether AUTOTUNE chose them; "" where it has none."""
        return {
            "calls": _setting(self.settings.get("num_parallel_calls"), self.parallelism),
            "buffer": _setting(self.settings.get("buffer_size"), self.buffer_size),
        }


@dataclass(frozen=True)
class Graph:
    """The graph of a feed, sources first.

    Attributes:
        nodes: as it ran.
        written: the stages as they were written.
        autotune: whether tf.data adapted its AUTOTUNE settings; it tells figures only then.
        invisible: why no graph can be seen; "" where one can.
    """

    nodes: tuple[Node, ...] = ()
    written: tuple[Stage, ...] = ()
    autotune: bool = False
    invisible: str = ""

    @property
    def names(self) -> list[str]:
        """The nodes' names, sources first."""
        return [node.name for node in self.nodes]

    @property
    def dropped(self) -> list[Stage]:
        """The written stages that TensorFlow left out, because they change nothing."""
        kept = {id(stage) for node in self.nodes for stage in node.stages}
        return [stage for stage in self.written if id(stage) not in kept]

    @property
    def table(self) -> pd.DataFrame:
        """One row per node: name, written as, changes, parallelism, buffer, elements, MB, ms, where; texts."""
        columns = (
            "as it ran",
            "written as",
            "by TensorFlow",
            "nested",
            "calls",
            "buffer",
            "elements",
            "MB",
            "ms",
            "function",
        )
        rows = [
            (
                node.name,
                " + ".join(stage.name for stage in node.stages),
                ", ".join(node.changes),
                ", ".join(node.nested),
                *node.told.values(),
                _figure(node.elements, "{:,}"),
                _figure(node.bytes_produced, "{:,.1f}", 1e-6),
                _figure(node.processing_s, "{:,.1f}", 1e3),
                " + ".join(stage.where for stage in node.stages if stage.where),
            )
            for node in self.nodes
        ]
        table = pd.DataFrame(rows, columns=columns)
        return table.drop(columns=[name for name in columns[2:] if (table[name] == "").all()])

    def to_dict(self) -> dict[str, Any]:
        """Returns the nodes, plain values as for JSON, and the remarks."""
        return {"nodes": [asdict(node) for node in self.nodes], "remarks": self.remarks}

    @property
    def remarks(self) -> list[str]:
        """What a reader of the table should know, sentence by sentence."""
        if self.invisible:
            return [f"Graph not visible: {self.invisible}."]
        told = [f"Left out, because they change nothing: {', '.join(map(str, self.dropped))}."] if self.dropped else []
        if not self.autotune:
            return [*told, "Autotune is off: TensorFlow keeps no figures."]
        if any(node.elements is not None for node in self.nodes):
            told.append("Figures as last seen: TensorFlow forgets a node once it has ended.")
        return told

    def __str__(self):
        table = [self.table.to_string(index=False)] if self.nodes else []
        return "\n".join([*table, *self.remarks])

    def _repr_html_(self):
        table = self.table.to_html(index=False) if self.nodes else ""
        return table + "".join(f"<p>{escape(remark)}</p>" for remark in self.remarks)


def as_it_ran(feed: Any, *, read: bool = True) -> Graph:
    """Returns the graph of a feed as TensorFlow runs it, with figures of one epoch.

    The epoch is read to its end, because a cache that was read in part may pass for complete. It counts as an epoch:
    the next one has the next order and the next draws. A feed that never ends is read for its steps, without them not
    at all; where TensorFlow does not know the length, it must end by itself, or be a `Feed` with its steps.

    Args:
        feed: a tf.data.Dataset; a `Feed` with one; or a function without arguments that makes either. Of a PyDataset
            the graph says only that it has none.
        read: whether an epoch is read. Without, the graph as it would run, without figures.

    Raises:
        StudyError: for what is no feed.
    """
    import tensorflow as tf

    feed = feed() if callable(feed) else feed
    dataset, steps = (feed.data, feed.steps_per_epoch) if isinstance(feed, Feed) else (feed, None)
    if kind(dataset) != "tf.data":
        return Graph(invisible=OF_A_PY_DATASET)
    if (size := internals.captured_bytes(dataset)) > MOST_BYTES:
        return Graph(invisible=f"it holds {size >> 20} MiB of data, of {MOST_BYTES >> 20} at most; give fewer examples")
    try:
        as_written = internals.dataset_graph(dataset, rewritten=False)
        rewritten = internals.dataset_graph(dataset, rewritten=True)
    except tf.errors.OpError as error:
        return Graph(invisible=f"TensorFlow cannot write it down ({error.message.splitlines()[0]})")
    written, named = _written(as_written, internals.stage_of(dataset))
    nodes = _rewritten(rewritten, named)
    autotune = any(node.op == "ModelDataset" for node in rewritten.node)
    ends = steps is not None or dataset.cardinality() != tf.data.INFINITE_CARDINALITY
    if read and autotune and ends:
        nodes = graph_figures.filled(nodes, graph_figures.observed(dataset, steps))
    return Graph(tuple(nodes), tuple(written), autotune)


def _datasets_of(graph, dataset=None):
    """Returns a list of (node, places of its inputs, the tf.data.Dataset that it was made of), sources first.

    Args:
        graph: a GraphDef.
        dataset: the tf.data.Dataset whose graph it is; None: not known.
    """
    nodes = {node.name: node for node in graph.node}
    found: list[tuple] = []

    def visit(name, dataset):
        node = nodes[name.partition(":")[0]]
        drawn_from = [
            name
            for argument, names in internals.named_inputs(node).items()
            for name in names
            if argument != "other_arguments" and _DATASET.search(nodes[name.partition(":")[0]].op)
        ]
        made_of = internals.dataset_inputs(dataset) if dataset is not None else []
        if len(made_of) != len(drawn_from):
            made_of = [None] * len(drawn_from)
        inputs = [visit(*both) for both in zip(drawn_from, made_of, strict=True)]
        if node.op in _SETTINGS:
            return inputs[0]
        found.append((node, tuple(inputs), dataset))
        return len(found) - 1

    (returned,) = (node for node in graph.node if node.op == "_Retval")
    visit(returned.input[0], dataset)
    return [(node, inputs, dataset, _settings_of(node, nodes)) for node, inputs, dataset in found]


def _settings_of(node, nodes):
    """Returns the whole numbers and switches among a node's inputs, seeds left out."""
    import tensorflow as tf

    settings = {}
    for argument, names in internals.named_inputs(node).items():
        constant = nodes[names[0].partition(":")[0]] if len(names) == 1 else node
        if constant.op == "Const" and not argument.startswith("seed"):
            value = constant.attr["value"].tensor
            if not value.tensor_shape.dim and tf.as_dtype(value.dtype).name in _WHOLE:
                settings[argument] = int(tf.make_ndarray(value))
    return settings


def _name(node):
    return node.op.replace("Dataset", "")


def _stage_names(node):
    return internals.stages_of(node) or [node.op]  # a few operations keep no name


def _written(graph, dataset):
    """Returns (the stages, by their names in the graph those of each name)."""
    stages, named = [], defaultdict(list)
    for node, inputs, made_of, settings in _datasets_of(graph, dataset):
        file, line, function = internals.written_at(made_of) or ("", 0, "")
        stages.append(Stage(_name(node), settings, inputs, file, line, function))
        named[_stage_names(node)[0]].append(stages[-1])
    return stages, named


def _rewritten(graph, named):
    """Returns the nodes of the rewritten graph; `named` are the written stages by their names."""
    nodes = []
    functions = {function.signature.name: function.node_def for function in graph.library.function}
    for node, inputs, _, settings in _datasets_of(graph):
        # The same dataset used twice stands there twice, by one name.
        stages = [
            of_name.pop(0) if len(of_name) > 1 else of_name[0]
            for name in _stage_names(node)
            if (of_name := named.get(name))
        ]
        parallelism = settings.get("num_parallel_calls")
        asked = any("num_parallel_calls" in stage.settings for stage in stages)
        changes = {
            "added": not stages,
            "fused": len(stages) > 1,
            "made parallel": stages and parallelism not in (None, 1) and not asked,
        }
        nodes.append(
            Node(
                _name(node),
                settings,
                inputs,
                tuple(stages),
                tuple(change for change, made in changes.items() if made),
                tuple(_name(made) for made in functions.get(node.attr["f"].func.name, ()) if _DATASET.search(made.op)),
                parallelism,
                settings.get("buffer_size"),
            )
        )
    return nodes


def _setting(asked, seen=None):
    if asked == AUTOTUNE and seen not in (None, AUTOTUNE):
        return f"{seen} (tuned)"
    return "" if asked is None else "AUTOTUNE" if asked == AUTOTUNE else str(asked)


def _figure(value, form, unit=1):
    return "" if value is None else form.format(value * unit)
