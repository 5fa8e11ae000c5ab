"""The library half (parity, comparison, the port, the doctor) beside other versions of TensorFlow than the lock's.

`python tests/other_versions.py compat` runs its tests with the oldest versions that pyproject.toml allows, the newest
release and the newest candidate; `compat oldest` with one of them, `compat 2.20.0` with another version. `canary` tries
the facts, the private names and the tests with the newest candidate, and writes what differs to
data/results/canary-VERSION.md. It notes in data/facts.yml which facts were true, as `record` does for any version.
Environments are kept in .compat/ and made once; uv makes them where it is there, pip otherwise.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".compat"
# What the library half does not import: lessons, sweeps and the page of a run.
OF_LESSONS = ("jupyter", "ipywidgets", "nbval", "papermill")
TEST_TOOLS = ("pytest", "hypothesis", "ipython", "nbformat")
# tensorflow-metadata 1.21 needs a newer protobuf than TensorFlow 2.17 and 2.18 bring, and does not say so
# (benchmarks/upstream/metadata_needs_protobuf_5.py).
BESIDE_OLD_PROTOBUF = ("tensorflow-metadata<1.21",)
WITH_OLD_PROTOBUF = ("2.17.", "2.18.")
PRIVATE_NAMES = "test_internals"
LIBRARY_HALF = (
    PRIVATE_NAMES,
    *("test_affine", "test_flow", "test_image_data_generator_oddities", "test_old_scripts", "test_port_arguments"),
    *("test_tf_image_data_generator", "test_transforms", "test_tasks", "test_opencv", "test_pipelines", "test_stages"),
    *("test_feeds", "test_graph", "test_forecast", "test_reading", "test_mixed_sizes", "test_parity"),
    *("test_parity_of_feeds", "test_comparison", "test_in_100_lines", "test_ratios", "test_run_quality"),
    *("test_start_and_rate", "test_starvation", "test_timing", "test_traces", "test_allocator", "test_own_feeds"),
    *("test_doctor", "test_doctor_face", "test_doctor_headspace", "test_doctor_remedies", "test_doctor_resources"),
    "test_doctor_stages",
)


def wheel():
    """TensorFlow's package: the one without CUDA where there is one."""
    return "tensorflow-cpu" if platform.machine() in ("x86_64", "AMD64") else "tensorflow"


def dependencies():
    """What the library half needs, as pyproject.toml asks for it: name -> ranges."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    asked = dict(re.match(r"([\w-]+)(.*)", line).groups() for line in listed)
    return {name: ranges for name, ranges in asked.items() if name not in OF_LESSONS}


def newest(candidate):
    """The newest release of TensorFlow on the index, or the newest candidate."""
    command = [sys.executable, "-m", "pip", "index", "versions", wheel(), *["--pre"] * candidate]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.match(r"[\w-]+ \(([^)]+)\)", told)[1]


def wanted(which):
    """(TensorFlow's version, the packages to install) of one environment: a name, or a version."""
    asked = dependencies()
    if which == "oldest":
        least = {name: re.sub(r">=([\w.]+).*", r"==\1", ranges) for name, ranges in asked.items()}
        version = least.pop("tensorflow").removeprefix("==")
        packages = [name + pin for name, pin in least.items()] + [*BESIDE_OLD_PROTOBUF]
    else:
        version = which if which[0].isdigit() else newest(candidate=which == "candidate")
        packages = [name + ranges for name, ranges in asked.items() if name not in ("tensorflow", "keras")]
        packages += BESIDE_OLD_PROTOBUF if version.startswith(WITH_OLD_PROTOBUF) else ()
    return version, [f"{wheel()}=={version}", *packages, *TEST_TOOLS]


def environment(which):
    """(TensorFlow's version, the Python) of an environment, which is made where it is not there yet."""
    version, packages = wanted(which)
    folder = KEPT / (version if which == version else f"{which}-{version}")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready, listed = folder / "ready", "\n".join(packages)
    if not ready.exists() or ready.read_text() != listed:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"making {folder.relative_to(ROOT)}: {len(packages)} packages", flush=True)
        if uv := shutil.which("uv"):
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
            install = [uv, "pip", "install", "--quiet", "--python", python]
        else:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *packages], check=True)
        subprocess.run([*install, "--no-deps", "-e", ROOT], check=True)
        ready.write_text(listed)
    return versions(python)[wheel()], python


def quiet():
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}


