"""A program told in short: what its lines come to when they are put into each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from azc.analysis import interface_addresses
from azc.ops import Type
from azc.program import Address
from azc.use.dataflow import Position
from azc.use.explain.algebra import (
    Leaf,
    Node,
    Sum,
    Term,
    apply,
    has_ops,
    leaves,
    number,
    of,
    size,
    text,
)
from azc.use.explain.families import LINEAR, SUBTRACTS
from azc.use.explain.teller import Teller

__all__ = ["Short", "formulas"]

#: Longer expressions are not put into others.
_MOST = 72


@dataclass(frozen=True, slots=True)
class Short:
    """A program in short, as `text`; and what each instruction that is needed for it computes."""

    text: str
    values: dict[Position, str]


def formulas(tell: Teller, digits: Callable[[float], str] = "{:.4g}".format) -> Short:
    """The program from its second training step on, but for rounding: without what has no effect,
    with values where they are read, and with constants as numbers. Empty where nothing is live."""
    writer = _Writer(tell, digits)
    return Short(writer.written(), writer.values)


@dataclass
class _Writer:
    """Runs a program on expressions, function by function.

    An address holds an expression, or a `Leaf`: what was written down under its name.
    """

    tell: Teller
    digits: Callable[[float], str]
    env: dict[Address, Sum] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    starts: dict[Address, Sum] = field(default_factory=dict)
    values: dict[Position, str] = field(default_factory=dict)

    def written(self) -> str:
        self._prepare()
        for function in ("setup", "predict", "learn"):
            self.lines[function] = []
            self._begin(function)
            for position in self.needed:
                if position[0] == function:
                    self._step(position)
        first = [
            line
            for address, value in self.starts.items()
            if self.names[address] in self.used
            and (line := self._line(self.names[address], value, address.type))
        ]
        self.lines["setup"] += first
        heads = {"setup": "Setup()", "predict": f"Predict({self.names[self.features]})"}
        heads["learn"] = f"Learn({self.names[self.features]}, {self.names[self.label]})"
        parts = []
        for function, lines in self.lines.items():
            if lines:
                parts.append(f"def {heads[function]}:")
                parts += [f"    {line}" for line in lines]
        return "\n".join(parts)

    # ---- what is needed, and what it is called ---------------------------------------------------

    def _prepare(self) -> None:
        tell, flow = self.tell, self.tell.flow
        self.features, self.label, self.prediction = interface_addresses(tell.classes)
        roots = [p for p in flow.live if flow.at(p).output == self.prediction]
        in_predict = [p for p in roots if p[0] == "predict"]
        self.root = max(in_predict or roots, key=flow.live.index, default=None)
        reached = [] if self.root is None else [self.root]
        known = set(reached)
        self.readers: dict[Position, list[tuple[Position, Address]]] = {}
        while reached:
            reader = reached.pop()
            for address in self._reads(reader):
                for maker in flow.makers[reader].get(address, []):
                    self.readers.setdefault(maker, []).append((reader, address))
                    if maker not in known:
                        known.add(maker)
                        reached.append(maker)
        self.needed = [position for position in flow.live if position in known]
        ends = {flow.at(p).output: p for p in self.needed if p[0] != "setup"}
        #: Addresses that a later step reads, with the instruction that leaves their value.
        self.state = {
            address: position
            for address, position in ends.items()
            if address is not None
            and any((reader <= position and reader[0] == position[0])
                    or (reader[0] == "predict" and position[0] == "learn")
                    for reader, read in self.readers.get(position, []) if read == address)
        }  # fmt: skip
        self._give_names()

    def _reads(self, position: Position) -> list[Address]:
        """The operands that something comes of."""
        instruction = self.tell.flow.at(position)
        reads = list(dict.fromkeys(instruction.reads))
        left = [a for a in reads if not self._is_zero(position, a)]
        if instruction.op.name in LINEAR and len(left) < len(reads):
            return []
        if instruction.op.name in SUBTRACTS and len(reads) == 1:
            return []
        return left

    def _is_zero(self, position: Position, address: Address) -> bool:
        return position[0] != "setup" and (position, address) in self.tell.seen.zeros

    def _give_names(self) -> None:
        """Names as the author gave them; the interface has its own, and no two are the same."""
        given = {self.features: "x", self.label: "y", self.prediction: "prediction"}
        self.error = "error"
        reserved = {*given.values(), self.error}
        called = [self.tell.name(p) for p in self._addresses()]
        self.names = {
            address: word if word not in reserved and called.count(word) == 1 else str(address)
            for address in self._addresses()
            if (word := self.tell.name(address))
        } | given
        self.taken = set(self.names.values()) - {
            self.names[a] for a in self._addresses() if a not in self.state and a not in given
        }

    def _addresses(self) -> list[Address]:
        return sorted(self.tell.program.addresses(), key=lambda a: (a.type.rank, a.number))

    # ---- running -------------------------------------------------------------------------------

    def _begin(self, function: str) -> None:
        if function == "predict":
            self._begin_step()
        features = Sum(Type.VECTOR) if function == "setup" else self._leaf(self.features)
        self.env[self.features] = features
        label = self._leaf(self.label) if function == "learn" else Sum(self.label.type)
        self.env[self.label] = label
        if function == "learn":
            self.env[self.prediction] = self._leaf(self.prediction)

    def _begin_step(self) -> None:
        tell = self.tell
        self.starts = {a: v for a, v in self.env.items() if v.terms and a in self.names}
        for address in {*self.env, *self.state}:
            if self._is_number(address):
                self.env[address] = number(tell.seen.ends[address][1])
            elif address in self.state or address in tell.program.names:
                self.env[address] = self._leaf(address)
            elif self.env[address].terms and not self._is_plain(self.env[address]):
                self.taken.add(self.names[address])
                self.env[address] = self._leaf(address)

    def _is_number(self, address: Address) -> bool:
        """Whether it is one number from the second step on, which nobody gave a name."""
        tell = self.tell
        steady = tell.kinds.get(address) == "constant" and address in tell.seen.ends
        return steady and address.type is Type.SCALAR and address not in tell.program.names

    def _is_plain(self, value: Sum) -> bool:
        return not any(leaves(value)) and size(value) == 0

    def _leaf(self, address: Address) -> Sum:
        return of(Leaf(self.names[address], address.type))

    def _value(self, position: Position, address: Address) -> Sum:
        if self._is_zero(position, address):
            return Sum(address.type)
        return self.env.get(address, Sum(address.type))

    def _step(self, position: Position) -> None:
        instruction = self.tell.flow.at(position)
        op, out = instruction.op, instruction.output
        assert out is not None
        if op.entry:
            self._set_entry(position, out)
            return
        if op.name == "scalar_const":
            value = number(instruction.constants[0])
        else:
            constants = [self.digits(constant) for constant in instruction.constants]
            inputs = list(map(Address, op.inputs, instruction.inputs))
            value = apply(op, [self._value(position, a) for a in inputs], constants)
        if position[0] == "learn":
            value = self._with_error(value)
        self.values[position] = text(value, self.digits)
        if position[0] == "setup":
            readers = self.readers.get(position, [])
            if op.random and len(readers) > 1 and any(r[0] == "setup" for r, _ in readers):
                value = self._named(out, value, position)
            self.env[out] = value
        elif self.state.get(out) == position:
            self._keep(out, position)
            if self._is_number(out):
                self.env[out] = value
                return
            self._write(self.names[out], value, out.type)
            self.env[out] = self._leaf(out)
        elif position == self.root:
            self._write(self.names[out], value, out.type)
            self.env[out] = self._leaf(out)
        elif self._stands_alone(position, value, random=op.random):
            self.env[out] = self._named(out, value, position)
        else:
            self.env[out] = value

    def _with_error(self, value: Sum) -> Sum:
        """Label minus prediction by its name."""
        label, prediction = self._leaf(self.label), self._leaf(self.prediction)
        plain, kind = Leaf(self.error, self.label.type), self.label.type
        (y,), (p,) = label.terms, prediction.terms

        def put(within: Sum) -> Sum:
            for sign in (1.0, -1.0):
                pair = {replace(y, number=sign), replace(p, number=-sign)}
                if within.type is kind and len(within.terms) == 2 and set(within.terms) == pair:
                    if self.error not in self.used:
                        self._write(self.error, Sum(kind, (y, replace(p, number=-1.0))), kind)
                    self.used.add(self.error)
                    made = of(plain)
                    return Sum(kind, (replace(made.terms[0], number=sign),))
            terms = []
            for term in within.terms:
                factor, scalars = term.number, list[Leaf | Node | Sum]()
                for atom in term.scalars:
                    inner = put(atom) if isinstance(atom, Sum) else None
                    if inner is not None and len(inner.terms) == 1:
                        factor *= inner.terms[0].number
                        scalars += inner.terms[0].scalars
                    else:
                        scalars.append(atom if inner is None else inner)
                terms.append(Term(factor, tuple(scalars), term.body))
            return Sum(within.type, tuple(terms))

        return put(value)

    def _set_entry(self, position: Position, out: Address) -> None:
        instruction = self.tell.flow.at(position)
        self._keep(out, position)
        held = self._value(position, out)
        if held != self._leaf(out) and held.terms:
            self._write(self.names[out], held, out.type)
        fields = {
            f"c{k}": str(c) if isinstance(c, int) else self.digits(c)
            for k, c in enumerate(instruction.constants)
        }
        written = instruction.op.text.format(out=self.names[out], **fields)
        self.lines[position[0]].append(written)
        self.taken.add(self.names[out])
        self.used.add(self.names[out])
        self.env[out] = self._leaf(out)

    def _stands_alone(self, position: Position, value: Sum, *, random: bool) -> bool:
        """Whether a value is written down, and not put in where it is read."""
        readers = self.readers.get(position, [])
        across = any(reader[0] != position[0] for reader, _ in readers)
        if random or (across and self.names[self.prediction] in leaves(value)):
            return True
        if size(value) == 0:
            return False
        long = len(text(value, self.digits)) > _MOST
        again = (len(readers) > 1 and size(value) > 1) or len(readers) > 2
        return (across and has_ops(value)) or long or again

    def _keep(self, overwritten: Address, position: Position) -> None:
        """Write down what is still to be read and is made of what is about to be overwritten."""
        name = self.names[overwritten]
        for address, value in list(self.env.items()):
            if address == overwritten or name not in set(leaves(value)):
                continue
            maker = self._maker(address, position)
            if maker is not None and self._read_after(maker, position):
                self.env[address] = self._named(address, value, position)

    def _maker(self, address: Address, position: Position) -> Position | None:
        """The instruction of this step that made what an address holds."""
        order = self.needed.index(position)
        flow = self.tell.flow
        for earlier in reversed(self.needed[:order]):
            if earlier[0] != "setup" and flow.at(earlier).output == address:
                return earlier
        return None

    def _read_after(self, maker: Position, position: Position) -> bool:
        order = {p: k for k, p in enumerate(self.needed)}
        return (
            any(order[reader] > order[position] for reader, _ in self.readers.get(maker, []))
            and self.state.get(self.tell.flow.at(maker).output or self.features) != maker
        )

    # ---- writing -------------------------------------------------------------------------------

    def _named(self, address: Address, value: Sum, position: Position) -> Sum:
        """Write a value down under a name of its own."""
        name = self.names[address]
        if name in self.taken:
            numbers = {a.number for a in self._addresses() if a.type is address.type}
            free = max(numbers) + 1
            while f"{address.type.value}{free}" in self.taken:
                free += 1
            name = f"{address.type.value}{free}"
        self.taken.add(name)
        self.used.update(leaves(value))
        self.lines[position[0]].append(f"{name} = {text(value, self.digits)}")
        return of(Leaf(name, address.type))

    def _write(self, name: str, value: Sum, kind: Type) -> None:
        function = list(self.lines)[-1]
        line = self._line(name, value, kind)
        if line:
            self.lines[function].append(line)

    def _line(self, name: str, value: Sum, kind: Type) -> str:
        """An assignment, as an update where it is one."""
        self.used.update(leaves(value))
        own = of(Leaf(name, kind)).terms[0]
        if value.terms == (own,):
            return ""
        if own in value.terms:
            rest = [term for term in value.terms if term != own]
            if all(term.number < 0.0 for term in rest):
                less = Sum(kind, tuple(replace(term, number=-term.number) for term in rest))
                return f"{name} -= {text(less, self.digits)}"
            return f"{name} += {text(Sum(kind, tuple(rest)), self.digits)}"
        if len(value.terms) == 1 and (factor := self._factor(value.terms[0], own)):
            return f"{name} *= {text(factor, self.digits)}"
        if not value.terms and kind is not Type.SCALAR:
            return f"{name} = 0 * {name}"
        return f"{name} = {text(value, self.digits)}"

    def _factor(self, term: Term, own: Term) -> Sum | None:
        """What is multiplied with the name itself, where that is all."""
        (name,) = own.scalars or (own.body,)
        if term.body is None and term.scalars.count(name) == 1:
            rest = tuple(atom for atom in term.scalars if atom != name)
            return Sum(Type.SCALAR, (Term(term.number, rest),))
        if term.body is not None and term.body == own.body:
            return Sum(Type.SCALAR, (replace(term, body=None),))
        return None
