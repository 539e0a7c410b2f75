"""To C: azc's bits, from any compiler flags, for any number of features."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from exported import FLAGS, CModel, agrees, compile_c, random_case

import azc
from azc.use.export import export
from azc.use.export.c import write

FAST = ("-O3", "-march=native", *FLAGS[2:])


def test_what_is_in_no_memory_is_not_kept(tmp_path):
    """Predict makes and reads a matrix in one loop, and Learn leaves one at the same address."""
    made = random_case(10023)
    assert made
    case, subject = made
    with CModel(compile_c(write(subject), tmp_path, "kept"), case.task.features, 10023) as model:
        assert agrees(case, model, case.task.classes)


def test_random_programs(tmp_path, full):
    count = 1500 if full else 8
    for seed in range(1000, 1000 + count):
        made = random_case(seed, most=16)
        if made is None:
            continue
        case, subject = made
        library = compile_c(write(subject), tmp_path, f"p{seed}", *(FAST if seed % 2 else FLAGS))
        classes = case.task.classes
        with CModel(library, case.task.features, seed) as model:
            assert agrees(case, model, classes), seed


def test_all_examples_at_once_are_as_one_by_one(tmp_path, full):
    """Where vectors are held in local arrays meanwhile, and where they are not; with failures."""
    compared = 0
    for seed in range(500, 500 + (60 if full else 8)):
        made = random_case(seed, most=16)
        if made is None:
            continue
        case, subject = made
        task, text = case.task, write(subject)

        known = f"-DAZC_FEATURES={task.features}" if seed % 2 else "-DAZC_FEATURES=0"
        library = compile_c(text, tmp_path, f"fit{seed}", *FAST, known)
        with (
            CModel(library, task.features, seed) as one,
            CModel(library, task.features, seed) as all_,
        ):
            learned = 0
            for x, y in zip(task.X_train, task.y_train, strict=True):
                if not one.learn(x, y):
                    break
                learned += 1
            half = len(task.X_train) // 2
            count = all_.fit(task.X_train[:half], task.y_train[:half])
            if count == half:
                count += all_.fit(task.X_train[half:], task.y_train[half:])
            assert count == learned
            if count == len(task.X_train):
                found = [model.predict(task.X_valid, task.classes) for model in (one, all_)]
                assert found[0].tobytes() == found[1].tobytes()
                compared += 1
    assert compared >= 2


@pytest.mark.parametrize("features", [4, 16])
def test_known_features(tmp_path, features):
    """The same bits for a number of features that the compiler knows; no other is taken."""
    program = azc.library.load("network")
    made = azc.tasks.make("teacher-nn", features=features, train=50, valid=10)
    task = azc.Task(made.X_train, made.y_train, made.X_valid, made.y_valid, seed=0)
    flags = (*FAST, f"-DAZC_FEATURES={features}")
    library = compile_c(export(program, "c"), tmp_path, f"network{features}", *flags)
    with CModel(library, features, 5) as model:
        for x, y in zip(task.X_train, task.y_train, strict=True):
            assert model.learn(x, y)
        expected = azc.train(program, task, seed=5).predict(task.X_valid)
        assert model.predict(task.X_valid).tobytes() == expected.tobytes()
    assert CModel(library, features + 1, 0).model is None


@pytest.mark.parametrize("features", [4, 5, 8, 32])
def test_features_with_code_of_their_own(tmp_path, features):
    """The same bits, whether the file has code for that number of features or not."""
    program = azc.library.load("network")
    made = azc.tasks.make("teacher-nn", features=features, train=50, valid=10)
    task = azc.Task(made.X_train, made.y_train, made.X_valid, made.y_valid, seed=0)
    library = compile_c(export(program, "c"), tmp_path, "network")
    with CModel(library, features, 5) as model:
        assert model.fit(task.X_train, task.y_train) == len(task.X_train)
        expected = azc.train(program, task, seed=5).predict(task.X_valid)
        assert model.predict(task.X_valid).tobytes() == expected.tobytes()


def test_only_short_programs_have_code_for_sizes():
    assert "case 4: call(4);" in export(azc.library.load("network"), "c")
    assert "case 4: call(4);" not in export(azc.library.load("softmax"), "c", classes=5)
    assert "case 8: call(8);" in export(azc.library.load("softmax"), "c", classes=5)
    body = "    s2 = s2 * s1\n" * 70
    long = azc.parse(f"def Predict():\n    s1 = s2 + s2\ndef Learn():\n{body}")
    assert "case 8: call(8);" not in export(long, "c")


def test_classes(tmp_path):
    """A vector of predictions is for a number of classes that is said; F must be as large."""
    program = azc.library.load("softmax")
    with pytest.raises(azc.ConfigError, match="expected the number of classes, got none"):
        export(program, "c")
    library = compile_c(export(program, "c", classes=3), tmp_path, "softmax")
    assert CModel(library, 2, 0).model is None
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)), rng.integers(3, size=40)
    task = azc.Task(X[:30], y[:30], X[30:], y[30:], metric="accuracy", classes=3, seed=0)
    with CModel(library, 4, 0) as model:
        for x, label in zip(task.X_train, task.y_train, strict=True):
            assert model.learn(x, label)
        expected = azc.train(program, task).predict(task.X_valid)
        assert model.predict(task.X_valid, 3).tobytes() == expected.tobytes()


def test_words_of_a_program_end_no_comment(tmp_path):
    program = azc.parse('"""*/ #error \\\\ ??/\n/* """\ndef Predict():\n    s1 = mean(v0)\n')
    compile_c(export(program, "c"), tmp_path, "words")


def test_sanitized(tmp_path):
    """No read or write beyond what is there, for a number of features that fills no register."""
    text = (
        export(azc.library.load("network"), "c")
        + """
int main(void)
{
    const double x[3] = {0.5, -1.0, 2.0};
    double out = 0.0;
    azc_model *m = azc_model_new(3, 1);
    const int learned = azc_model_learn(m, x, 0.25);
    azc_model_predict(m, x, &out);
    azc_model_free(m);
    return !learned || !(out > -10.0 && out < 10.0);
}
"""
    )
    source, binary = tmp_path / "main.c", tmp_path / "main"
    source.write_text(text, "utf-8")
    flags = [*FLAGS, "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    subprocess.run(["gcc", *flags, "-o", str(binary), str(source), "-lm"], check=True)
    subprocess.run([str(binary)], check=True, env={"ASAN_OPTIONS": "detect_leaks=0"})
