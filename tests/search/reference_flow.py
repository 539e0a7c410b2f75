"""Mutations that know the data flow, the strict filter and forms of predictions, once more in plain
Python: what `runtime/flow.h`, `runtime/filter.h` and `docs/semantics.md` say of them, with sets of
addresses instead of bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_analysis import live, needed

from azc.analysis import interface_addresses
from azc.ops import Op, Type
from azc.program import Address, Instruction, Program

if TYPE_CHECKING:
    from search.reference_drawing import Drawing, Draws

Bodies = list[list[Instruction]]

_SETUP, _PREDICT, _LEARN = range(3)
_FRESH = {Type.SCALAR: 0.3, Type.VECTOR: 0.2, Type.MATRIX: 0.2}
_MOST_MADE = 12


def dropped(bodies: Bodies, ops: Sequence[Sequence[Op]], classes: int) -> Bodies:
    """Without dead instructions, in functions that have ops."""
    kept = live(Program(*map(tuple, bodies)), classes)
    return [
        list(body) if ops[f] else list(bodies[f]) for f, (_, body) in enumerate(kept.functions())
    ]


class _Nothing(Exception):  # noqa: N818
    """There is nothing to do after all."""


class Flow:
    """One mutation of one program, in place."""

    def __init__(self, drawing: Drawing, d: Draws, bodies: Bodies) -> None:
        self.drawing, self.d, self.bodies = drawing, d, bodies
        self.features, self.label, self.prediction = interface_addresses(drawing.spec.classes)

    # ---- sets ----

    def _all(self, kind: Type) -> list[Address]:
        return [Address(kind, k) for k in range(self.drawing.spec.addresses[kind.rank])]

    def _pick(self, kind: Type, among: Callable[[Address], bool]) -> Address:
        found = [address for address in self._all(kind) if among(address)]
        if not found:
            raise _Nothing
        return found[self.d.below(len(found))]

    def _pick_any(self, among: Iterable[Address]) -> Address:
        ordered = sorted(among, key=lambda address: (address.type.rank, address.number))
        if not ordered:
            raise _Nothing
        return ordered[self.d.below(len(ordered))]

    def _pick_op(self, f: int, result: Type, own: Type | None = None) -> Op:
        found = [
            op
            for op in self.drawing.ops[f]
            if op.output is result and (own is None or own in op.inputs)
        ]
        if not found:
            raise _Nothing
        return found[self.d.below(len(found))]

    def _needed_at(self, f: int, position: int) -> set[Address]:
        """What is needed before an instruction: what is before Setup ends there."""
        between, after, _ = needed(Program(*map(tuple, self.bodies)), self.drawing.spec.classes)
        rest = self.bodies[f][position:]
        wanted = set(after if f == _PREDICT else between)
        for instruction in reversed(rest):
            if instruction.output in wanted:
                if not instruction.op.entry:
                    wanted.discard(instruction.output)
                wanted.update(instruction.reads)
        return wanted

    def _written(self, *functions: int) -> set[Address]:
        return {i.output for f in functions for i in self.bodies[f] if i.output is not None}

    # ---- expressions ----

    def _begin(self, f: int, busy: set[Address]) -> None:
        self.f = f
        self.busy = busy | {self.features, self.label}
        self.written = self._written(_SETUP, _PREDICT, _LEARN)
        self.made: list[Instruction] = []
        self.terms = self.written | {self.features}
        if f == _LEARN:
            self.terms |= {self.label, self.prediction}
        io = {self.features, self.label, self.prediction}
        for kind in Type:
            try:
                self.terms.add(self._pick(kind, lambda a: a not in self.terms | io))
            except _Nothing:
                continue

    def _constants(self, op: Op) -> tuple[float, ...]:
        return tuple(self.drawing._constant(self.d, op, k) for k in range(len(op.constants)))

    def _new_constant(self, kind: Type) -> Address:
        setup = self.bodies[_SETUP]
        if len(setup) >= self.drawing.spec.most[_SETUP]:
            raise _Nothing
        op = self._pick_op(_SETUP, kind)
        if op.inputs or op.entry:
            raise _Nothing
        io = {self.features, self.label, self.prediction}
        made = self._pick(kind, lambda a: a not in self.written | self.busy | io)
        setup.append(Instruction(op, made.number, (), self._constants(op)))
        self.busy.add(made)
        self.written.add(made)
        self.terms.add(made)
        return made

    def _expression(self, kind: Type, depth: int) -> Address:
        if depth <= 0 or self.d.uniform() < 0.5:
            if self.d.uniform() < _FRESH[kind]:
                with suppress(_Nothing):
                    return self._new_constant(kind)
            return self._pick(kind, self.terms.__contains__)
        try:
            op = self._pick_op(self.f, kind)
        except _Nothing:
            return self._pick(kind, self.terms.__contains__)
        inputs = tuple(self._expression(of, depth - 1).number for of in op.inputs)
        out = self._pick(kind, lambda a: a not in self.busy)
        if len(self.made) >= _MOST_MADE:
            raise _Nothing
        self.busy.add(out)
        self.made.append(Instruction(op, out.number, inputs, self._constants(op)))
        return out

    def _combine(self, op: Op, out: int, side: int, own: int, depth: int) -> None:
        inputs = tuple(
            own if place == side else self._expression(of, depth).number
            for place, of in enumerate(op.inputs)
        )
        if len(self.made) >= _MOST_MADE:
            raise _Nothing
        self.made.append(Instruction(op, out, inputs, self._constants(op)))

    def _put_in(self, position: int) -> None:
        body = self.bodies[self.f]
        if len(body) + len(self.made) > self.drawing.spec.most[self.f]:
            raise _Nothing
        body[position:position] = self.made

    def _side(self, op: Op, kind: Type) -> int:
        if len(op.inputs) == 2 and op.inputs == (kind, kind):
            return self.d.below(2)
        return op.inputs.index(kind)

    # ---- mutations ----

    def _insert_constant(self) -> None:
        between, _, _ = needed(Program(*map(tuple, self.bodies)), self.drawing.spec.classes)
        one = self._pick_any(between - {self.prediction})
        if not self.drawing.ops[_SETUP]:
            return
        op = self._pick_op(_SETUP, one.type)
        if op.inputs or op.entry:
            return
        made = Instruction(op, one.number, (), self._constants(op))
        setup = self.bodies[_SETUP]
        for place, old in enumerate(setup):
            if old.output == one:
                setup[place] = made
                return
        place = self.d.below(len(setup) + 1)
        if len(setup) < self.drawing.spec.most[_SETUP]:
            setup.insert(place, made)

    def insert_live(self) -> None:
        eighth = self.d.below(8)
        self.insert_in(_SETUP if eighth == 0 else _PREDICT if eighth < 3 else _LEARN)

    def insert_in(self, f: int) -> None:
        if f == _SETUP:
            self._insert_constant()
            return
        if not self.drawing.ops[f]:
            return
        position = self.d.below(len(self.bodies[f]) + 1)
        wanted = self._needed_at(f, position)
        one = self._pick_any(wanted - {self.features, self.label})
        self._begin(f, wanted)
        op = self._pick_op(f, one.type)
        updates = one.type in op.inputs and self.d.uniform() < 0.7
        side = self._side(op, one.type) if updates else -1
        self._combine(op, one.number, side, one.number, 2)
        self._put_in(position)

    def _states(self, kinds: Iterable[Type]) -> set[Address]:
        read = _read_first(self.bodies[_PREDICT]) - {self.features, self.label, self.prediction}
        read = {address for address in read if address.type in kinds}
        return (read - self._written(_LEARN)) or read

    def _begin_update(self, states: set[Address]) -> tuple[Address, int]:
        one = self._pick_any(states)
        if not self.drawing.ops[_LEARN]:
            raise _Nothing
        position = self.d.below(len(self.bodies[_LEARN]) + 1)
        self._begin(_LEARN, self._needed_at(_LEARN, position) | {one})
        return one, position

    def update_state(self) -> None:
        one, position = self._begin_update(self._states(Type))
        op = self._pick_op(_LEARN, one.type, one.type)
        self._combine(op, one.number, self._side(op, one.type), one.number, 2)
        self._put_in(position)

    def add_to_state(self) -> None:
        adding = [op for op in self.drawing.ops[_LEARN] if op.name.endswith(("_add", "_sub"))]
        if not (states := self._states({op.output for op in adding if op.output})):
            self.update_state()
            return
        one, position = self._begin_update(states)
        able = [op for op in adding if op.output is one.type]
        op = able[self.d.below(len(able))]
        self._combine(op, one.number, 0, one.number, 2)
        self._put_in(position)

    def grow_operand(self) -> None:
        self.grow_in(_LEARN if self.d.below(3) else _PREDICT)

    def grow_in(self, f: int) -> None:
        body = self.bodies[f]
        if not body or not self.drawing.ops[f]:
            return
        position = self.d.below(len(body))
        old = body[position]
        side = self.d.below(2) if len(old.op.inputs) == 2 else 0
        if not old.op.inputs:
            return
        kind = old.op.inputs[side]
        self._begin(f, self._needed_at(f, position) | set(old.reads))

        def with_operand(number: int) -> Instruction:
            inputs = tuple(number if k == side else n for k, n in enumerate(old.inputs))
            return replace(old, inputs=inputs)

        if self.d.uniform() < 0.25:
            other = self._pick(kind, self.terms.__contains__)
            body[position] = with_operand(other.number)
            return
        op = self._pick_op(f, kind)
        keeps = kind in op.inputs and self.d.uniform() < 0.7
        kept = self._side(op, kind) if keeps else -1
        self._combine(op, 0, kept, old.inputs[side], 1)
        out = self._pick(kind, lambda a: a not in self.busy)
        if len(body) + len(self.made) > self.drawing.spec.most[f]:
            return
        self.made[-1] = replace(self.made[-1], out=out.number)
        body[position] = with_operand(out.number)
        self._put_in(position)

    def bypass(self) -> None:
        places = [(f, k) for f in self.drawing.open for k in range(len(self.bodies[f]))]
        if not places:
            return
        f, position = places[self.d.below(len(places))]
        body = self.bodies[f]
        if len(body) <= self.drawing.spec.least[f]:
            return
        gone = body.pop(position)
        result = gone.op.output
        if result is None or result not in gone.op.inputs or self.d.below(2):
            return
        old, new = gone.out, gone.inputs[self._side(gone.op, result)]
        for k in range(position, len(body)):
            inputs = tuple(
                new if of is result and number == old else number
                for of, number in zip(body[k].op.inputs, body[k].inputs, strict=True)
            )
            body[k] = replace(body[k], inputs=inputs)
            if body[k].op.output is result and body[k].out in (old, new):
                break

    def move(self) -> None:
        f = _LEARN if self.d.below(2) else _PREDICT
        body = self.bodies[f]
        if len(body) < 2 or not self.drawing.ops[f]:
            return
        start = self.d.below(len(body))
        end = (start + 1 + self.d.below(len(body) - 1)) % len(body)
        body.insert(end, body.pop(start))

    def cross(self, others: Sequence[Bodies]) -> None:
        if not others:
            return
        other = others[self.d.below(len(others))]
        f = self.d.below(3)
        if self.drawing.ops[f]:
            self.bodies[f] = list(other[f])

    def alter_constant(self) -> None:
        places = [
            (f, k, c)
            for f in self.drawing.open
            for k, instruction in enumerate(self.bodies[f])
            for c in range(len(instruction.constants))
        ]
        if places:
            f, k, c = places[self.d.below(len(places))]
            self.bodies[f][k] = self.drawing.scaled(self.d, self.bodies[f][k], c)


def mutate(
    drawing: Drawing, d: Draws, which: str, bodies: Bodies, others: Sequence[Bodies]
) -> Bodies:
    """The program after the mutation of that name."""
    made = [list(body) for body in bodies]
    flow = Flow(drawing, d, made)
    mutation: Any = getattr(flow, which.replace("-", "_"))
    with suppress(_Nothing):
        mutation(others) if which == "cross" else mutation()
    return made


# ---- growth --------------------------------------------------------------------------------------


def _read_first(body: Sequence[Instruction]) -> set[Address]:
    """What is read there before it is written."""
    read: set[Address] = set()
    written: set[Address] = set()
    for instruction in body:
        read |= set(instruction.reads) - written
        if instruction.output is not None:
            written.add(instruction.output)
    return read


def predicts(program: Program, classes: int) -> bool:
    """Whether all that Predict computes depends on the features, the prediction with it."""
    features, _, prediction = interface_addresses(classes)
    on_features = {features}
    for instruction in program.predict:
        if instruction.output is None:
            continue
        if not on_features & set(instruction.reads):
            return False
        on_features.add(instruction.output)
    return prediction in on_features


def grown_by_one(drawing: Drawing, d: Draws, bodies: Bodies) -> Bodies:
    """Three times in four towards what the program lacks."""
    classes = drawing.spec.classes
    features, label, _ = interface_addresses(classes)
    program = Program(*map(tuple, bodies))
    states = _read_first(program.predict) - {features, label}
    f = _LEARN
    if not predicts(program, classes) or not states:
        f = _PREDICT
    elif learns_strictly(program, classes):
        f = -1
    if f < 0 or not drawing.ops[f] or not d.below(4):
        which = "insert-live" if d.below(3) else "grow-operand"
        return dropped(mutate(drawing, d, which, bodies, ()), drawing.ops, classes)
    grown = [list(body) for body in bodies]
    flow = Flow(drawing, d, grown)
    with suppress(_Nothing):
        if f == _LEARN and not states & {i.output for i in program.learn}:
            flow.add_to_state()
        elif d.below(3):
            flow.insert_in(f)
        else:
            flow.grow_in(f)
    return dropped(grown, drawing.ops, classes)


# ---- the strict filter ---------------------------------------------------------------------------

_LABEL, _PREDICTION, _FEATURES, _SETUP_VALUE = "label", "prediction", "features", "setup"


def learns_strictly(program: Program, classes: int) -> bool:
    """Whether every instruction of Predict depends on the features, and every state that it reads
    and that is written depends on the label, the prediction, and on its own old value, without what
    Predict made of other states. Without dead code."""
    features, label, prediction = interface_addresses(classes)
    of: dict[Address, set[Any]] = {features: {_FEATURES}, label: set()}

    def run(body: Sequence[Instruction], of: dict[Address, set[Any]]) -> None:
        for instruction in body:
            if instruction.output is not None:
                of[instruction.output] = set().union(*(of.get(a, {a}) for a in instruction.reads))

    def over_steps(of: dict[Address, set[Any]]) -> None:
        of[features], of[label] = {_FEATURES}, {_LABEL}
        run(program.learn, of)
        of[features] = of[label] = set()
        for _ in range(len(of) + 1):  # step after step, until nothing is added
            for address in of:
                for source in list(of[address]):
                    of[address] = of[address] | (of.get(source, set()) if source in of else set())

    if not predicts(program, classes):
        return False
    run(program.predict, of)
    of[prediction] = of[prediction] | {_PREDICTION}
    read = _read_first(program.predict)
    written = {instruction.output for instruction in program.predict}
    own = {
        address: {one for one in sources if not isinstance(one, Address) or one == address}
        if address in written
        else set(sources)
        for address, sources in of.items()
    }
    over_steps(of)
    over_steps(own)
    written |= {instruction.output for instruction in program.learn}
    states = (read & written) - {features, label}
    return bool(states) and all(
        {_LABEL, _PREDICTION} <= of[one] and one in own[one] for one in states
    )


# ---- forms ---------------------------------------------------------------------------------------


class _Leaves:
    """What addresses are for Predict, where it reads what was there before."""

    def __init__(self, program: Program, classes: int) -> None:
        self.features, self.label, _ = interface_addresses(classes)
        self.before: dict[Address, set[str]] = {}
        self._run(program.setup, self.before)
        while True:
            of = {address: set(sources) for address, sources in self.before.items()}
            of[self.features], of[self.label] = {_FEATURES}, set()
            self._run(program.predict, of)
            of[self.features], of[self.label] = {_FEATURES}, {_LABEL}
            self._run(program.learn, of)
            old = self.before
            self.before = {a: old.get(a, set()) | of.get(a, set()) for a in old.keys() | of.keys()}
            if _some(self.before) == _some(old):
                break
        self.written = {i.output for i in (*program.predict, *program.learn)}

    def _run(self, body: Sequence[Instruction], of: dict[Address, set[str]]) -> None:
        for instruction in body:
            if instruction.output is None:
                continue
            sources: set[str] = set() if instruction.op.inputs else {_SETUP_VALUE}
            of[instruction.output] = sources.union(*(of.get(a, set()) for a in instruction.reads))

    def at(self, address: Address) -> str:
        sources = self.before.get(address, set())
        if address == self.features:
            return "features"
        if address == self.label or (address not in self.written and not sources):
            return "zero"
        if address not in self.written:
            return "fixed"
        return "learned" if _LABEL in sources else "written"


def _some(of: dict[Address, set[str]]) -> dict[Address, set[str]]:
    return {address: sources for address, sources in of.items() if sources}


def form(program: Program, classes: int) -> Any:
    """What `az_form` is a hash of; None where Predict does not write the prediction."""
    leaves = _Leaves(program, classes)
    found: dict[Address, Any] = {}
    for instruction in program.predict:
        if instruction.output is None:
            continue
        operands = []
        for of_type, number in zip(instruction.op.inputs, instruction.inputs, strict=True):
            address = Address(of_type, number)
            if address not in found:
                found[address] = (leaves.at(address), of_type.value)
            operands.append(found[address])
        if instruction.op.commutative or instruction.op.name.endswith(("_min", "_max")):
            operands.sort(key=repr)
        found[instruction.output] = (instruction.op.number, *operands)
    return found.get(interface_addresses(classes)[2])


def ingredients(program: Program, classes: int) -> Any:
    """What `az_ingredients` is a hash of."""
    leaves = _Leaves(program, classes)
    wanted = {interface_addresses(classes)[2]}
    products = noise = False
    for instruction in reversed(program.predict):
        if instruction.output in wanted:
            # What changes one entry reads the rest of it.
            wanted = wanted - {instruction.output} | set(instruction.reads)
            types = [of_type.value for of_type in instruction.op.inputs]
            products |= len(types) == 2 and types[0] == "m"
            noise |= instruction.op.random
    learned = [a.type.value for a in wanted if leaves.at(a) == "learned"]
    return products, noise, min(2, learned.count("v")), min(2, learned.count("m"))
