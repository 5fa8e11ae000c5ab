"""Rules for faults of speed of a PyDataset: from what a batch costs, and how `__getitem__` is written."""

import ast
import inspect
import textwrap

from helpers.doctor import py_dataset_remedies
from helpers.doctor.case import Case
from helpers.doctor.findings import Finding, measured, suspected
from helpers.doctor.speed_rules import COSTLY_S, gain_of

OPENING = {"load", "open", "listdir", "glob", "read_csv", "loads", "File", "ZipFile", "read_parquet", "imread"}


def per_item_python(case: Case) -> Finding | None:
    """A loop over examples in `__getitem__`."""
    code = _code_of(case)
    if case.kind != "PyDataset" or not case.stages.stages:
        return None
    whole = case.stages.outer[0]
    each_s = whole.wall_s / max(1, case.stages.batches) / max(case.epochs[0].epoch.sizes)
    cpu_s = whole.cpu_s / max(1, case.stages.batches) / max(case.epochs[0].epoch.sizes)
    if py_dataset_remedies.is_image_data_generator(case) and cpu_s > COSTLY_S:
        return measured(
            "per_item_python",
            f"ImageDataGenerator makes its pictures one after the other in Python: {1e3 * each_s:.2f} ms each.",
            "take helpers.tf_image_data_generator.TFImageDataGenerator, which makes the same pictures in tf.data "
            "[fact: idg-one-picture-at-a-time]",
            where=whole.name,
            gain=gain_of(case, whole, left=0.15),
        )
    size = max(case.epochs[0].epoch.sizes)
    line = case.called.in_a_loop(size)
    if not (line or _has_loop(code)) or size < 4 or each_s < 1e-5:
        return None
    return measured(
        "per_item_python",
        f"Its examples are made one after the other in Python: {1e3 * each_s:.2f} ms each.",
        "work on whole batches in NumPy, or make it a tf.data.Dataset with a parallel map "
        "[fact: plain-map-runs-parallel]",
        where=line or whole.where,
        gain=gain_of(case, whole, left=0.1),
    )


def _code_of(case):
    """The syntax of a user's `__getitem__` and of the methods that it may call; None where it cannot be read."""
    if case.kind != "PyDataset" or type(case.feed.data).__module__.startswith("keras"):
        return None
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(type(case.feed.data).__getitem__)))
    except (OSError, TypeError, SyntaxError):
        return None


def _has_loop(code):
    return code is not None and any(
        isinstance(node, ast.For | ast.ListComp | ast.GeneratorExp) for node in ast.walk(code)
    )


def reload_per_batch(case: Case) -> Finding | None:
    """A file of all data that is opened for every batch."""
    code = _code_of(case)
    if not case.called.functions or _has_loop(code) or case.called.in_a_loop(max(case.epochs[0].epoch.sizes)):
        return None
    called = case.called.names | {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in (ast.walk(code) if code else ())
        if isinstance(node, ast.Call)
    }
    if not called & OPENING:
        return None
    whole = case.stages.outer[0]
    told = f"Each batch calls {', '.join(sorted(called & OPENING))}."
    remedy = "open it once, in __init__ (np.load(…, mmap_mode='r') where it is large)"
    return suspected("reload_per_batch", told, remedy, where=whole.where, gain=gain_of(case, whole, left=0.2))


def no_cache(case: Case) -> Finding | None:
    """Batches that are computed anew in every epoch, always the same, though they fit in memory."""
    if not case.stages.outer or not py_dataset_remedies.could_be_kept(case):
        return None
    whole = case.stages.outer[0]
    each_s = whole.cpu_s / max(1, case.stages.batches * max(case.epochs[0].epoch.sizes))
    if each_s < COSTLY_S or whole.cpu_s < 0.5 * whole.wall_s:
        return None
    return measured(
        "no_cache",
        f"Every epoch computes the same {case.epochs[0].bytes / 1e6:.0f} MB anew: {1e3 * each_s:.2f} ms of CPU each.",
        "keep what it made, in memory, where augmentation comes behind",
        where=whole.where,
        gain=gain_of(case, whole),
    )


def single_worker(case: Case) -> Finding | None:
    """One worker that waits most of its time."""
    if case.kind != "PyDataset" or case.feed.data.workers > 1 or not case.stages.stages:
        return None
    whole = case.stages.outer[0]
    waiting = 1 - (whole.cpu_s + whole.queued_s) / whole.wall_s
    if waiting < 0.7 or whole.of_lock > 0.3 or whole.wall_s < 1e-3 * case.stages.batches:
        return None
    remedy = (
        f"give it workers={py_dataset_remedies.WORKERS}, and max_queue_size=16 "
        "[facts: workers-belong-to-the-object, workers-wait-together]"
    )
    return measured(
        "single_worker",
        f"It waits for {waiting:.0%} of its time, with one worker.",
        f"make it a PyDataset, and {remedy}" if py_dataset_remedies.is_generator(case) else remedy,
        where=whole.where,
        gain=gain_of(case, whole, left=1.0, calls=py_dataset_remedies.WORKERS),
    )


def processes_misused(case: Case) -> Finding | None:
    """Processes for batches that cost next to nothing."""
    if case.kind != "PyDataset" or not case.feed.data.use_multiprocessing or not case.stages.stages:
        return None
    each_s = case.stages.outer[0].wall_s / max(1, case.stages.batches)
    if each_s > 5e-3:
        return None
    told = f"A batch takes {1e3 * each_s:.1f} ms, less than sending it from another process does."
    return suspected(
        "processes_misused",
        told,
        "use_multiprocessing=False [fact: workers-anew-every-epoch]",
        where=case.stages.outer[0].where,
    )


RULES = (per_item_python, no_cache, reload_per_batch, single_worker, processes_misused)
