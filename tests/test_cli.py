import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

from helpers import cli
from helpers.cli import commands
from helpers.errors import StudyError


def test_pipelines_read_with_their_knobs():
    assert cli.parse_pipelines("py_dataset,tf_data:cache=none:prefetch=-1:deterministic=false") == {
        "py_dataset": {"builder": "py_dataset"},
        "tf_data:cache=none:prefetch=-1:deterministic=false": {
            "builder": "tf_data",
            "cache": "none",
            "prefetch": -1,
            "deterministic": False,
        },
    }
    for bad in ("tf_data,tf_data", "tf_data:cache"):
        with pytest.raises(StudyError):
            cli.parse_pipelines(bad)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "--transform", "blur"], "transform must be one of"),
        (["compare", "--dataset", "minst"], "did you mean"),
        (["compare", "--dataset", "cifar10"], "study prepare cifar10"),
        (["compare", "--pipelines", "py_dataset,tf"], "pipeline must be one of"),
        (["compare", "--pipelines", "py_dataset"], "at least two pipelines"),
        (["compare", "--batch-size", "0"], "batch_size must be a whole number >= 1"),
        (["compare", "--reference", "torch"], "reference must be one of"),
        (["compare", "--dataset", "folder:/nowhere"], "/nowhere"),
        (["sweep", "none.yml", "--out", "x"], "must be a readable file"),
        (["report", "nowhere"], "nowhere"),
        (["prepare", "imagenet"], "dataset must be one of"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments, said, own_data_dir, capsys):
    assert cli.main(arguments) == cli.BAD_INPUT
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("study: ") and printed.err.count("\n") == 1
    assert said in printed.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "--precision", "0"], "'--precision': must be above 0 and below 1"),
        (["compare", "--precision", "abc"], "(got 'abc'); see `study compare --help`"),
        (["compare", "--margin", "100%"], "'--margin': must be above 0 and below 1"),
        (["compare", "--budget", "-1"], "'--budget': must be above 0 seconds, as in 60s or 60 (got '-1')"),
        (["compare", "--budget", "nan"], "(got 'nan')"),
        (["compare", "--batch-size", "many"], "'--batch-size': 'many' is not a valid integer"),
        (["compare", "--bugdet", "3"], "No such option '--bugdet'"),
        (["sweep", "grid.yml"], "Missing option '--out'; see `study sweep --help`"),
        (["sweep", "grid.yml", "--out", "x", "--launcher", "hot"], "'hot' is not one of"),
        (["service", "start", "--trusted-network", "--port", "70000"], "'--port': 70000 is not in the range"),
        (["service", "start"], "give --trusted-network"),
        (["service", "dispatcher"], "give --trusted-network"),
        (["service", "worker", "--dispatcher", "localhost:5050"], "give --trusted-network"),
        (["service", "worker", "--trusted-network"], "Missing option '--dispatcher'"),
        (["service"], "see `study service --help`"),
        (["report"], "Missing argument 'RUN'"),
        (["fly"], "No such command 'fly'; see `study --help`"),
        ([], "Missing command; see `study --help`"),
    ],
)
def test_bad_usage_is_one_line_that_names_the_remedy_and_exit_code_2(arguments, said, capsys):
    assert cli.main(arguments) == cli.BAD_INPUT
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("study: ") and printed.err.count("\n") == 1
    assert said in printed.err and "--help`" in printed.err


@pytest.mark.parametrize(("given", "share"), [("3%", 0.03), ("0.03", 0.03), ("90%", 0.9)])
def test_a_share_is_a_number_or_a_percentage(given, share):
    assert commands.compare.make_context("compare", ["--precision", given]).params["precision"] == pytest.approx(share)


@pytest.mark.parametrize(("given", "seconds"), [("60s", 60), ("60", 60), ("1.5s", 1.5)])
def test_a_budget_is_seconds_with_or_without_their_unit(given, seconds):
    assert commands.compare.make_context("compare", ["--budget", given]).params["budget"] == seconds


def test_debug_shows_the_traceback():
    with pytest.raises(StudyError):
        cli.main(["--debug", "compare", "--transform", "blur"])


@pytest.mark.slow
def test_compare_prints_parity_and_ratios(capsys):
    arguments = [
        "compare",
        "--examples",
        "64",
        "--budget",
        "1s",
        "--precision",
        "90%",
        "--pipelines",
        "py_dataset,tf_data",
    ]
    assert cli.main(arguments) == cli.DONE
    printed = capsys.readouterr().out
    assert "Same work" in printed and "time_ratio" in printed


