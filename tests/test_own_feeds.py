"""`study compare FILE.py:A FILE.py:B`: feeds of a user's own, from files that have their own import path."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers import cli
from helpers.cli import own_feeds
from helpers.errors import StudyError
from helpers.machine import processes

QUICK = ["--budget", "0.5", "--precision", "90%"]

FEEDS = """
    import keras
    import numpy as np
    import tensorflow as tf

    import helpers
    from helpers.deep import scale
    from utils import LABELS

    TABLE = np.arange(80, dtype="float32").reshape(40, 2)


    def plain():
        return tf.data.Dataset.from_tensor_slices((scale(TABLE), LABELS)).batch(8)


    def late():
        def batches():
            import helpers.late  # in a thread of TensorFlow's, long after the file was imported

            yield from helpers.late.batches(scale(TABLE), LABELS)

        signature = (tf.TensorSpec((None, 2), tf.float32), tf.TensorSpec((None,), tf.int64))
        dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
        return dataset.apply(tf.data.experimental.assert_cardinality(5))


    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return scale(TABLE[index * 8 : index * 8 + 8]), LABELS[index * 8 : index * 8 + 8]


    other_order = Rows()
    in_processes = lambda: Rows(workers=2, use_multiprocessing=True)
    wrong = plain().map(lambda x, y: (x, y + tf.cast(y == 7, y.dtype)))


    def model(batch):
        made = keras.Sequential([keras.Input(batch[0].shape[1:]), keras.layers.Dense(1, name=helpers.NAME)])
        made.compile(optimizer="sgd", loss="mse")
        return made


    def breaks():
        return 1 / 0


    bad = [1, 2]
    open(helpers.SEEN, "a").write(helpers.__name__ + " " + helpers.__file__ + "\\n")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder whose file imports a `helpers` and a `utils` of its own."""
    folder = tmp_path_factory.mktemp("mine")
    files = {
        "feeds.py": FEEDS,
        "utils.py": "import numpy as np\nLABELS = np.arange(40)\n",
        "own_labels.py": "LABELS = [1, 2]\n",
        "helpers/__init__.py": f"NAME = 'mine'\nSEEN = {str(folder / 'seen')!r}\n",
        "helpers/deep.py": "from helpers import NAME\n\n\ndef scale(values):\n    return values / 2\n",
        "helpers/late.py": """
            def batches(*arrays):
                for start in range(0, 40, 8):
                    yield tuple(array[start : start + 8] for array in arrays)
        """,
        "raises.py": "x = 1\n\nraise OSError('no disk')\n",
        "broken.py": "def f(:\n",
        "kits.py": "from helpers.pipelines import Feed\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    return folder


def study(folder, *names, file="feeds.py"):
    options = [name for name in names if name.startswith("-")]
    return cli.main(
        ["compare", *(f"{folder / file}:{name}" for name in names if name not in options), *options, *QUICK]
    )


@pytest.mark.slow
def test_feeds_are_proved_and_compared_where_the_user_has_a_helpers_package(folder, capfd):
    assert study(folder, "plain", "late", "--json") == cli.DONE
    out = json.loads(capfd.readouterr().out)
    assert out["same_work"] and [row["pipeline"] for row in out["rows"]] == ["plain", "late"]
    assert out["rows"][0]["verdict"] == "reference" and out["rows"][1]["time_ratio"] > 0
    assert f"helpers {folder / 'helpers' / '__init__.py'}\n" in (folder / "seen").read_text()


@pytest.mark.slow
def test_a_difference_is_told_and_what_is_alike_is_compared(folder, capfd):
    arguments = [f"{folder / 'feeds.py'}:{name}" for name in ("plain", "wrong", "late")]
    assert cli.main(["compare", *arguments, "--model", f"{folder / 'feeds.py'}:model", *QUICK]) == cli.DONE
    out = capfd.readouterr().out
    assert "wrong: examples:" in out and "example 7 (batch 0) has y 8 instead of 7" in out
    assert re.search(r"^ *plain .*reference", out, re.M) and re.search(r"^ *late ", out, re.M)
    assert not re.search(r"^ *wrong ", out, re.M)


@pytest.mark.slow
def test_worker_processes_find_the_users_classes(folder):
    feeds = [f"{folder / 'feeds.py'}:{name}" for name in ("other_order", "in_processes")]
    try:
        ended = processes.run([sys.executable, "-m", "helpers.cli", "compare", *feeds, *QUICK], deadline_s=90)
    except subprocess.TimeoutExpired:
        pytest.skip("a worker that was forked while TensorFlow works hung, as some do")
    assert ended.returncode == cli.DONE, ended.stderr
    assert "Same work: other_order, in_processes" in ended.stdout


@pytest.mark.slow
def test_no_ranking_where_all_differ(folder, capfd):
    assert study(folder, "plain", "other_order") == cli.DONE
    out = capfd.readouterr().out
    assert "Not the same work" in out and "order" in out and "time_ratio" not in out


@pytest.fixture
def example_of_the_readme(tmp_path):
    """The README's example of pipelines of one's own, with less time for the rounds."""
    section = (Path(__file__).parents[1] / "README.md").read_text().split("## Your own pipelines")[1]
    (code,) = re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.S)
    (tmp_path / "mine.py").write_text(code.replace("budget_s=60", "budget_s=0.5"))
    return tmp_path


@pytest.mark.slow
def test_the_readmes_command_compares_its_feeds(example_of_the_readme, capfd):
    assert study(example_of_the_readme, "plain", "one_iterator", file="mine.py") == cli.DONE
    assert "Same work: plain, one_iterator" in capfd.readouterr().out


IN_THE_FILE = [
    ("feeds.py", ("plain", "bad"), "bad must make a feed: a feed must be a tf.data.Dataset"),
    ("feeds.py", ("plain", "breaks"), "breaks must make a feed (ZeroDivisionError: division by zero)"),
    ("feeds.py", ("plain", "fast"), "feeds.py has no 'fast'; it has "),
    ("raises.py", ("x", "y"), "raises.py must be importable (it raised OSError in line 3: no disk)"),
    ("broken.py", ("x", "y"), "broken.py must be importable (it raised SyntaxError"),
    ("kits.py", ("x", "y"), "kits.py must be importable (it raised ModuleNotFoundError in line 1"),
]


@pytest.mark.parametrize(
    ("file", "names", "said"),
    [case if case[1] == ("plain", "bad") else pytest.param(*case, marks=pytest.mark.slow) for case in IN_THE_FILE],
)
def test_what_a_file_does_wrong_is_one_line_and_exit_code_2(file, names, said, folder, capfd):
    assert study(folder, *names, file=file) == cli.BAD_INPUT
    printed = capfd.readouterr()
    (line,) = [line for line in printed.err.splitlines() if line.startswith("study: ")]
    assert said in line and "Traceback" not in printed.err and printed.out == ""


def test_a_file_that_raises_is_told_with_its_line(folder):
    with pytest.raises(StudyError, match=r"raises\.py must be importable \(it raised OSError in line 3: no disk\)"):
        own_feeds.load(folder / "raises.py")
    with pytest.raises(StudyError, match="SyntaxError"):
        own_feeds.load(folder / "broken.py")
    with pytest.raises(StudyError, match=r"own_labels\.py has no 'plain'; it has LABELS"):
        own_feeds.named(own_feeds.load(folder / "own_labels.py"), "own_labels.py", "plain")
    del sys.modules["own_labels"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.py:x"], "at least two feeds (got 1)"),
        (["a.py:x", "a.py:x"], "may come once"),
        (["a.py", "a.py:x"], "must read FILE.py:NAME (got 'a.py')"),
        (["a.txt:x", "a.py:x"], "must read FILE.py:NAME"),
        (["a.py:x-y", "a.py:x"], "must read FILE.py:NAME"),
        (["none.py:x", "a.py:x"], "none.py must be a readable file"),
        (["a.py:x", "other/b.py:y"], "must be in one folder"),
        (["a.py:x", "a.py:y", "--reference", "z"], "reference must be one of x, y"),
        (["a.py:x", "a.py:y", "--model", "m"], "must read FILE.py:NAME (got 'm')"),
        (["a.py:x", "a.py:y", "--dataset", "mnist"], "--dataset is for a task"),
        (["a.py:x", "a.py:y", "--isolate"], "--isolate is for a task"),
        (["a.py:x", "a.py:y", "--decode", "once"], "--decode is for a task"),
        (["--model", "a.py:m"], "at least two feeds (got 0)"),
    ],
)
def test_bad_usage_is_one_line_before_anything_starts(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("raise SystemExit('it was imported')")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.py").write_text("")
    assert cli.main(["compare", *arguments]) == cli.BAD_INPUT
    printed = capsys.readouterr()
    assert printed.err.startswith("study: ") and printed.err.count("\n") == 1 and said in printed.err


def test_labels_are_names_or_where_two_files_share_one_what_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("")
    asked = own_feeds.request_of(("a.py:x", "b.py:y"), None, "y", seed=1)
    assert list(asked["feeds"]) == ["y", "x"]  # the reference first: parity holds the others against it
    assert list(own_feeds.request_of(("a.py:x", "b.py:x"), None, None)["feeds"]) == ["a.py:x", "b.py:x"]
    with pytest.raises(StudyError):
        own_feeds.split("a.py:")


@pytest.mark.parametrize(("code", "is_told"), [("time.sleep(3)", True), ("while time.process_time() < 3: pass", False)])
def test_a_process_that_computes_nothing_is_told_of_once(code, is_told, tmp_path, monkeypatch, capsys):
    (tmp_path / "feeds.py").write_text(f"import time\n{code}\n")
    monkeypatch.setattr(own_feeds, "import_path", SimpleNamespace(__file__=str(tmp_path / "feeds.py")))
    monkeypatch.setattr(own_feeds, "IDLE_S", 0.6)
    assert own_feeds.ended({}) == 0
    told = capsys.readouterr().err
    assert told.count("nothing has been computed") == told.count("use_multiprocessing") == is_told
