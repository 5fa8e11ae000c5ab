"""Evidence for claims that are a matter of experience rather than of time: counted or tried here and now.

Every function returns an `Evidence`. Those in `APART` need TensorFlow and some seconds each; they are in
the modules beside this one. `collect` runs what a claims file asks for, and may keep the answers in a file.
"""

import contextlib
import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from helpers import checks, files, machine
from helpers.claims.judgement import Judgement
from helpers.errors import first_line
from helpers.machine import processes

SCHEMA_VERSION = 1
DEADLINE_S = 900.0  # for all that is tried in a process of its own, which takes half a minute


@dataclass(frozen=True)
class Evidence:
    """What was found.

    Attributes:
        verdict: what can be said.
        text: one or two sentences with the counts.
        needs: what would decide it; "" if it is decided.
    """

    verdict: Judgement
    text: str
    needs: str = ""

    def __post_init__(self):
        """Takes the word of a verdict too, as files have it."""
        object.__setattr__(self, "verdict", Judgement(self.verdict))


def timed(verdict: Judgement, text: str) -> Evidence:
    """Evidence that rests on a short timing, which noise may leave undecided."""
    return Evidence(verdict, text, needs="another try, on a quieter machine" if verdict == Judgement.UNDECIDED else "")


def sequence(length: int, batch: Callable[[int], tuple[Any, Any]]) -> Any:
    """Returns a Keras Sequence of `length` batches, each `batch(index)`: (images, labels)."""
    import keras

    class Sequence(keras.utils.PyDataset):
        def __len__(self):
            return length

        def __getitem__(self, index):
            return batch(index)

    return Sequence()


def interpreter_jit() -> Evidence:
    """Whether this Python has a just-in-time compiler, by what it says about its own build."""
    version = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    told = getattr(sys, "_jit", None)  # CPython 3.14 and later
    configured = "--enable-experimental-jit" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    built, running = (told.is_available(), told.is_enabled()) if told else (configured, configured)
    if sys.implementation.name != "cpython":
        return Evidence(
            Judgement.NOT_TESTABLE, f"{version} is not CPython; the claim is about Keras' usual interpreter"
        )
    if not running:
        return Evidence(
            Judgement.REFUTED, f"{version} has no JIT compiler at work (built in: {'yes' if built else 'no'})"
        )
    return Evidence(Judgement.NOT_TESTABLE, f"{version} runs with its experimental JIT, which no cell switches off")


IN_PROCESS = {
    "interpreter_jit": interpreter_jit,
}
APART = {  # name of the function -> its module
    "adapter_cost": "helpers.claims.evidence.feeding",
    "adapter_graph": "helpers.claims.evidence.feeding",
    "running_mean": "helpers.claims.evidence.feeding",
    "misconfigurations": "helpers.claims.evidence.misconfigurations",
    "faults_in_both": "helpers.claims.evidence.debugging",
    "python_runs_per_element": "helpers.claims.evidence.debugging",
    "profile_with_autotune": "helpers.claims.evidence.debugging",
    "unlike_work": "helpers.claims.evidence.published",
    "normalisations": "helpers.claims.evidence.published",
    "published_generator": "helpers.claims.evidence.published",
    "published_imitation": "helpers.claims.evidence.published",
}


def names() -> tuple[str, ...]:
    """Returns the names that a `shown` rule may ask for."""
    return (*IN_PROCESS, *APART)


def collect(
    wanted: Iterable[str] | None = None, *, keep: Path | None = None, retry: bool = False
) -> dict[str, Evidence]:
    """Counts and tries what is asked for; what needs TensorFlow in a process of its own, so that it logs nothing here.

    Args:
        wanted: names; None: all.
        keep: a file for the answers, by machine. What it already holds for this machine is not tried again.
        retry: try again what the file holds undecided.

    Returns:
        name -> evidence.

    Raises:
        StudyError: for an unknown name.
    """
    wanted = names() if wanted is None else tuple(wanted)
    for name in wanted:
        checks.one_of("evidence", name, names())
    here = machine.describe().id
    known = kept_for(keep, here) if keep else {}
    missing = [name for name in wanted if name not in known or (retry and known[name].needs)]
    tried = {name: IN_PROCESS[name]() for name in missing if name in IN_PROCESS}
    tried |= _try_apart([name for name in missing if name in APART])
    known |= tried
    if keep and tried:
        machines = _stored(keep) | {here: {name: asdict(evidence) for name, evidence in known.items()}}
        files.write_json(keep, {"schema_version": SCHEMA_VERSION, "machines": machines})
    return {name: known[name] for name in wanted}


def try_all(wanted: Iterable[str]) -> dict[str, Evidence]:
    """Tries evidence of `APART` in this process. One that cannot be tried here leaves the others standing."""
    tried = {}
    for name in wanted:
        try:
            tried[name] = getattr(import_module(APART[name]), name)()
        except Exception as error:
            tried[name] = _failed(f"{type(error).__name__}: {first_line(error)}")
    return tried


def _try_apart(wanted):
    if not wanted:
        return {}
    code = (
        "import dataclasses, json, sys; from helpers.claims.evidence import try_all\n"
        "for name in sys.argv[1:]:\n"
        "    print(json.dumps({name: dataclasses.asdict(try_all([name])[name])}), flush=True)"
    )
    try:
        ran = processes.run([sys.executable, "-P", "-W", "ignore", "-c", code, *wanted], deadline_s=DEADLINE_S)
        said, (*_, reason) = ran.stdout, ["no reason given", *ran.stderr.strip().splitlines()]
    except subprocess.TimeoutExpired as expired:
        said, reason = str(expired.output), f"it, or what was tried before it, took over {DEADLINE_S:g} s and was ended"
    tried = {name: _failed(reason[:120]) for name in wanted}
    for line in said.splitlines():
        with contextlib.suppress(ValueError, TypeError, AttributeError):  # what TensorFlow printed
            tried |= {name: Evidence(**fields) for name, fields in json.loads(line).items() if name in tried}
    return tried


def _failed(reason):
    return Evidence(
        Judgement.UNDECIDED, f"it could not be tried here: {reason}", needs="a machine where it can be tried"
    )


def kept_for(path: Path, machine_id: str) -> dict[str, Evidence]:
    """Returns what a file holds of one machine; {} if there is no such file or it holds nothing of it."""
    kept = _stored(path).get(machine_id)
    evidence: dict[str, Evidence] = {}
    for name, fields in kept.items() if isinstance(kept, dict) else ():
        with contextlib.suppress(TypeError, ValueError):  # somebody else's, or damaged: it is tried again
            evidence |= {name: Evidence(**fields)} if name in names() else {}
    return evidence


def _stored(path):
    try:
        stored = files.read_json(Path(path))
    except (OSError, ValueError):
        return {}
    machines = stored.get("machines") if isinstance(stored, dict) else None
    return machines if isinstance(machines, dict) and stored.get("schema_version") == SCHEMA_VERSION else {}
