"""The final evaluation: a linear model, a network and the evolved program on the images themselves.

Section 4.2 and S7 of the paper: programs are evolved on 16 features, so their constants are fitted
anew on all 3072, by random search with as much compute for each of them; then each is trained with
five seeds on the held-out pairs of classes and scored on the official test images, once.

Trial 0 of an arm fits the constants, those that follow evaluate. `DEFAULTS` may be changed with
``--set``: the set of images, how many of the held-out pairs, and the numbers of examples; fitting
may use fewer pairs and examples than evaluating.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import azc.evaluation
from azc import lang, library
from azc.errors import ConfigError, TaskError, expected, nearest
from azc.paper.experiment import Context, Experiment
from azc.paper.plan import Arm, Options
from azc.paper.record import Trial
from azc.paper.statistics import mean_of
from azc.paper.tables import Findings, Table, interval, number, plain
from azc.paper.tuning import constants_of, scaled, tuned
from azc.program import Program
from azc.search.settings_file import load_program
from azc.tasks import Task, make
from azc.tasks.images import IMAGE_SETS
from azc.tasks.projection import SELECT_PAIRS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DEFAULTS", "EXPERIMENT"]

#: What can be set, as the paper has it but for fitting, which there used all.
DEFAULTS: dict[str, str | int] = {
    "images": "cifar10",
    "pairs": 9,
    "train": 8000,
    "valid": 2000,
    "fit_pairs": 1,
    "fit_train": 2000,
    "fit_valid": 1000,
}
#: The part of the time that fitting the constants takes.
_FITTING = 0.5
#: Percent of test images, mean and standard deviation of five seeds.
_PAPER = {"linear": (77.65, 0.22), "network": (82.22, 0.17), "evolved": (84.06, 0.10)}
_EVOLVED = "bilinear"


class Final(Experiment):
    name = "final"
    title = "Evolved program against linear model and network, on the images themselves"
    hours = 12.0
    seeds = 6
    first_seed = 0
    keeps = True
    takes_program = True
    alone = True

    def arms(self, options: Options) -> list[Arm]:
        chosen = _chosen(options.overrides)
        evolved = load_program(options.program or _EVOLVED)
        programs = {
            "linear": library.load("logistic"),
            "network": library.load("network"),
            "evolved": evolved,
        }
        return [
            Arm(name, {"program": name}, None, {"text": _text(program), **chosen})
            for name, program in programs.items()
        ]

    def trial(self, context: Context, arm: Arm, seed: int) -> dict[str, Any]:
        if seed == 0:
            return self._fit(context, arm)
        assert context.record is not None
        fitted = next(
            trial.document
            for trial in context.record.trials()
            if trial.arm == arm.name and trial.seed == 0
        )
        program, started = lang.parse(fitted["program"]), time.monotonic()
        scores = {}
        for task in _tasks(context, arm, "", seed):
            context.tell(f"{arm.name}, seed {seed}: {task.name}")
            result = azc.evaluation.evaluate(program, [_on_test(task)], seed=seed)
            scores[task.name.partition("[")[0]] = result.mean
        seconds = time.monotonic() - started
        mean = sum(scores.values()) / len(scores)
        return {"seconds": seconds, "scores": scores, "accuracy": mean}

    def _fit(self, context: Context, arm: Arm) -> dict[str, Any]:
        """Fit the constants; after every trial what there is is kept, to go on from."""
        name, record = f"fitting {arm.name}", context.record
        assert record is not None
        program = lang.parse(arm.about["text"])
        tasks = list(_tasks(context, arm, "fit_", 0))
        seconds = _FITTING * context.plan.seconds / len(context.plan.arms)

        best = -1.0

        def keep(state: dict[str, Any]) -> None:
            nonlocal best
            record.note(name, state)
            if state["best"] > best:
                best = state["best"]
                context.tell(f"{name}: {best:.4f} after {state['trials']} trials")

        state = tuned(program, tasks, seed=0, seconds=seconds, state=record.about(name), keep=keep)
        text = str(scaled(program, state["factors"]))
        return {**state, "constants": len(constants_of(program)), "program": text}

    def conclude(self, context: Context, trials: Sequence[Trial]) -> Findings:
        programs = {}
        for arm in context.plan.arms:
            mine = [trial for trial in trials if trial.arm == arm.name]
            fitted = next((trial.document for trial in mine if trial.seed == 0), None)
            values = [trial.document["accuracy"] for trial in mine if trial.seed > 0]
            programs[arm.name] = {
                "values": values,
                "mean": plain(mean_of(values)),
                "fitting": fitted
                and {key: fitted[key] for key in ("trials", "before", "best", "constants")},
            }
        texts = [
            (f"{trial.arm}, its constants fitted", trial.document["program"])
            for trial in trials
            if trial.seed == 0
        ]
        images = context.plan.arms[0].about["images"]
        return Findings(
            title=f"Final evaluation. {self.title}",
            data={"programs": programs, "images": images} if trials else {},
            tables=[_table(programs)],
            rows=[
                {"program": trial.arm, "seed": trial.seed, "pair": pair, "accuracy": score}
                for trial in trials
                if trial.seed > 0
                for pair, score in trial.document["scores"].items()
            ],
            notes=[
                "accuracy in percent on test images, mean over the held-out pairs; interval of "
                "95 %: Student's, over seeds",
                "fitting: each program has the same time, not counting that in which the evolved "
                "one was found; fitness on validation examples before and after",
                "paper: mean ± standard deviation of five seeds on CIFAR-10",
            ],
            texts=texts,
        )

    def draw(self, data: Mapping[str, Any], figure: Figure) -> None:
        from azc.paper.drawing import COLOURS

        axes = figure.add_subplot()
        for x, (name, one) in enumerate(data["programs"].items()):
            values = [100.0 * value for value in one["values"]]
            axes.plot([x] * len(values), values, "o", color=COLOURS[0], alpha=0.5)
            if values:
                axes.hlines(sum(values) / len(values), x - 0.2, x + 0.2, color=COLOURS[0])
            mean, deviation = _PAPER[name]
            axes.errorbar([x + 0.3], [mean], [deviation], fmt="s", color=COLOURS[1], label="paper")
        axes.set_xticks(range(len(data["programs"])), list(data["programs"]))
        axes.set_ylabel(f"accuracy on test images of {data['images']}, %")
        handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        axes.legend(handles.values(), handles.keys())


EXPERIMENT = Final()


def _chosen(overrides: Sequence[str]) -> dict[str, str | int]:
    """`DEFAULTS` with overrides."""
    chosen = dict(DEFAULTS)
    for override in overrides:
        key, _, value = override.partition("=")
        if key not in DEFAULTS:
            do = nearest(key, DEFAULTS) or f"the keys are {', '.join(DEFAULTS)}"
            raise ConfigError(f"--set: {expected('a key of the final evaluation', repr(key), do)}")
        if key == "images" and value not in IMAGE_SETS:
            do = nearest(value, IMAGE_SETS)
            raise ConfigError(f"--set: images: {expected('a set of images', repr(value), do)}")
        if isinstance(DEFAULTS[key], str):
            chosen[key] = value
        elif value.isdecimal() and int(value) > 0:
            chosen[key] = int(value)
        else:
            raise ConfigError(f"--set: {key}: {expected('a whole number from 1', repr(value))}")
    return chosen


def _text(program: Program) -> str:
    return str(replace(program, doc=""))


def _tasks(context: Context, arm: Arm, prefix: str, seed: int) -> Iterator[Task]:
    """The held-out pairs of classes, one after the other, since one alone is large."""
    about = arm.about
    for index, pair in enumerate(SELECT_PAIRS[: about[f"{prefix}pairs"]]):
        yield make(
            "{}:raw:{},{}".format(about["images"], *pair),
            train=about[f"{prefix}train"],
            valid=about[f"{prefix}valid"],
            seed=seed,
            index=index,
            data=context.data,
            # Only the evaluation looks at test images, the set's own where it has such.
            test_images="official"
            if not prefix and IMAGE_SETS[about["images"]].test_files
            else None,
        )


def _on_test(task: Task) -> Task:
    """The task with its test part instead of the validation part."""
    if task.X_test is None or task.y_test is None:
        do = "take fewer for training and validation with --set"
        raise TaskError(f"{task.name}: {expected('images left for the test part', 'none', do)}")
    return Task(
        task.X_train,
        task.y_train,
        task.X_test,
        task.y_test,
        metric=task.metric,
        classes=task.classes,
        name=task.name,
        seed=task.seed,
    )


def _table(programs: Mapping[str, Any]) -> Table:
    rows = []
    for name, one in programs.items():
        values = [100.0 * value for value in one["values"]]
        fitting, paper = one["fitting"], _PAPER[name]
        rows.append(
            (
                name, interval(mean_of(values), 4), str(len(values)), f"{paper[0]} ± {paper[1]}",
                *(
                    (
                        str(fitting["constants"]), str(fitting["trials"]),
                        number(fitting["before"]), number(fitting["best"]),
                    )
                    if fitting
                    else ("", "", "", "")
                ),
            )
        )  # fmt: skip
    columns = (
        "program", "accuracy", "seeds", "paper", "constants", "trials", "before", "after",
    )  # fmt: skip
    return Table("Accuracy on test images, and the fitting of constants before", columns, rows)
