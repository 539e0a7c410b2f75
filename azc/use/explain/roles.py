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
from azc.use.dataflow import Flow, Place
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

    def named(self, place: Place) -> str:
        """The instruction with the names that people gave to addresses."""
        names = {str(address): name for address, name in self.program.names.items()}
        body: tuple[Instruction, ...] = getattr(self.program, place[0])
        return re.sub(
            r"\b[svm]\d+\b", lambda found: names.get(found[0], found[0]), str(body[place[1]])
        )

    def role(self, place: Place) -> str:
        """The role of a live instruction."""
        instruction = self.flow.at(place)
        for rule in _RULES:
            found = rule(self, place, instruction)
            if found:
                return found
        return re.split("[:;]", instruction.op.sentence.rstrip("."))[0].lower()

    # ---- what rules ask -------------------------------------------------------------------------

    def best(
        self, place: Place, table: dict[tuple[Place, Address], Cosine]
    ) -> tuple[Address, float] | None:
        """The learned address whose gradient an instruction's result is nearest to."""
        found = [(abs(c.value), b, c.value) for (p, b), c in table.items() if p == place]
        if not found:
            return None
        _, address, cosine = max(found, key=lambda entry: (entry[0], str(entry[1])))
        return address, cosine

    def is_error(self, place: Place) -> bool:
        """Whether an instruction's result is the error, or it times something about constant."""
        cosine = self.seen.error.get(place)
        return cosine is not None and abs(cosine.value) >= _ERROR

    def is_steady(self, address: Address) -> bool:
        """Whether an address holds one value all the time."""
        return self.kinds.get(address) == "constant"

    def is_zero(self, address: Address) -> bool:
        """Whether no instruction that matters ever writes an address."""
        return self.is_steady(address) and not any(
            self.flow.at(place).output == address for place in self.flow.live
        )

    def comes_from(self, place: Place, address: Address, ops: set[str]) -> bool:
        """Whether one of these ops is among what makes an operand, in the same function."""
        return any(
            self.flow.at(ancestor).op.name in ops
            for maker in self.flow.makers[place].get(address, [])
            if maker[0] == place[0] and maker < place
            for ancestor in self.flow.ancestors(maker, place[0])
        )


Rule = Callable[[Teller, Place, Instruction], str]


def _is_normalised(tell: Teller, place: Place, divisor: Address) -> bool:
    if tell.is_steady(divisor):
        return False
    if tell.comes_from(place, divisor, _NORMS):
        return True
    for maker in tell.flow.makers[place].get(divisor, []):
        for ancestor in tell.flow.ancestors(maker, maker[0]):
            instruction = tell.flow.at(ancestor)
            if instruction.op.name == "dot" and len(set(instruction.inputs)) == 1:
                return True
    return False


def _error(tell: Teller, place: Place, instruction: Instruction) -> str:
    _, label, prediction = interface_addresses(tell.classes)
    if instruction.op.name not in _SUBTRACTS or place[0] != "learn":
        return ""
    operands = instruction.reads[:2]
    if operands == (label, prediction):
        return "error: label minus prediction"
    if operands == (prediction, label):
        return "error: prediction minus label"
    return ""


