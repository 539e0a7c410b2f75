"""Exported programs: random ones against azc, per format; the speed of exported C.

    python benchmarks/exporting.py [--programs 300] [--features 4 8 16 32 64 128] [--repeat 61]

Prints two tables. In the first, programs of the tests' generator are trained and asked by their
exported form and by azc's interpreter: how many agree to the bit, and the largest difference of a
prediction relative to the largest of its program. In the second, the library's `network` is trained
on 1000 examples of one task and validates 100: azc's compiled code, and exported C built with
-O3 -march=native, for any number of features and for the known one.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from common import Compiled, cpu, make_tasks, pin, pointer

from azc import library
from azc.use.export import export
from azc.use.export.c import write as write_c
from azc.use.export.numpy import write as write_numpy

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from exported import FLAGS, Case, CModel, azc_numbers, compile_c, load_module, random_case

FAST = ("-O3", "-march=native", *FLAGS[2:])


def difference(case: Case, predicted: np.ndarray) -> float:
    wanted = case.outcome.predictions[0]
    finite = np.isfinite(wanted) & np.isfinite(predicted)
    if not finite.any():
        return 0.0
    return float(
        np.max(np.abs(wanted - predicted)[finite]) / (np.max(np.abs(wanted[finite])) or 1.0)
    )


def compare(programs: int, folder: Path) -> None:
    """The first table."""

    def c(case: Case, text: str, seed: int) -> CModel:
        flags = FAST if seed % 2 else FLAGS
        return CModel(compile_c(text, folder, f"p{seed}", *flags), case.task.features, seed)

    def numpy(case: Case, text: str, seed: int) -> object:
        return load_module(text).Model(case.task.classes).reset(case.task.features, seed)

    def with_azc(case: Case, text: str, seed: int) -> object:
        model = azc_numbers(load_module(text)).Model(case.task.classes)
        return model.reset(case.task.features, seed)

    forms: dict[str, tuple[Callable[..., object], Callable[..., str]]] = {
        "C": (c, write_c),
        "NumPy": (numpy, write_numpy),
        "NumPy with azc's exp, log, …": (with_azc, write_numpy),
    }
    print("| format | programs | same bits | median difference of the others | largest |")
    print("|---|---|---|---|---|")
    for name, (make, write) in forms.items():
        count, others = 0, []
        for seed in range(10_000, 10_000 + programs):
            made = random_case(seed)
            if made is None:
                continue
            case, subject = made
            count += 1
            model = make(case, write(subject), seed)
            examples = zip(case.task.X_train, case.task.y_train, strict=True)
            learned = all(model.learn(x, y) for x, y in examples)
            if not learned:
                others += [] if case.failed else [np.inf]
                continue
            classes = [case.task.classes] if name == "C" else []
            predicted = model.predict(case.task.X_valid, *classes)
            if not case.agrees(predicted):
                others.append(difference(case, predicted))
        middle = f"{statistics.median(others):.1e}" if others else ""
        most = f"{max(others):.1e}" if others else ""
        print(f"| {name} | {count} | {count - len(others)} | {middle} | {most} |", flush=True)


def in_turns(runs: Sequence[Callable[[], object]], rounds: int) -> np.ndarray:
    """CPU seconds of a call, [runs][rounds]: in each round all are measured, for some 4 ms each."""

    def seconds(run: Callable[[], object], calls: int) -> float:
        started = time.process_time()
        for _ in range(calls):
            run()
        return (time.process_time() - started) / calls

    calls = [max(1, round(0.004 / max(seconds(run, 2), 1e-6))) for run in runs]
    return np.array([[seconds(*each) for each in zip(runs, calls, strict=True)]
                     for _ in range(rounds)]).T  # fmt: skip


def measure(features: list[int], repeat: int, folder: Path) -> None:
    """The second table."""
    program = library.load("network")
    text = export(program, "c")
    print(f"\n{cpu()}, CPU time in ns per training example, medians of {repeat} rounds, and the\n"
          "medians and quartiles of the ratios to azc\n")  # fmt: skip
    print("| F | azc, compiled | C, any F | C, known F |")
    print("|---|---|---|---|")
    for f in features:
        [task] = make_tasks(1, f)
        X, y = np.ascontiguousarray(task.X_train), np.ascontiguousarray(task.y_train)
        X_valid = np.ascontiguousarray(task.X_valid)

        def exported(*flags: str, f=f, X=X, y=y, X_valid=X_valid) -> Callable[[], np.ndarray]:
            loaded = compile_c(text, folder, f"network{f}{''.join(flags)}", *FAST, *flags)
            loaded.azc_model_new.restype = ctypes.c_void_p
            predicted = np.empty(len(X_valid))
            size = ctypes.c_size_t

            def train() -> np.ndarray:
                model = ctypes.c_void_p(loaded.azc_model_new(size(f), ctypes.c_uint64(0)))
                loaded.azc_model_fit(model, pointer(X), pointer(y), size(len(X)))
                loaded.azc_model_predict_all(model, pointer(X_valid), size(len(X_valid)),
                                             pointer(predicted))  # fmt: skip
                loaded.azc_model_free(model)
                return predicted

            return train

        runs = [Compiled(program, [task]), exported(), exported(f"-DAZC_FEATURES={f}")]
        times = in_turns(runs, repeat)
        cells = [f"{np.median(times[0]) / len(X) * 1e9:.0f}"]
        for row in times[1:]:
            low, middle, high = np.quantile(row / times[0], (0.25, 0.5, 0.75))
            nanoseconds = np.median(row) / len(X) * 1e9
            cells.append(f"{nanoseconds:.0f}: {middle:.2f} ({low:.2f}–{high:.2f})")
        print(f"| {f} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--features", type=int, nargs="*", default=[4, 8, 16, 32, 64, 128])
    parser.add_argument("--repeat", type=int, default=61)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if arguments.programs:
            compare(arguments.programs, Path(name))
        if arguments.features:
            pin()
            measure(arguments.features, arguments.repeat, Path(name))


if __name__ == "__main__":
    main()
