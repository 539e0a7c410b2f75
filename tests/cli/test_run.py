"""`azc run`."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import azc as library_of_azc
from azc import evaluate, tasks
from azc.cli import command_run, progress

from .conftest import LINEAR, UGLY

DIVERGES = LINEAR.replace("0.05", "1e6")


def _expected(task="linear", count=None, epochs=1, seed=0, **options):
    program = library_of_azc.parse(LINEAR)
    made = tasks.make_set(task, count=count, seed=seed, **options)
    return program, made, evaluate(program, made, epochs=epochs, seed=seed)


def test_json_has_the_documented_form(azc, files):
    outcome = azc("run", "linear.az", "--task", "linear", "--json")
    program, made, result = _expected()
    assert outcome.code == 0
    assert outcome.err == ""
    document = outcome.json
    assert list(document) == ["program", "hash", "tier", "fitness", "tasks", "seconds"]
    assert document["program"] == "linear.az"
    assert document["hash"] == program.hash
    assert document["tier"] == result.tier
    assert document["fitness"] == result.mean
    assert document["seconds"] > 0
    assert document["tasks"] == [
        {
            "name": task.name,
            "features": task.features,
            "fitness": fitness,
            "metric": "rmse",
            "value": value,
        }
        for task, fitness, value in zip(made, result.fitness, result.value, strict=True)
    ]


def test_options_reach_the_tasks_and_the_evaluation(azc, files):
    options = ["--tasks", "3", "--features", "5", "--train", "30", "--valid", "7"]
    more = ["--epochs", "4", "--seed", "11", "--metric", "rmse", "--tier", "interpreter"]
    document = azc("run", "linear.az", "--task", "affine", *options, *more, "--json").json
    _, made, result = _expected("affine", 3, 4, 11, features=5, train=30, valid=7)
    assert [task["fitness"] for task in document["tasks"]] == list(result.fitness)
    assert [task["name"] for task in document["tasks"]] == [task.name for task in made]


def test_seed_is_also_the_evaluation_s(azc, files):
    (files / "draw.az").write_text("def Predict():\n    s1 = uniform(0.0, 1.0)\n")
    np.savez("own.npz", X_train=np.eye(3), y_train=[1, 2, 3], X_valid=np.eye(3), y_valid=[1, 2, 3])
    values = {
        azc("run", "draw.az", "--task", "own.npz", "--seed", seed, "--json").json["fitness"]
        for seed in "0012"
    }
    assert len(values) == 3


def test_the_reference_agrees(azc, files):
    options = ["run", "linear.az", "--task", "linear", "--tasks", "1", "--train", "50", "--json"]
    one, other = azc(*options).json, azc(*options, "--tier", "reference").json
    assert other["tier"] == "reference"
    assert one["fitness"] == pytest.approx(other["fitness"], rel=1e-12)


def test_max_abs_error(azc, files):
    options = ["run", "linear.az", "--task", "linear", "--json"]
    assert azc(*options, "--max-abs-error", "1e-3").json["fitness"] == 0.0
    assert azc(*options, "--max-abs-error", "inf").json["fitness"] > 0.5


def test_infinities_are_null(azc, files):
    (files / "diverges.az").write_text(DIVERGES)
    document = azc("run", "diverges.az", "--task", "linear", "--json").json
    assert document["fitness"] == 0.0
    assert {task["value"] for task in document["tasks"]} == {None}
    assert "inf" in azc("run", "diverges.az", "--task", "linear").out


def test_table(azc, files):
    outcome = azc("run", "linear.az", "--task", "linear", "--tasks", "3")
    _, made, result = _expected(count=3)
    title, *rows, mean, empty, last = outcome.out.splitlines()
    assert title.split() == ["task", "features", "fitness", "rmse"]
    assert [row.split()[0] for row in rows] == [task.name for task in made]
    assert [row.split()[2] for row in rows] == [f"{value:.6f}" for value in result.fitness]
    assert mean.split()[:2] == ["mean", f"{result.mean:.6f}"]
    assert empty == ""
    assert last.endswith(f"s with tier {result.tier}")
    # Numbers end in one column.
    assert len({len(line) for line in (title, *rows, mean)}) == 1


def test_verbose(azc, files):
    out = azc("run", "linear.az", "--task", "digits:3,8", "--tasks", "1", "--verbose").out
    titles = ["features", "train", "valid", "classes", "fitness", "accuracy"]
    assert out.splitlines()[0].split() == ["task", *titles]
    assert "linear.az: setup 1, predict 1, learn 4; hash" in out
    assert "to read the program" in out


def test_several_classes(azc, files):
    options = ["run", "softmax", "--task", "digits:all", "--tasks", "2", "--train", "100"]
    document = azc(*options, "--valid", "20", "--predictions", "out.npy", "--json").json
    assert document["tasks"][0]["metric"] == "accuracy"
    assert np.load("out.npy").shape == (2, 20, 10)


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_files_of_one_s_own(azc, files, suffix):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X @ [1.0, -2.0, 0.5]
    if suffix == "npz":
        np.savez("own.npz", X_train=X[:40], y_train=y[:40], X_valid=X[40:], y_valid=y[40:])
        options = []
    else:
        rows = [",".join(map(repr, map(float, (*x, t)))) for x, t in zip(X, y, strict=True)]
        (files / "own.csv").write_text("\n".join(["a,b,c,label", *rows, ""]))
        options = ["--target", "label"]
    document = azc("run", "linear.az", "--task", f"own.{suffix}", *options, "--json").json
    assert len(document["tasks"]) == 1
    assert document["tasks"][0]["features"] == 3


# ---- where programs come from ------------------------------------------------------------------


def test_a_library_program(azc, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = azc("run", "linear", "--task", "linear", "--json").json
    assert document["program"] == "linear.az"
    assert document["hash"] == library_of_azc.parse(azc("library", "linear").out).hash


def test_a_file_goes_before_the_library(azc, files):
    (files / "linear").write_text(LINEAR)
    document = azc("run", "linear", "--task", "linear", "--json").json
    assert document["program"] == "linear"
    assert document["hash"] == library_of_azc.parse(LINEAR).hash


def test_a_folder_does_not(azc, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linear").mkdir()
    assert azc("run", "linear", "--task", "linear").code == 0


def test_standard_input(azc, files):
    document = azc("run", "-", "--task", "linear", "--json", stdin=LINEAR.encode()).json
    assert document["program"] == "<stdin>"
    refused = azc("run", "-", "--task", "linear", stdin=b"\xff\xfe")
    assert refused.code == 2
    assert refused.err.startswith("<stdin>:1:1: error: expected UTF-8")


@pytest.mark.parametrize(
    ("given", "suggestion"),
    [
        ("lniear.az", "linear.az"),
        ("uglly", "ugly.az"),
        ("softmx", "softmax"),
        ("softmax.az", "softmax"),
        ("./lineer.az", "./linear.az"),
    ],
)
def test_the_nearest_name_is_suggested(azc, files, given, suggestion):
    outcome = azc("run", given, "--task", "linear")
    assert outcome.code == 2
    assert f"did you mean '{suggestion}'?" in outcome.err


# ---- predictions -------------------------------------------------------------------------------


def test_predictions_are_those_of_evaluate(azc, files):
    assert azc("run", "linear.az", "--task", "digits", "--predictions", "out").code == 0
    saved = np.load(files / "out")
    _, _, result = _expected("digits")
    assert saved.dtype == np.float64
    assert saved.shape == (8, 60)
    assert saved.tobytes() == np.stack(result.predictions).tobytes()


def test_predictions_of_a_program_that_diverges_are_nan(azc, files):
    (files / "diverges.az").write_text(DIVERGES)
    azc("run", "diverges.az", "--task", "linear", "--predictions", "out.npy")
    assert np.isnan(np.load(files / "out.npy")).all()


def test_predictions_replace_a_file_whole(azc, files):
    target = files / "real.npy"
    target.write_bytes(b"old")
    target.chmod(0o640)
    (files / "link.npy").symlink_to(target)
    azc("run", "linear.az", "--task", "linear", "--predictions", "link.npy")
    assert (files / "link.npy").is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert np.load(target).shape == (8, 100)
    assert not list(files.glob(".*"))


def test_a_failed_write_leaves_the_old_file(azc, files, monkeypatch):
    (files / "out.npy").write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    options = ["run", "linear.az", "--task", "linear", "--predictions", "out.npy", "--json"]
    outcome = azc(*options)
    assert outcome.code == 1
    assert outcome.err == "error: out.npy: No space left on device\n"
    assert outcome.out == ""
    assert (files / "out.npy").read_bytes() == b"old"
    assert not list(files.glob(".*"))


def test_tasks_of_different_shapes_have_no_one_array(azc, files, monkeypatch):
    made = [tasks.make("linear", valid=5), tasks.make("linear", valid=6, index=1)]
    monkeypatch.setattr(command_run.TaskChoice, "make", lambda _: made)
    outcome = azc("run", "linear.az", "--task", "linear", "--predictions", "out.npy")
    assert outcome.code == 2
    assert outcome.err == (
        "error: --predictions: expected tasks with equally many validation examples and classes, "
        "got linear[0] with 5 and linear[1] with 6; give --valid, or run the tasks one at a time\n"
    )
    assert not (files / "out.npy").exists()


@pytest.mark.parametrize("where", ["none/out.npy", ".", "linear.az/out.npy", "/dev/null", "a\0b"])
def test_predictions_that_could_not_be_written_are_refused_at_once(azc, files, where, monkeypatch):
    monkeypatch.setattr(command_run.TaskChoice, "make", lambda _: pytest.fail("tasks were made"))
    outcome = azc("run", "linear.az", "--task", "linear", "--predictions", where)
    assert outcome.code == 2
    assert outcome.err.startswith("error: --predictions: expected ")


# ---- progress ----------------------------------------------------------------------------------


def test_short_work_is_not_commented_on(azc, files):
    assert azc("run", "linear.az", "--task", "linear").err == ""


def test_long_work_gives_lines_where_there_is_no_terminal(azc, files, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    outcome = azc("run", "linear.az", "--task", "linear", "--epochs", "2000", "--json")
    assert outcome.json
    assert all(line.endswith(" s") and "% of " in line for line in outcome.err.splitlines())
    assert outcome.err


def test_warnings_of_programs_do_not_keep_them_from_running(azc, files):
    (files / "ugly.az").write_text(UGLY)
    assert azc("run", "ugly.az", "--task", "linear").code == 0


def test_a_prediction_of_the_wrong_type_is_warned_of(azc, files):
    scalar = azc("run", "linear.az", "--task", "digits:all", "--tasks", "1")
    assert scalar.code == 0
    assert "warning: linear.az predicts the scalar s1" in scalar.err
    vector = azc("run", "softmax", "--task", "digits", "--tasks", "1", "--json")
    assert vector.code == 0
    assert "predicts the vector v2" in vector.err
    assert vector.json["fitness"] == 0.5
    assert azc("run", "softmax", "--task", "digits:all", "--tasks", "1").err == ""


def test_slow_making_of_tasks_is_announced_once(azc, files, monkeypatch):
    import time

    made = tasks.make_set

    def slowly(*arguments, **options):
        time.sleep(0.2)
        return made(*arguments, **options)

    monkeypatch.setattr(tasks, "make_set", slowly)
    assert "making" not in azc("run", "linear.az", "--task", "linear").err
    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.01)
    outcome = azc("run", "linear.az", "--task", "linear", "--json")
    assert outcome.err == "making the tasks of linear …\n"
    assert outcome.json["tasks"]


def test_a_table_with_every_option(azc, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    rows = [
        f"{i};{a};{b if i % 7 else 'NA'};{1e5 * a}" for i, (a, b) in enumerate(X.round(3).tolist())
    ]
    path = tmp_path / "größe.csv"
    path.write_text("\n".join(["Nr;größe;b;y", *rows]), encoding="latin-1")
    form = ["--target", "y", "--separator", ";", "--encoding", "latin-1"]
    command = ["run", "linear", "--task", str(path), *form, "--epochs", "20"]
    more = ["--drop", "Nr", "--fill", "median", "--standardize-labels", "--split", "random"]
    document = json.loads(azc(*command, *more, "--json").out)
    assert document["tasks"][0]["features"] == 2
    assert document["fitness"] > 0.9
    outcome = azc(*command, "--drop", "Nr", "--fill", "mean")
    assert "warning: labels of größe.csv[0] reach" in outcome.err
    assert "on größe.csv[0] at training example 0, whose label is" in outcome.err
    assert azc(*command, "--drop", "b").code == 0
    assert "row 0 of" in azc(*command).err


def test_the_test_part_is_scored_beside_validation(azc, files):
    options = ["--task", "digits:3,8", "--tasks", "1", "--features", "8", "--seed", "2"]
    outcome = azc("run", "linear.az", *options, "--test", "--save", "model.npz", "--json")
    (entry,) = outcome.json["tasks"]
    model = library_of_azc.Model.load("model.npz")
    (task,) = tasks.make_set("digits:3,8", count=1, features=8, seed=2)
    assert (entry["test_fitness"], entry["test_value"]) == model.score(task.X_test, task.y_test)
    assert outcome.json["test_fitness"] == entry["test_fitness"]
    shown = azc("run", "linear.az", *options, "--test").out
    assert "test fitness" in shown
    assert f"{entry['test_fitness']:.6f}" in shown


def test_what_has_no_test_part_and_several_models_are_refused(azc, files):
    outcome = azc("run", "linear.az", "--task", "linear", "--test")
    assert outcome.code == 2
    assert "expected a test part of linear[0]" in outcome.err
    outcome = azc("run", "linear.az", "--task", "linear", "--save", "model.npz")
    assert outcome.code == 2
    assert "expected one task" in outcome.err
