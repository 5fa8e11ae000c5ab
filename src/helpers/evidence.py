"""Evidence for claims that are a matter of experience rather than of time: counted or tried here and now.

Every function returns an `Evidence`. Those in `RUN` need TensorFlow and some seconds each; they are in
`evidence_runs.py`. `collect` runs what a claims file asks for, and may keep the answers in a file.
"""

import json
import os
import sys
import sysconfig
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers.errors import StudyError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Evidence:
    """What was found.

    Attributes:
        verdict: supported, refuted, depends, undecided yet or not testable.
        text: one or two sentences with the counts.
    """

    verdict: str
    text: str


def interpreter_jit() -> Evidence:
    """Whether this Python has a just-in-time compiler, by what it says about its own build."""
    version = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    told = getattr(sys, "_jit", None)  # CPython 3.14 and later
    built = "--enable-experimental-jit" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    if told is not None:
        built, running = told.is_available(), told.is_enabled()
    else:
        running = built
    if sys.implementation.name != "cpython":
        return Evidence("not testable", f"{version} is not CPython; the claim is about Keras' usual interpreter")
    if not running:
        return Evidence("refuted", f"{version} has no JIT compiler at work (built in: {'yes' if built else 'no'})")
    return Evidence("not testable", f"{version} runs with its experimental JIT, which no cell switches off")


def knob_count() -> Evidence:
    """How many settings each API's pipeline of the kit takes: what there is to get wrong."""
    from helpers import pipelines

    counts = {name: len(pipelines.describe(name).knobs) for name in ("py_dataset", "image_data_generator", "tf_data")}
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    fewer = counts["py_dataset"] < counts["tf_data"]
    return Evidence("supported" if fewer else "refuted", f"settings to get right or wrong: {told}")


def normalisation() -> Evidence:
    """Whether three ways to bring 0 … 255 to 0 … 1 differ: ImageDataGenerator's, tf.image's, a division."""
    import numpy as np

    values = np.arange(256, dtype=np.uint8)
    generator = values.astype(np.float32) * (1 / 255.0)  # ImageDataGenerator's `x *= rescale`
    converted = values.astype(np.float32) * np.float32(1 / 255.0)  # tf.image.convert_image_dtype
    divided = values.astype(np.float32) / np.float32(255)
    equal = int((generator == converted).sum())
    apart = float(np.abs(generator - divided).max())
    return Evidence(
        "refuted" if equal == 256 else "supported",
        f"rescale=1/255 and convert_image_dtype give the same bits for {equal} of 256 values; dividing by 255 "
        f"differs by at most {apart:.0e}; without rescale ImageDataGenerator leaves 0 to 255",
    )


def imitation() -> Evidence:
    """How many of ImageDataGenerator's operations in the second answer its tf.data imitation does."""
    original = {"rescale", "shear", "zoom", "horizontal flip"}
    imitated = {"rescale", "horizontal flip", "brightness"}
    lacks, adds = sorted(original - imitated), sorted(imitated - original)
    return Evidence(
        "refuted" if lacks else "supported",
        f"as published it does {len(original & imitated)} of {len(original)} operations: it lacks "
        f"{' and '.join(lacks)}, adds {' and '.join(adds)}, and its cache freezes the draws",
    )


def _runs():
    from helpers import evidence_runs

    return evidence_runs


HERE = {
    "interpreter_jit": interpreter_jit,
    "knob_count": knob_count,
    "normalisation": normalisation,
    "imitation": imitation,
}
RUN = {
    "adapter_cost": lambda: _runs().adapter_cost(),
    "adapter_graph": lambda: _runs().adapter_graph(),
    "same_fault_twice": lambda: _runs().same_fault_twice(),
    "python_runs_per_element": lambda: _runs().python_runs_per_element(),
    "running_mean": lambda: _runs().running_mean(),
    "profiler": lambda: _runs().profiler(),
    "what_fit_receives": lambda: _runs().what_fit_receives(),
    "unlike_work": lambda: _runs().unlike_work(),
}


def names() -> tuple[str, ...]:
    """Returns the names that a `shown` rule may ask for."""
    return (*HERE, *RUN)


def collect(wanted=None, *, keep: Path | None = None) -> dict[str, Evidence]:
    """Counts and tries what is asked for.

    Args:
        wanted: names; None: all.
        keep: a file for the answers. What it already holds for this machine is not tried again.

    Returns:
        name -> evidence.

    Raises:
        StudyError: for an unknown name.
    """
    from helpers import machine

    wanted = names() if wanted is None else tuple(wanted)
    for name in wanted:
        if name not in names():
            raise StudyError(f"evidence must be one of {', '.join(names())} (got {name!r})")
    here = machine.describe().id
    kept = _read(keep, here) if keep else {}
    found = {name: kept.get(name) or (HERE | RUN)[name]() for name in wanted}
    if keep and set(found) - set(kept):
        _write(keep, here, kept | found)
    return found


def _read(path, machine_id):
    try:
        stored = json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    if stored.get("schema_version") != SCHEMA_VERSION or stored.get("machine_id") != machine_id:
        return {}
    return {name: Evidence(**one) for name, one in stored["evidence"].items() if name in names()}


def _write(path, machine_id, found):
    content = {
        "schema_version": SCHEMA_VERSION,
        "machine_id": machine_id,
        "evidence": {name: asdict(one) for name, one in found.items()},
    }
    path = Path(path)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        json.dump(content, file, indent=2)
    os.replace(file.name, path)
