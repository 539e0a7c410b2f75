"""What each instruction does, in words: motifs of data flow, and what was measured of it.

A role is the first of `_RULES` that fits; what fits none is told by the op's own sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from azc.analysis import interface_addresses
from azc.ops import Type
from azc.program import Address, Instruction, Program
from azc.use.dataflow import Flow, Position
from azc.use.explain.kinds import Kinds
from azc.use.explain.observing import Cosine, Observed

__all__ = ["GRADIENT", "NEAR", "Teller"]

#: From this cosine on a direction is called the gradient's; from the second on it is called near.
GRADIENT, NEAR = 0.95, 0.6
#: From this cosine on a scalar is called a multiple of the error.
_ERROR = 0.9

_ADDS = {"scalar_add", "vector_add", "matrix_add"}
_SUBTRACTS = {"scalar_sub", "vector_sub", "matrix_sub"}
_SCALES = {"scalar_mul", "scalar_vector_mul", "scalar_matrix_mul"}
_PRODUCTS = {"scalar_mul", "vector_mul", "matrix_mul", *_SCALES}
_DIVIDES = {"scalar_div", "vector_div", "matrix_div"}
_RECIPROCALS = {"scalar_reciprocal", "vector_reciprocal", "matrix_reciprocal"}
_NORMS = {"vector_norm", "matrix_norm", "column_norm", "row_norm", "vector_std", "matrix_std",
          "row_std"}  # fmt: skip
_STEPS = {"scalar_heaviside", "vector_heaviside", "matrix_heaviside"}
_MAXIMA = {"scalar_max", "vector_max", "matrix_max"}
_MINIMA = {"scalar_min", "vector_min", "matrix_min"}
_MEANS = {"vector_mean", "matrix_mean", "row_mean"}


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells the roles of the instructions of one program."""

    program: Program
    flow: Flow
    seen: Observed
    kinds: Kinds
    classes: int

    def name(self, address: Address) -> str:
        """What people call it."""
        return self.program.names.get(address, str(address))

    def named(self, position: Position) -> str:
        """The instruction with the names that people gave to addresses."""
        names = {str(address): name for address, name in self.program.names.items()}
        body: tuple[Instruction, ...] = getattr(self.program, position[0])
        return re.sub(
            r"\b[svm]\d+\b", lambda name: names.get(name[0], name[0]), str(body[position[1]])
        )

    def role(self, position: Position) -> str:
        """The role of a live instruction."""
        instruction = self.flow.at(position)
        for rule in _RULES:
            role = rule(self, position, instruction)
            if role:
                return role
        return re.split("[:;]", instruction.op.sentence.rstrip("."))[0].lower()

    # ---- what rules ask -------------------------------------------------------------------------

    def best(
        self, position: Position, table: dict[tuple[Position, Address], Cosine]
    ) -> tuple[Address, float] | None:
        """The learned address whose gradient an instruction's result is nearest to."""
        near = [(abs(c.value), b, c.value) for (p, b), c in table.items() if p == position]
        if not near:
            return None
        _, address, cosine = max(near, key=lambda entry: (entry[0], str(entry[1])))
        return address, cosine

    def is_error(self, position: Position) -> bool:
        """Whether an instruction's result is the error, or it times something about constant."""
        cosine = self.seen.error.get(position)
        return cosine is not None and abs(cosine.value) >= _ERROR

    def is_steady(self, address: Address) -> bool:
        """Whether an address holds one value all the time."""
        return self.kinds.get(address) == "constant"

    def is_zero(self, address: Address) -> bool:
        """Whether no instruction that matters ever writes an address."""
        return self.is_steady(address) and not any(
            self.flow.at(position).output == address for position in self.flow.live
        )

    def comes_from(self, position: Position, address: Address, ops: set[str]) -> bool:
        """Whether one of these ops is among what makes an operand, in the same function."""
        return any(
            self.flow.at(ancestor).op.name in ops
            for maker in self.flow.makers[position].get(address, [])
            if maker[0] == position[0] and maker < position
            for ancestor in self.flow.ancestors(maker, position[0])
        )


