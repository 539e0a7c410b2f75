"""Whatever the program: it can be explained, decoupled, tuned and simplified."""

from __future__ import annotations

import numpy as np
from programs import random_program

import azc
from azc.use.tune import constants_of, decouple


def test_random_programs(full):
    rng = np.random.default_rng(3)
    kinds = {0: ("affine", 4), 2: ("digits", 4), 3: ("digits:all", 10)}
    sets = {
        classes: azc.tasks.make_set(kind, count=2, features=features, train=20, valid=8)
        for classes, (kind, features) in kinds.items()
    }
    for number in range(300 if full else 6):
        program = random_program(rng, most=12)
        tasks = sets[list(kinds)[number % 3]]
        explanation = azc.explain(program, tasks)
        assert str(explanation)
        assert explanation._repr_html_()
        found = decouple(program, tasks)
        same = azc.evaluate([program, found.program], tasks)
        assert same[0].fitness.tobytes() == same[1].fitness.tobytes()
        assert azc.simplify(program, tasks, 0.01) is not None
        if constants_of(program, tasks[0].classes):
            tuned = azc.tune(program, tasks, trials=3)
            assert tuned.fitness >= tuned.before == azc.evaluate(program, tasks).mean
