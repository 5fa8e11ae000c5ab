"""What this machine is: hardware, versions and settings that change a measurement. Imports no TensorFlow."""

import functools
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from markupsafe import Markup

from helpers import paths
from helpers.machine import limits
from helpers.machine.device import grow_memory

KIT = "input-pipeline-study-kit"
PACKAGES = (
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "numpy",
    "scipy",
    "pillow",
    "tensorflow-datasets",
    "jax",
    "jax-cuda12-plugin",
    "jax-cuda13-plugin",
    "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13",
    KIT,
)
# Settings that change how fast a pipeline or a step runs; others, such as log levels, do not count.
SETTINGS = (
    "KERAS_BACKEND",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "TF_GPU_ALLOCATOR",
    "TF_GPU_THREAD_MODE",
    "TF_GPU_THREAD_COUNT",
    "NVIDIA_TF32_OVERRIDE",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "MALLOC_ARENA_MAX",
    "LD_PRELOAD",
)
GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine that measured.

    Attributes:
        cpu: model name.
        cores: CPU cores' worth of time that this process may use: affinity, and a container's quota.
        cores_in_machine: logical cores of the whole machine.
        memory_bytes: memory that may be used: the machine's, or a container's limit.
        gpus: "name, driver, memory" of each.
        system: operating system and architecture.
        kernel: its release.
        versions: Python and package -> version; only packages that are installed.
        threads: TensorFlow's thread counts, 0: as many as cores; empty where TensorFlow is not imported.
        devices: "tensorflow" and "jax" -> the devices that each sees; only of those that are imported.
        settings: environment variable -> value, of those that change speed and are set.
        git_commit: of the checkout, "+" added where files differ from it; "" outside a checkout.
    """

    cpu: str
    cores: float
    cores_in_machine: int
    memory_bytes: int
    gpus: tuple[str, ...] = ()
    system: str
    kernel: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    devices: dict[str, list[str]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    git_commit: str = ""

    @property
    def id(self) -> str:
        """Eight hex digits of hardware, versions and settings: rows of different ids are never merged.

        Keras' backend is one of the settings. Memory counts to the nearest GiB; kernel, git commit, TensorFlow's
        thread counts and the devices that it and JAX see do not count, so that a run may be resumed, and be read
        before they are imported. Of several GPUs that are alike it does not count which are used, but how many.
        """
        settings = dict(self.settings)
        used = settings.get("CUDA_VISIBLE_DEVICES", "-1").split(",")
        if "-1" not in used and len(self.gpus) > 1 and len(set(self.gpus)) == 1:
            settings["CUDA_VISIBLE_DEVICES"] = f"{len(used)} of {len(self.gpus)}"
        facts = {
            "cpu": self.cpu,
            "cores": self.cores,
            "memory_gib": round(self.memory_bytes / GIB),
            "gpus": self.gpus,
            "system": self.system,
            "versions": self.versions,
            "settings": settings,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]

    def to_dict(self) -> dict:
        """Everything by name, `id` included, as JSON takes it."""
        return {"id": self.id, **asdict(self), "gpus": list(self.gpus)}

    def summary(self) -> str:
        """One line for people."""
        backend = self.settings.get("KERAS_BACKEND", "tensorflow")
        names = ["tensorflow", "tensorflow-cpu", "keras", "python"] + ["jax"] * (backend == "jax")
        versions = [f"{name} {self.versions[name]}" for name in names if name in self.versions]
        versions += [f"trains on {backend}"] * (backend != "tensorflow")
        return (
            f"{self.cpu}, {self.cores:g} of {self.cores_in_machine} cores, {self.memory_bytes / GIB:.1f} GiB, "
            f"{', '.join(self.gpus) or 'no GPU'}, {self.system}; {', '.join(versions)} (machine {self.id})"
        )

    def _repr_html_(self):
        rows = {
            "machine": self.id,
            "CPU": self.cpu,
            "cores usable": f"{self.cores:g} of {self.cores_in_machine}",
            "memory usable": f"{self.memory_bytes / GIB:.1f} GiB",
            "GPU": "; ".join(self.gpus) or "none",
            "devices seen": "; ".join(f"{name}: {', '.join(seen)}" for name, seen in self.devices.items())
            or "not asked: TensorFlow is not imported yet",
            "system": f"{self.system} {self.kernel}",
            "versions": ", ".join(f"{name} {version}" for name, version in self.versions.items()),
            "TensorFlow's threads": _named(self.threads) or "not imported yet",
            "settings": _named(self.settings) or "none set",
            "git commit": self.git_commit or "none",
        }
        row = Markup("<tr><th style='text-align:left'>{}</th><td style='text-align:left'>{}</td></tr>")
        return Markup("<table>{}</table>").format(Markup().join(row.format(*fact) for fact in rows.items()))


def describe() -> Machine:
    """Describes this machine and this environment, in well under a second."""
    return Machine(
        cpu=_cpu_model(),
        cores=limits.cpu_quota(),
        cores_in_machine=os.cpu_count() or 1,
        memory_bytes=min(psutil.virtual_memory().total, limits.memory_limit_bytes()),
        gpus=_gpus(),
        system=f"{platform.system()} {platform.machine()}",
        kernel=platform.release(),
        versions=installed_versions(),
        threads=_tensorflow_threads(),
        devices=_devices_seen(),
        settings={"KERAS_BACKEND": keras_backend()}
        | {name: os.environ[name] for name in SETTINGS if os.environ.get(name)},
        git_commit=_git_commit(),
    )


def installed_versions() -> dict[str, str]:
    """Python's version and those of the installed packages that change a measurement."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def keras_backend() -> str:
    """Returns what Keras trains on, or will: KERAS_BACKEND, else what `keras.json` says, else "tensorflow"."""
    if given := os.environ.get("KERAS_BACKEND"):
        return given
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return str(json.loads((home / "keras.json").read_text())["backend"])
    except (OSError, ValueError, LookupError, TypeError):
        return "tensorflow"


def _cpu_model():
    with suppress(OSError):
        if named := re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return named.group(1).strip()
    if platform.system() == "Darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


@functools.cache
def _gpus():
    return tuple(
        _output("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader").splitlines()
    )


def _tensorflow_threads():
    if not hasattr(sys.modules.get("tensorflow"), "config"):
        return {}
    threading = sys.modules["tensorflow"].config.threading
    return {
        "intra_op": threading.get_intra_op_parallelism_threads(),
        "inter_op": threading.get_inter_op_parallelism_threads(),
    }


def _devices_seen():
    tensorflow: Any = sys.modules.get("tensorflow")
    jax: Any = sys.modules.get("jax")
    seen = {}
    if hasattr(tensorflow, "config"):
        visible = tensorflow.config.get_visible_devices()
        seen["tensorflow"] = [device.name.removeprefix("/physical_device:") for device in visible]
    if hasattr(jax, "local_devices") and keras_backend() == "jax":
        grow_memory()
        local = jax.local_devices()
        seen["jax"] = [f"{device.platform}:{device.id} {device.device_kind}" for device in local]
    return seen


def _git_commit():
    git = ("git", "-C", str(paths.project_root()))
    commit = _output(*git, "rev-parse", "--short=10", "HEAD")
    return commit + "+" * bool(commit and _output(*git, "status", "--porcelain", "--untracked-files=no"))


def _output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _named(values):
    return ", ".join(f"{name}={value}" for name, value in values.items())