Rule = Callable[[Teller, Position, Instruction], str]


def _is_normalised(tell: Teller, position: Position, divisor: Address) -> bool:
    if tell.is_steady(divisor):
        return False
    if tell.comes_from(position, divisor, _NORMS):
        return True
    for maker in tell.flow.makers[position].get(divisor, []):
        for ancestor in tell.flow.ancestors(maker, maker[0]):
            instruction = tell.flow.at(ancestor)
            if instruction.op.name == "dot" and len(set(instruction.inputs)) == 1:
                return True
    return False


def _error(tell: Teller, position: Position, instruction: Instruction) -> str:
    _, label, prediction = interface_addresses(tell.classes)
    if instruction.op.name not in _SUBTRACTS or position[0] != "learn":
        return ""
    operands = instruction.reads[:2]
    if operands == (label, prediction):
        return "error: label minus prediction"
    if operands == (prediction, label):
        return "error: prediction minus label"
    return ""


def _update(tell: Teller, position: Position, instruction: Instruction) -> str:
    """A learned address that adds something to itself."""
    out = instruction.output
    assert out is not None
    name = instruction.op.name
    if name not in _ADDS | _SUBTRACTS or out not in instruction.reads or position[0] == "setup":
        return ""
    if tell.kinds.get(out) != "learned":
        return ""
    others = [address for address in instruction.reads if address != out]
    added = others[0] if others else out
    own = tell.seen.steps.get((out, out))
    cosines = {b: c for (a, b), c in tell.seen.steps.items() if a == out and c.steps}
    if own is None and cosines:
        best = max(cosines, key=lambda b: (abs(cosines[b].value), str(b)))
        if abs(cosines[best].value) >= NEAR:
            return (
                f"step of {tell.name(out)} along the gradient by {tell.name(best)} "
                f"(cosine {cosines[best].value:.2f})"
            )
    if own is not None and own.steps:
        cosine = own.value
        if cosine >= GRADIENT:
            return f"gradient step of {tell.name(out)} (cosine {cosine:.2f})"
        if cosine >= NEAR:
            return f"about the gradient step of {tell.name(out)} (cosine {cosine:.2f})"
        if cosine <= -NEAR:
            return f"step of {tell.name(out)} against the gradient (cosine {cosine:.2f})"
    late = tell.seen.late.get((out, out))
    if late is not None and late.value >= GRADIENT:
        return f"gradient step of {tell.name(out)}, one step late (cosine {late.value:.2f})"
    if tell.is_steady(added):
        return "counts the steps"
    own_cosine = f" (cosine with its gradient step {own.value:.2f})" if own and own.steps else ""
    if tell.kinds.get(added) == "learned":
        return f"{tell.name(out)} sums up {tell.name(added)} over the steps{own_cosine}"
    return f"update of {tell.name(out)}{own_cosine}"


def _decay(tell: Teller, position: Position, instruction: Instruction) -> str:
    """An address that is multiplied by something constant in each step."""
    out = instruction.output
    assert out is not None
    if position[0] == "setup" or tell.kinds.get(out) != "learned":
        return ""
    scaled = instruction.op.name in _SCALES and out in instruction.reads
    if not scaled or out not in tell.flow.carried or not _reads_carried(tell, position, out):
        return ""
    others = [address for address in instruction.reads if address != out]
    if not others or not tell.is_steady(others[0]):
        return ""
    if out.type is Type.SCALAR:
        first, last = tell.seen.ends.get(out, (0.0, 0.0))
        return f"{tell.name(out)} decays by {tell.name(others[0])} ({first:.3g} to {last:.3g})"
    return f"{tell.name(out)} keeps a share {tell.name(others[0])} of itself (decay)"