def tested(python, names, *more):
    """name of a test -> why it failed, "" where it passed, of some test files."""
    report = KEPT / "report.xml"
    report.unlink(missing_ok=True)
    files = [f"tests/{name}.py" for name in names]
    command = [python, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", f"--junitxml={report}", *more]
    subprocess.run([*command, *files], cwd=ROOT, env=quiet(), check=False)
    outcome = {}
    for case in ElementTree.parse(report).iter("testcase"):
        failed = [each for each in case if each.tag in ("failure", "error")]
        name = f"{case.get('classname').rpartition('.')[2]}::{case.get('name')}"
        outcome[name] = " ".join(failed[0].get("message", "").split())[:160] or "failed" if failed else ""
    return outcome


def facts(python):
    """The answers of `study facts --check --json`."""
    command = [python, "-m", "helpers.cli", "facts", "--check", "--json"]
    return json.loads(subprocess.run(command, cwd=ROOT, env=quiet(), capture_output=True, text=True).stdout)


def versions(python):
    """What is installed: name -> version."""
    code = (
        "import json; from importlib.metadata import distributions; "
        "print(json.dumps({each.name.lower().replace('_', '-'): each.version for each in distributions()}))"
    )
    return json.loads(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout)


def compat(which):
    """Runs the library half's tests in each environment; returns whether all passed."""
    passed = {}
    for name in which:
        version, python = environment(name)
        print(f"\n{name}: TensorFlow {version}, Keras {keras_of(versions(python))}", flush=True)
        outcome = tested(python, LIBRARY_HALF)
        passed[f"{name} {version}"] = [test for test, why in outcome.items() if why]
        print(f"{len(outcome)} tests, {len(passed[f'{name} {version}'])} failed")
    for name, failed in passed.items():
        print(f"{name}: {'green' if not failed else '; '.join(failed)}")
    return not any(passed.values())


def keras_of(installed):
    return installed.get("keras") or installed["keras-nightly"]


def canary():
    """Writes what differs with the newest candidate; returns whether nothing does."""
    version, python = environment("candidate")
    answers, outcome = facts(python), tested(python, LIBRARY_HALF)
    failed = {test: why for test, why in outcome.items() if why}
    page = ROOT / "data" / "results" / f"canary-{version}.md"
    page.write_text(told(version, versions(python), answers, failed, len(outcome)), encoding="utf-8")
    record(python, version, answers)
    print(f"\n{page.relative_to(ROOT)} is written: {len(failed)} of {len(outcome)} tests differ")
    return not failed and all(answer["truth"] != "false" for answer in answers)


def told(version, installed, answers, failed, count):
    """The page of differences, in Markdown."""
    here = versions(sys.executable)
    names = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "pandas", "scipy", "opencv-python-headless")
    both = {name: (here.get(name, "–"), installed.get(name, "–")) for name in names}
    both["tensorflow"] = (both["tensorflow"][0], version)
    both["keras"] = (both["keras"][0], keras_of(installed))
    false = [answer for answer in answers if answer["truth"] == "false"]
    lost = {test: why for test, why in failed.items() if test.startswith(PRIVATE_NAMES)}
    other = {test: why for test, why in failed.items() if test not in lost}
    lines = [f"# What differs with TensorFlow {version}", "", "| | lock | candidate |", "|---|---|---|"]
    lines += [f"| {name} | {old} | {new} |" for name, (old, new) in both.items() if old != new]
    lines += ["", f"Python {platform.python_version()}, {platform.system()} {platform.machine()}. By `make canary`."]
    lines += ["", "## Facts that turned false", ""]
    for answer in false:
        lines += [f"- **{answer['id']}**: {answer['says']} ({answer['why']})"]
        lines += [f"  - to rewrite: {each}" for each in answer["cited"]]
    not_tried = [answer["id"] for answer in answers if answer["truth"] == "not tried"]
    lines += [] if false else [f"None of {len(answers) - len(not_tried)}."]
    lines += ["", f"Not tried there: {', '.join(not_tried)}."] if not_tried else []
    for title, tests in (("Private names that are lost or changed", lost), ("The library's tests that fail", other)):
        lines += ["", f"## {title}", "", *(f"- `{test}`: {why}" for test, why in tests.items())]
        lines += [] if tests else ["None."]
    return "\n".join([*lines, "", f"{count} tests in {len(LIBRARY_HALF)} files.", ""])


def record(python, version, answers):
    """Notes in data/facts.yml which facts are true with a version, and what is installed beside it."""
    path = ROOT / "data" / "facts.yml"
    text, installed = path.read_text(encoding="utf-8"), versions(python)
    names = ("tensorflow-datasets", "papermill", "numpy")
    beside = {"keras": keras_of(installed)} | {name: installed[name] for name in names if name in installed}
    line = f'  "{version}": {json.dumps(beside)}\n'
    text = re.sub(rf'^  "{re.escape(version)}": .*\n', "", text, flags=re.M)
    text = text.replace("environments:\n", f"environments:\n{line}", 1)
    for answer in answers:
        if answer["truth"] != "not tried":
            seen = sorted({*answer["seen"], version} if answer["truth"] == "true" else {*answer["seen"]} - {version})
            block = re.compile(rf"(^  - id: {answer['id']}\n(?:(?!^  - id: ).*\n)*?)(    seen: .*\n)?(?=\n|\Z)", re.M)
            text = block.sub(lambda found, seen=seen: f"{found[1]}    seen: {json.dumps(seen)}\n", text, count=1)
    path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["compat", "canary", "record"])
    parser.add_argument("which", nargs="*", metavar="oldest|newest|candidate|2.20.0|here", default=[])
    arguments = parser.parse_args()
    KEPT.mkdir(exist_ok=True)
    if arguments.what == "compat":
        sys.exit(not compat(arguments.which or ["oldest", "newest", "candidate"]))
    if arguments.what == "canary":
        sys.exit(not canary())
    for which in arguments.which or ["here"]:
        here = versions(sys.executable).get("tensorflow")
        version, python = (here, sys.executable) if which == "here" else environment(which)
        record(python, version, facts(python))


if __name__ == "__main__":
    main()
