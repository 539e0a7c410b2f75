"""What a program does, measured: which lines matter, what they are, what is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from azc.analysis import interface_addresses
from azc.evaluation import check
from azc.program import Program
from azc.tasks import Task, TaskSet
from azc.use.dataflow import Flow, flow_of, without
from azc.use.dropping import drop_lines
from azc.use.explain.explanation import NEAR, Cell, Direction, Explanation, Line
from azc.use.explain.formulas import formulas
from azc.use.explain.kinds import Kinds, kinds_of
from azc.use.explain.observing import Observed, observe
from azc.use.explain.roles import role_of
from azc.use.explain.teller import Teller
from azc.use.intervals import mean_interval
from azc.use.picture import mermaid
from azc.use.scoring import Scorer

__all__ = ["explain"]

#: The simpler program that lines are put into is the one that stays within this share of what the
#: whole gains over an empty program.
_CORE_SHARE = 0.1
#: Evaluations with seeds of their own, where a program draws or the order of examples does.
_SEEDS = 3


def explain(
    program: Program,
    tasks: Sequence[Task],
    *,
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
    tier: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Measure what each line of `program` is worth on `tasks`, and what it does.

    Every live line is left out in turn, and put into the simpler program that is left when lines
    go as long as nine tenths of the gain over an empty program stay. The first steps of training
    are watched in plain NumPy, and the gradient of the prediction is computed by reverse-mode
    differentiation of Predict.
    """
    tasks = tasks if isinstance(tasks, TaskSet) else TaskSet(tasks)
    check(program, tasks, tier, epochs, seed, max_abs_error)
    classes = tasks[0].classes
    flow = flow_of(program, classes)
    draws = any(flow.at(position).op.random for position in flow.live)
    seeds = [(seed + k) % 2**64 for k in range(_SEEDS if draws or epochs > 1 else 1)]
    scorer = Scorer(tasks, epochs=epochs, max_abs_error=max_abs_error, tier=tier)
    done = 0

    def note() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(min(done, 5 * len(flow.live)), 5 * len(flow.live))

    whole = scorer.over(program, seeds)
    fitness = float(whole.mean())
    nothing = float(scorer.over(Program(), seeds).mean())
    least = fitness - _CORE_SHARE * max(fitness - nothing, 0.0)

    def scored(tried: Program) -> float:
        note()
        return float(scorer.over(tried, seeds).mean())

    gone = drop_lines(program, flow.live, scored, lambda tried: scored(tried) >= least)
    core = without(program, gone)
    core_fitness = float(scorer.over(core, seeds).mean())
    seen = observe(program, tasks, flow, seed=seed, max_abs_error=max_abs_error)
    kinds = kinds_of(program, flow, seen, classes)
    tell = Teller(program, flow, seen, kinds, classes)
    short = formulas(tell)
    live = set(flow.live)
    lines = []
    for function, body in program.functions():
        for index, instruction in enumerate(body):
            position = function, index
            left = whole
            knock_in, role = 0.0, "dead: it cannot reach a prediction"
            if position in live:
                left = scorer.over(without(program, {position}), seeds)
                other = gone - {position} if position in gone else gone | {position}
                change = float(scorer.over(without(program, other), seeds).mean()) - core_fitness
                knock_in = change if position in gone else -change
                role = role_of(tell, position, short.values.get(position, ""))
            mean, low, high = mean_interval(whole - left)
            lines.append(
                Line(
                    function=function,
                    index=index,
                    text=str(instruction),
                    named=tell.named(position),
                    live=position in live,
                    without=float(left.mean()),
                    loss=mean,
                    low=low,
                    high=high,
                    core=position in live and position not in gone,
                    knock_in=knock_in,
                    role=role,
                    fails=int(((left <= 0.0) & (whole > 0.0)).sum()),
                )
            )
            note()
    return Explanation(
        program=program,
        fitness=fitness,
        tasks=[task.name for task in tasks],
        seeds=seeds,
        lines=lines,
        addresses=_cells(tell, kinds, seen),
        gradients=_directions(tell, flow, seen),
        core=core,
        core_fitness=core_fitness,
        picture=mermaid(flow, *interface_addresses(classes)[:2], tell.named, tell.name),
        steps=seen.served,
        interface=_interface(tell),
        short=short.text,
    )


def _interface(tell: Teller) -> str:
    """What the addresses are that stand between program and task."""
    features, label, prediction = map(tell.name, interface_addresses(tell.classes))
    return f"{features} are the features, {label} is the label, {prediction} the prediction"


def _cells(tell: Teller, kinds: Kinds, seen: Observed) -> list[Cell]:
    return [
        Cell(address, tell.name(address), kind, seen.low.get(address, 0.0),
             seen.high.get(address, 0.0))
        for address, kind in kinds.items()
    ]  # fmt: skip


def _directions(tell: Teller, flow: Flow, seen: Observed) -> list[Direction]:
    """For each learned address the gradient by itself, or, where the prediction does not depend on
    it directly, the nearest one, if it is near."""
    directions = []
    learned = [a for a, kind in tell.kinds.items() if kind == "learned"]
    for address in learned:
        pairs = {b: c.value for (a, b), c in seen.steps.items() if a == address and c.steps}
        if not pairs:
            continue
        of = address if address in pairs else max(pairs, key=lambda b: (abs(pairs[b]), str(b)))
        if of != address and abs(pairs[of]) < NEAR:
            continue
        late = seen.late[address, of].value if (address, of) in seen.late else 0.0
        directions.append(Direction(address, tell.name(address), tell.name(of), pairs[of], late))
    return directions