def _reads_carried(tell: Teller, position: Position, address: Address) -> bool:
    """Whether what an instruction reads there is, or may be, of the step before."""
    makers = tell.flow.makers[position].get(address, [])
    return any(maker >= position or maker[0] == "setup" for maker in makers)


def _memory(tell: Teller, position: Position, instruction: Instruction) -> str:
    """A share of a learned address, such as what momentum keeps."""
    if position[0] == "setup" or instruction.op.name not in _SCALES:
        return ""
    learned = [a for a in instruction.reads if tell.kinds.get(a) == "learned"
               and _reads_carried(tell, position, a)]  # fmt: skip
    steady = [a for a in instruction.reads if tell.is_steady(a)]
    if position[0] == "learn" and len(learned) == 1 and len(steady) == 1:
        return f"the share {tell.name(steady[0])} of {tell.name(learned[0])}"
    return ""


def _prediction(tell: Teller, position: Position, instruction: Instruction) -> str:
    _, _, prediction = interface_addresses(tell.classes)
    if instruction.output != prediction or position[0] != "predict":
        return ""
    last = max(p for p in tell.flow.live if p[0] == "predict"
               and tell.flow.at(p).output == prediction)  # fmt: skip
    return "the prediction" if position == last else ""


def _gradient(tell: Teller, position: Position, instruction: Instruction) -> str:
    if position[0] == "setup":
        return ""
    down, bare = tell.best(position, tell.seen.descent), tell.best(position, tell.seen.gradient)
    if down and abs(down[1]) >= GRADIENT:
        sign = "" if down[1] > 0 else "minus "
        return f"{sign}gradient by {tell.name(down[0])} times the error (cosine {down[1]:.2f})"
    if bare and abs(bare[1]) >= GRADIENT and position[0] == "learn":
        return f"gradient of the prediction by {tell.name(bare[0])} (cosine {bare[1]:.2f})"
    return ""


def _draw(tell: Teller, position: Position, instruction: Instruction) -> str:
    if not instruction.op.random:
        return ""
    assert instruction.output is not None
    if position[0] == "setup":
        return f"random start of {tell.name(instruction.output)}"
    return "noise"


def _constant(tell: Teller, position: Position, instruction: Instruction) -> str:
    if instruction.op.has_operands or instruction.op.random:
        return ""
    assert instruction.output is not None
    if instruction.op.entry:
        return "sets one entry"
    return f"constant{_of_rate(tell, position)}"


def _of_rate(tell: Teller, position: Position) -> str:
    """Whether what is set here once scales the error or the gradient, at once or after more
    arithmetic in Setup."""
    for reader in tell.flow.live:
        if not any(position in makers for makers in tell.flow.makers[reader].values()):
            continue
        product = tell.flow.at(reader).op.name in _PRODUCTS
        if product and (tell.is_error(reader) or _along_gradient(tell, reader)):
            return ": a learning rate"
        further = reader[0] == "setup" and tell.flow.at(reader).op.output is Type.SCALAR
        if further and reader > position and _of_rate(tell, reader):
            return ": part of a learning rate"
    return ""


def _setup(tell: Teller, position: Position, instruction: Instruction) -> str:
    """What Setup computes of constants."""
    if position[0] != "setup" or instruction.op.output is not Type.SCALAR:
        return ""
    rate = _of_rate(tell, position)
    return rate.removeprefix(": ") if tell.is_steady(instruction.reads[0]) and rate else ""


def _running(tell: Teller, position: Position, instruction: Instruction) -> str:
    """A learned address that keeps a share of itself and takes something new."""
    out = instruction.output
    assert out is not None
    learned = tell.kinds.get(out) == "learned" and out in tell.flow.carried
    if instruction.op.name not in _ADDS or position[0] == "setup" or not learned:
        return ""
    for address in instruction.reads:
        for maker in tell.flow.makers[position].get(address, []):
            kept = tell.flow.at(maker)
            others = [a for a in kept.reads if a != out]
            scaled = kept.op.name in _SCALES and out in kept.reads and len(others) == 1
            if scaled and tell.is_steady(others[0]):
                news = [a for a in instruction.reads if a != address]
                of = f" of {tell.name(news[0])}" if news else ""
                return f"{tell.name(out)} is a running sum{of}, which forgets (momentum, average)"
    return ""