def _update(tell: Teller, place: Place, instruction: Instruction) -> str:
    """A learned address that adds something to itself."""
    out = instruction.output
    assert out is not None
    name = instruction.op.name
    if name not in _ADDS | _SUBTRACTS or out not in instruction.reads or place[0] == "setup":
        return ""
    if tell.kinds.get(out) != "learned":
        return ""
    others = [address for address in instruction.reads if address != out]
    added = others[0] if others else out
    own = tell.seen.steps.get((out, out))
    found = {b: c for (a, b), c in tell.seen.steps.items() if a == out and c.steps}
    if own is None and found:
        best = max(found, key=lambda b: (abs(found[b].value), str(b)))
        if abs(found[best].value) >= NEAR:
            return (
                f"step of {tell.name(out)} along the gradient by {tell.name(best)} "
                f"(cosine {found[best].value:.2f})"
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


def _decay(tell: Teller, place: Place, instruction: Instruction) -> str:
    """An address that is multiplied by something constant in each step."""
    out = instruction.output
    assert out is not None
    if place[0] == "setup" or tell.kinds.get(out) != "learned":
        return ""
    scaled = instruction.op.name in _SCALES and out in instruction.reads
    if not scaled or out not in tell.flow.carried or not _reads_carried(tell, place, out):
        return ""
    others = [address for address in instruction.reads if address != out]
    if not others or not tell.is_steady(others[0]):
        return ""
    if out.type is Type.SCALAR:
        first, last = tell.seen.ends.get(out, (0.0, 0.0))
        return f"{tell.name(out)} decays by {tell.name(others[0])} ({first:.3g} to {last:.3g})"
    return f"{tell.name(out)} keeps a share {tell.name(others[0])} of itself (decay)"


def _reads_carried(tell: Teller, place: Place, address: Address) -> bool:
    """Whether what an instruction reads there is, or may be, of the step before."""
    makers = tell.flow.makers[place].get(address, [])
    return any(maker >= place or maker[0] == "setup" for maker in makers)


def _memory(tell: Teller, place: Place, instruction: Instruction) -> str:
    """A share of a learned address, such as what momentum keeps."""
    if place[0] == "setup" or instruction.op.name not in _SCALES:
        return ""
    learned = [a for a in instruction.reads if tell.kinds.get(a) == "learned"
               and _reads_carried(tell, place, a)]  # fmt: skip
    steady = [a for a in instruction.reads if tell.is_steady(a)]
    if place[0] == "learn" and len(learned) == 1 and len(steady) == 1:
        return f"the share {tell.name(steady[0])} of {tell.name(learned[0])}"
    return ""


def _prediction(tell: Teller, place: Place, instruction: Instruction) -> str:
    _, _, prediction = interface_addresses(tell.classes)
    if instruction.output != prediction or place[0] != "predict":
        return ""
    last = max(p for p in tell.flow.live if p[0] == "predict"
               and tell.flow.at(p).output == prediction)  # fmt: skip
    return "the prediction" if place == last else ""


def _gradient(tell: Teller, place: Place, instruction: Instruction) -> str:
    if place[0] == "setup":
        return ""
    down, bare = tell.best(place, tell.seen.descent), tell.best(place, tell.seen.gradient)
    if down and abs(down[1]) >= GRADIENT:
        sign = "" if down[1] > 0 else "minus "
        return f"{sign}gradient by {tell.name(down[0])} times the error (cosine {down[1]:.2f})"
    if bare and abs(bare[1]) >= GRADIENT and place[0] == "learn":
        return f"gradient of the prediction by {tell.name(bare[0])} (cosine {bare[1]:.2f})"
    return ""


def _draw(tell: Teller, place: Place, instruction: Instruction) -> str:
    if not instruction.op.random:
        return ""
    assert instruction.output is not None
    if place[0] == "setup":
        return f"random start of {tell.name(instruction.output)}"
    return "noise"


def _constant(tell: Teller, place: Place, instruction: Instruction) -> str:
    if instruction.op.has_operands or instruction.op.random:
        return ""
    assert instruction.output is not None
    if instruction.op.entry:
        return "sets one entry"
    return f"constant{_of_rate(tell, place)}"


def _of_rate(tell: Teller, place: Place) -> str:
    """Whether what is set here once scales the error or the gradient, at once or after more
    arithmetic in Setup."""
    for reader in tell.flow.live:
        if not any(place in makers for makers in tell.flow.makers[reader].values()):
            continue
        product = tell.flow.at(reader).op.name in _PRODUCTS
        if product and (tell.is_error(reader) or _along_gradient(tell, reader)):
            return ": a learning rate"
        further = reader[0] == "setup" and tell.flow.at(reader).op.output is Type.SCALAR
        if further and reader > place and _of_rate(tell, reader):
            return ": part of a learning rate"
    return ""


def _setup(tell: Teller, place: Place, instruction: Instruction) -> str:
    """What Setup computes of constants."""
    if place[0] != "setup" or instruction.op.output is not Type.SCALAR:
        return ""
    rate = _of_rate(tell, place)
    return rate.removeprefix(": ") if tell.is_steady(instruction.reads[0]) and rate else ""


def _running(tell: Teller, place: Place, instruction: Instruction) -> str:
    """A learned address that keeps a share of itself and takes something new."""
    out = instruction.output
    assert out is not None
    learned = tell.kinds.get(out) == "learned" and out in tell.flow.carried
    if instruction.op.name not in _ADDS or place[0] == "setup" or not learned:
        return ""
    for address in instruction.reads:
        for maker in tell.flow.makers[place].get(address, []):
            kept = tell.flow.at(maker)
            others = [a for a in kept.reads if a != out]
            scaled = kept.op.name in _SCALES and out in kept.reads and len(others) == 1
            if scaled and tell.is_steady(others[0]):
                news = [a for a in instruction.reads if a != address]
                of = f" of {tell.name(news[0])}" if news else ""
                return f"{tell.name(out)} is a running sum{of}, which forgets (momentum, average)"
    return ""


def _along_gradient(tell: Teller, place: Place) -> bool:
    tables = (tell.seen.descent, tell.seen.gradient)
    found = [tell.best(place, table) for table in tables]
    return any(near is not None and abs(near[1]) >= GRADIENT for near in found)


def _rated_error(tell: Teller, place: Place, instruction: Instruction) -> str:
    if place[0] != "learn" or not tell.is_error(place):
        return ""
    if instruction.op.name in _PRODUCTS:
        return "error times a rate"
    if instruction.op.name in _DIVIDES:
        return "error over something"
    return ""


def _gate(tell: Teller, place: Place, instruction: Instruction) -> str:
    if instruction.op.name in _STEPS:
        return f"gate: 1 where {tell.name(instruction.reads[0])} is above 0, else 0"
    if instruction.op.name in _PRODUCTS:
        for address in instruction.reads:
            makers = tell.flow.makers[place].get(address, [])
            if any(tell.flow.at(maker).op.name in _STEPS for maker in makers):
                return f"gated by {tell.name(address)}"
    return ""


def _rectifier(tell: Teller, place: Place, instruction: Instruction) -> str:
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


def _normalisation(tell: Teller, place: Place, instruction: Instruction) -> str:
    name = instruction.op.name
    if name in _NORMS:
        return f"size of {tell.name(instruction.reads[0])}, for normalisation" if _divides_later(
            tell, place) else ""  # fmt: skip
    if name in _DIVIDES | _RECIPROCALS:
        divisor = instruction.reads[-1]
        if _is_normalised(tell, place, divisor):
            return f"normalisation by {tell.name(divisor)}"
    return ""


def _divides_later(tell: Teller, place: Place) -> bool:
    for reader in tell.flow.live:
        if tell.flow.at(reader).op.name in _DIVIDES | _RECIPROCALS and reader[0] == place[0]:
            divisor = tell.flow.at(reader).reads[-1]
            for maker in tell.flow.makers[reader].get(divisor, []):
                if maker[0] == place[0] and place in tell.flow.ancestors(maker, place[0]):
                    return True
    return False


def _average(tell: Teller, place: Place, instruction: Instruction) -> str:
    if instruction.op.name in _MEANS:
        return f"mean of {tell.name(instruction.reads[0])}"
    return ""


def _steady(tell: Teller, place: Place, instruction: Instruction) -> str:
    """What is computed and always the same."""
    if place in tell.seen.steady and place[0] != "setup" and instruction.op.has_operands:
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