@pytest.mark.slow
def test_compare_tells_the_share_of_waiting_where_it_trains(capsys):
    arguments = ["compare", "--train", "--examples", "64", "--budget", "1s", "--pipelines", "py_dataset,tf_data"]
    assert cli.main(arguments) == cli.DONE
    (titles,) = [line for line in capsys.readouterr().out.splitlines() if "time_ratio_low" in line]
    assert {"step_ms", "waiting_share"} <= set(titles.split())


def test_compare_gives_json_and_no_ratio_for_unlike_work(capsys):
    arguments = [
        "compare",
        "--examples",
        "64",
        "--budget",
        "1",
        "--pipelines",
        "tf_data,published_a2_tf_data",
        "--json",
    ]
    assert cli.main(arguments) == cli.DONE
    fair, unlike = json.loads(capsys.readouterr().out)["rows"]
    assert fair["same_work"] and not unlike["same_work"]
    assert unlike["time_ratio"] is None and unlike["verdict"] == "not the same work"


@pytest.mark.slow
def test_compare_shows_the_graphs_as_they_ran(capsys):
    few = ["compare", "--examples", "64", "--budget", "1s", "--pipelines", "py_dataset,tf_data", "--graph"]
    assert cli.main(few) == cli.DONE
    printed = capsys.readouterr().out
    assert "MapAndBatch" in printed and "fused" in printed and "a PyDataset has no tf.data graph of its own" in printed
    assert cli.main([*few, "--json"]) == cli.DONE
    graphs = json.loads(capsys.readouterr().out)["graphs"]
    assert graphs["py_dataset"]["nodes"] == []
    assert graphs["tf_data"]["nodes"][-1]["name"] == "Prefetch"


def test_the_machine_is_described(capsys):
    assert cli.main(["machine", "--json"]) == cli.DONE
    assert json.loads(capsys.readouterr().out)["machine"]


def serving(*arguments):
    """`study service …` as a real process."""
    command = [sys.executable, "-m", "helpers.cli", "service", *arguments, "--host", "localhost"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
def test_a_dispatcher_and_a_worker_serve_as_processes_of_their_own_until_ctrl_c():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    here = f"localhost:{port}"
    # All three import TensorFlow side by side; the worker waits for its dispatcher.
    with (
        serving("dispatcher", "--trusted-network", "--port", port) as dispatcher,
        serving("worker", "--trusted-network", "--dispatcher", here, "--port", "0") as worker,
    ):
        try:
            import tensorflow as tf

            from helpers import service

            assert dispatcher.stdout.readline() == f"dispatcher at {here}; Ctrl-C ends it\n"
            said = re.fullmatch(r"worker at (localhost:\d+); Ctrl-C ends it\n", worker.stdout.readline())
            deadline = time.monotonic() + 60
            while not service.workers(f"grpc://{here}") and time.monotonic() < deadline:
                time.sleep(0.1)
            assert service.workers(f"grpc://{here}") == (said.group(1),)
            shared = service.distribute(tf.data.Dataset.range(20), address=f"grpc://{here}", sharding="dynamic")
            assert sorted(map(int, shared.as_numpy_iterator())) == list(range(20))
            for process in (worker, dispatcher):
                process.send_signal(signal.SIGINT)
            assert [process.wait(timeout=60) for process in (worker, dispatcher)] == [cli.DONE, cli.DONE]
        finally:
            dispatcher.kill()
            worker.kill()


def test_something_unforeseen_is_one_line_exit_code_70_and_a_log_with_the_traceback(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("helpers.machine.describe", lambda: 1 / 0)
    assert cli.main(["machine"]) == cli.UNFORESEEN == 70
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "ZeroDivisionError: division by zero" in told
    (log,) = tmp_path.glob("study-error-*.log")
    assert str(log) in told and "Traceback" in log.read_text()
    with pytest.raises(ZeroDivisionError):
        cli.main(["--debug", "machine"])


@pytest.mark.parametrize("reader", ["head -c 1", "true"], ids=["soon", "at once"])
def test_a_reader_who_has_enough_of_the_output_is_no_error(reader):
    command = f"{sys.executable} -m helpers.cli machine --json | {reader}"
    ran = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