def _along_gradient(tell: Teller, position: Position) -> bool:
    tables = (tell.seen.descent, tell.seen.gradient)
    nearest = [tell.best(position, table) for table in tables]
    return any(near is not None and abs(near[1]) >= GRADIENT for near in nearest)


def _rated_error(tell: Teller, position: Position, instruction: Instruction) -> str:
    if position[0] != "learn" or not tell.is_error(position):
        return ""
    if instruction.op.name in _PRODUCTS:
        return "error times a rate"
    if instruction.op.name in _DIVIDES:
        return "error over something"
    return ""


def _gate(tell: Teller, position: Position, instruction: Instruction) -> str:
    if instruction.op.name in _STEPS:
        return f"gate: 1 where {tell.name(instruction.reads[0])} is above 0, else 0"
    if instruction.op.name in _PRODUCTS:
        for address in instruction.reads:
            makers = tell.flow.makers[position].get(address, [])
            if any(tell.flow.at(maker).op.name in _STEPS for maker in makers):
                return f"gated by {tell.name(address)}"
    return ""


def _rectifier(tell: Teller, position: Position, instruction: Instruction) -> str:
    name = instruction.op.name
    if name not in _MAXIMA | _MINIMA:
        return ""
    zero = [address for address in instruction.reads if tell.is_zero(address)]
    other = [address for address in instruction.reads if address not in zero]
    if zero and other and name in _MAXIMA:
        return f"ReLU of {tell.name(other[0])}"
    if len(set(instruction.reads)) == 1:
        return f"copy of {tell.name(instruction.reads[0])}"
    steady = [address for address in instruction.reads if tell.is_steady(address)]
    if len(steady) == 1:
        return f"clipped {'below' if name in _MAXIMA else 'above'} at {tell.name(steady[0])}"
    return ""


def _normalisation(tell: Teller, position: Position, instruction: Instruction) -> str:
    name = instruction.op.name
    if name in _NORMS:
        return f"size of {tell.name(instruction.reads[0])}, for normalisation" if _divides_later(
            tell, position) else ""  # fmt: skip
    if name in _DIVIDES | _RECIPROCALS:
        divisor = instruction.reads[-1]
        if _is_normalised(tell, position, divisor):
            return f"normalisation by {tell.name(divisor)}"
    return ""


def _divides_later(tell: Teller, position: Position) -> bool:
    for reader in tell.flow.live:
        if tell.flow.at(reader).op.name in _DIVIDES | _RECIPROCALS and reader[0] == position[0]:
            divisor = tell.flow.at(reader).reads[-1]
            for maker in tell.flow.makers[reader].get(divisor, []):
                if maker[0] == position[0] and position in tell.flow.ancestors(maker, position[0]):
                    return True
    return False


def _average(tell: Teller, position: Position, instruction: Instruction) -> str:
    if instruction.op.name in _MEANS:
        return f"mean of {tell.name(instruction.reads[0])}"
    return ""


def _steady(tell: Teller, position: Position, instruction: Instruction) -> str:
    """What is computed and always the same."""
    if position in tell.seen.steady and position[0] != "setup" and instruction.op.has_operands:
        return "the same value in every step watched; tune --decouple can make it a constant"
    return ""


_RULES: tuple[Rule, ...] = (
    _error,
    _update,
    _running,
    _decay,
    _prediction,
    _draw,
    _constant,
    _setup,
    _steady,
    _rated_error,
    _rectifier,
    _gradient,
    _gate,
    _normalisation,
    _memory,
    _average,
)
