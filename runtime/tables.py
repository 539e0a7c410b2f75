"""What a search and its islands tell each other, each thing once: settings and counts.

A setting is an entry of `SETTINGS`. From it follow the fields of the C structs and how they are set
(`runtime/settings.h`), what a snapshot must agree with, and what `azc.search` hands over: the value
under `key` in the search file, unless `azc.search.runtime_settings` computes it.

A count is a field of `Counts`. Whole numbers are counted by islands under ``AZ_COUNT_`` and the
name, kept in snapshots, in the history on disk, and shown by `azc history`.

Python's own modules alone are imported here, because the build reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["COUNTED", "MOST_HURDLES", "SETTINGS", "Counts", "Setting", "header"]


@dataclass(frozen=True, slots=True)
class Setting:
    """`type`: C's. `key`: its path in the search file; "" where no key says it by itself.
    `default`: where the search file has none. `of`: the struct that it is in. `length`: how many
    values, as C writes it. `course`: whether the course of a search depends on it."""

    name: str
    type: str
    meaning: str
    key: str = ""
    default: Any = 0
    of: str = "method"
    length: str = ""
    course: bool = True


#: That candidates can meet on the way (`azc.search.settings`, method "niches").
MOST_HURDLES = 4


def _trial(name: str, type: str, meaning: str, key: str = "", **more: Any) -> Setting:
    return Setting(name, type, meaning, key, of="trial", **more)


def _at_hurdles(name: str, type: str, meaning: str, none: float) -> Setting:
    """A number for each hurdle that there can be; `none`: where there is none."""
    return _trial(name, type, meaning, default=(none,) * MOST_HURDLES, length="AZ_MOST_HURDLES")


#: What islands are told. No fitness reaches 2.
SETTINGS: tuple[Setting, ...] = (
    Setting("method", "int32_t", "its number in methods.c"),
    Setting("population", "int32_t", "members", "search.population", 1),
    Setting("tournament", "int32_t", "of which the best has a child", "search.tournament", 1),
    Setting("children", "int32_t", "of a family"),
    Setting("filter", "int32_t", "draw again what cannot learn; 2: what does not learn all"),
    Setting("drop_dead", "int32_t", "take instructions without effect out", "search.drop_dead"),
    Setting("mutate_prob", "double", "that a child is mutated", "search.mutate_prob", 0.9),
    Setting("empty", "int32_t", "start from empty programs, not random ones"),
    Setting("seed", "uint64_t", "of all that is drawn"),
    Setting("island", "uint64_t", "its number, which draws differ by"),
    Setting(
        "target", "double", "fitness to report at once", "search.stop.fitness", 2.0, course=False
    ),
    # Of one population; 0: no limit.
    Setting("most_steps", "int64_t", "training steps", "restart.steps"),
    Setting("most_programs", "int64_t", "programs", "restart.programs"),
    Setting("patience", "int64_t", "programs since its best one", "restart.patience"),
    Setting("growth", "double", "of patience, from one to the next", "restart.growth", 1.0),
    Setting("gain", "double", "least by which it is better", "restart.gain", 0.0),
    Setting("from_best", "int64_t", "every so-manieth begins with the best", "restart.from_best"),
    Setting("by", "int64_t", "programs within which to reach by_fitness", "restart.by"),
    Setting("by_fitness", "double", "ends a population that has not", "restart.fitness", 0.0),
    # Of the method `niches`.
    Setting("behaviour", "int32_t", "niches by what predictions do, not by their form"),
    Setting("elites", "int32_t", "members of a niche", "niches.elites", 1),
    Setting("even", "double", "that a niche is drawn evenly, not by rank", "niches.even", 0.0),
    Setting("grown", "int64_t", "programs evaluated before the first mutant", "niches.grown", 1),
    Setting("parsimony", "double", "what an instruction counts", "niches.parsimony", 0.0),
    Setting("least", "double", "share of always 0's score, at hurdles", "niches.least", 1.0),
    Setting("fit", "int32_t", "variations of a new structure's constants", "niches.fit"),
    _trial("classes", "int64_t", "of the tasks; 0: regression"),
    _trial("tasks", "int64_t", "how many"),
    _trial("train", "int64_t", "training examples"),
    _trial("valid", "int64_t", "validation examples"),
    _trial(
        "epochs", "int64_t", "passes over the training examples", "evaluation.epochs", default=1
    ),
    _trial("max_abs_error", "double", "ends training", "evaluation.max_abs_error", default=100.0),
    _trial("evaluation_seed", "uint64_t", "of random instructions", "evaluation.seed"),
    _trial("median", "int32_t", "over tasks, rather than the mean"),
    _trial("per_task", "int32_t", "keep fitness on each task with every program"),
    _trial("level1", "int32_t", "remember programs by their form", "fec.level1"),
    _trial("level2", "int32_t", "and by what they predict", "fec.level2"),
    _trial("hot", "int32_t", "count structures, to be compiled", course=False),
    _trial("fec_train", "int64_t", "training examples of a fingerprint", "fec.train", default=1),
    _trial("fec_valid", "int64_t", "validation examples of it", "fec.valid", default=1),
    _trial("forget", "int64_t", "hits after which level 2 does", "fec.forget", default=100),
    _trial("cache_size", "int32_t", "programs that a level remembers", "fec.size", default=1),
    _trial("rounding", "uint64_t", "bits of a prediction that its fingerprint ignores"),
    _trial("hurdle_train", "int64_t", "training examples up to it; 0: none"),
    _trial("hurdle_valid", "int64_t", "validation examples there"),
    _trial("quantile", "double", "of late scores that stops", default=0.5),
    _trial("window", "int32_t", "number of late scores"),
    _trial("confirm", "int64_t", "tasks at the end, for what would be the best of its niche"),
    _trial("hurdles", "int32_t", "in training, on the way"),
    _at_hurdles("hurdle_at", "int64_t", "examples up to each", 0),
    _at_hurdles("hurdle_quantile", "double", "of its niche that stops", 0.0),
    _at_hurdles("hurdle_apart", "double", "what scores less otherwise is the same again", 0.0),
    _trial("op_cost", "double", "relative, of each op", length="AZ_OP_COUNT"),
    _trial("most_cost", "double", "of a program; 0: no budget", default=0.0),
)


def _count(meaning: str) -> Any:
    return field(metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True)
class Counts:
    """What one island has done since the search began; nothing here depends on the clock.

    `programs` = `level1` + `level2` + `over_budget` + `hurdled` + `evaluated`.
    """

    island: int
    run: int = _count("populations begun: restarts add to it")
    programs: int = _count("programs drawn and decided")
    evaluated: int = _count("of these: run on all examples")
    level1: int = _count("of these: known by their form")
    level2: int = _count("of these: known by what they predict")
    filtered: int = _count("programs drawn again before that: by the filter, or twins")
    over_budget: int = _count("of these: too costly to be run")
    hurdled: int = _count("of these: run on the beginning of each task only")
    steps: int = _count("training examples served, over all tasks, as if level 1 did not exist")
    received: int = _count("programs that came by migration")
    niches: int = _count("niches that hold programs now; 0 with other methods")
    best: float = _count("fitness of the best of this population so far; nan: none yet")
    mean: float = _count("mean fitness of those in it now; nan: none yet")


#: The counts that are whole numbers, in the order in which islands hold them.
COUNTED: tuple[str, ...] = tuple(
    each.name for each in fields(Counts) if each.type == "int" and each.metadata
)


def header() -> str:
    """The text of `search_tables.h`."""
    lines = ["/* Generated from runtime/tables.py by runtime/generate.py. */", "enum {"]
    lines.insert(1, f"#define AZ_MOST_HURDLES {MOST_HURDLES}")
    lines += [f"    AZ_COUNT_{name.upper()}," for name in COUNTED]
    lines += ["    AZ_COUNTS", "};", ""]
    for of in ("method", "trial"):
        lines.append(f"#define AZ_{of.upper()}_SETTINGS \\")
        for each in (each for each in SETTINGS if each.of == of):
            length = f"[{each.length}]" if each.length else ""
            lines.append(f"    {each.type} {each.name}{length}; /* {each.meaning} */ \\")
        lines.append("")
    lines += ["/* struct, name, type, how many values, whether the course depends on it */"]
    lines += ["#define AZ_EACH_SETTING(X) \\"]
    for each in SETTINGS:
        values = (each.of, each.name, each.type, each.length or "1", str(int(each.course)))
        lines.append(f"    X({', '.join(values)}) \\")
    return "\n".join(lines) + "\n\n"
