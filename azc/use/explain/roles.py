"""What each instruction does, in words: motifs of data flow, and what was measured of it.

A role is the first of `_RULES` that fits; what fits none is told by the op's own sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from azc.analysis import interface_addresses
from azc.ops import Type
from azc.program import Address, Instruction
from azc.use.dataflow import Position
from azc.use.explain.explanation import GRADIENT, NEAR
from azc.use.explain.families import (
    ADDS,
    DIVIDES,
    LINEAR,
    MAXIMA,
    MEANS,
    MINIMA,
    NORMS,
    PRODUCTS,
    RECIPROCALS,
    SCALES,
    STEPS,
    SUBTRACTS,
)
from azc.use.explain.idle import idle
from azc.use.explain.teller import Teller

__all__ = ["role_of"]

#: What is computed is told in an expression up to this length.
_MOST = 60


#: What a gradient of the prediction alone does not depend on.
_JUDGED = {"label", "prediction"}

Rule = Callable[[Teller, Position, Instruction], str]


def _is_normalised(tell: Teller, position: Position, divisor: Address) -> bool:
    if tell.is_steady(divisor):
        return False
    if tell.comes_from(position, divisor, NORMS):
        return True
    for maker in tell.flow.makers[position].get(divisor, []):
        for ancestor in tell.flow.ancestors(maker, maker[0]):
            instruction = tell.flow.at(ancestor)
            if instruction.op.name == "dot" and len(set(instruction.inputs)) == 1:
                return True
    return False


def _error(tell: Teller, position: Position, instruction: Instruction) -> str:
    _, label, prediction = interface_addresses(tell.classes)
    if instruction.op.name not in SUBTRACTS or position[0] != "learn":
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
    if name not in ADDS | SUBTRACTS or out not in instruction.reads or position[0] == "setup":
        return ""
    if tell.kinds.get(out) != "learned":
        return ""
    others = [address for address in instruction.reads if address != out]
    if not others:
        return f"doubles {tell.name(out)}" if name in ADDS else ""
    added = others[0]
    part = "part of " if _updates(tell, out) > 1 else ""
    step, about = f"{part and f'{part}the '}gradient step", f"{part}about the gradient step"
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
            return f"{step} of {tell.name(out)} (cosine {cosine:.2f})"
        if cosine >= NEAR:
            return f"{about} of {tell.name(out)} (cosine {cosine:.2f})"
        if cosine <= -NEAR:
            return f"step of {tell.name(out)} against the gradient (cosine {cosine:.2f})"
    late = tell.seen.late.get((out, out))
    if late is not None and late.value >= NEAR:
        step = step if late.value >= GRADIENT else about
        return f"{step} of {tell.name(out)}, one step late (cosine {late.value:.2f})"
    if tell.is_steady(added):
        return "counts the steps"
    own_cosine = f" (cosine with its gradient step {own.value:.2f})" if own and own.steps else ""
    if tell.kinds.get(added) == "learned":
        return f"{tell.name(out)} sums up {tell.name(added)} over the steps{own_cosine}"
    return f"update of {tell.name(out)}{own_cosine}"


def _updates(tell: Teller, address: Address) -> int:
    """How many lines of a step add something to an address."""
    return sum(
        position[0] != "setup"
        and tell.flow.at(position).output == address
        and tell.flow.at(position).op.name in ADDS | SUBTRACTS
        and address in tell.flow.at(position).reads
        and not any((position, read) in tell.seen.zeros for read in tell.flow.at(position).reads)
        for position in tell.flow.live
    )


def _decay(tell: Teller, position: Position, instruction: Instruction) -> str:
    """An address that is multiplied by something constant in each step."""
    out = instruction.output
    assert out is not None
    if position[0] == "setup" or tell.kinds.get(out) != "learned":
        return ""
    scaled = instruction.op.name in SCALES and out in instruction.reads
    if not scaled or out not in tell.flow.carried or not _reads_carried(tell, position, out):
        return ""
    if not tell.leaves(position, out):
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
    if position[0] == "setup" or instruction.op.name not in SCALES:
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
    on = tell.depends(position)
    if down and abs(down[1]) >= GRADIENT and {"label", "made"} <= on:
        sign = "" if down[1] > 0 else "minus "
        return f"{sign}gradient by {tell.name(down[0])} times the error (cosine {down[1]:.2f})"
    if bare and abs(bare[1]) >= GRADIENT and position[0] == "learn" and not on & _JUDGED:
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
        here = tell.flow.at(reader)
        product = here.op.name in PRODUCTS
        summed = any(_sums_gradient(tell, address) for address in here.reads)
        summed |= _scales_gradient(tell, reader)
        if product and (summed or tell.is_error(reader) or _along_gradient(tell, reader)):
            return ": a learning rate"
        further = reader[0] == "setup" and tell.flow.at(reader).op.output is Type.SCALAR
        if further and reader > position and _of_rate(tell, reader):
            return ": part of a learning rate"
    return ""


def _scales_gradient(tell: Teller, position: Position) -> bool:
    """Whether an operand is a gradient of the step before, or the result goes into one."""
    if position[0] == "setup":
        return False
    makers = tell.flow.makers[position].values()
    late = any(maker >= position for those in makers for maker in those if maker[0] != "setup")
    if late and any(_along_gradient(tell, maker) for those in makers for maker in those):
        return True
    return any(
        reader[0] == position[0] and position in made and tell.flow.at(reader).op.name in LINEAR
        and _along_gradient(tell, reader)
        for reader, those in tell.flow.makers.items() for made in those.values()
    )  # fmt: skip


def _sums_gradient(tell: Teller, address: Address) -> bool:
    """Whether an address is not what the prediction depends on, but a sum of steps for that."""
    steps = {b: c.value for (a, b), c in tell.seen.steps.items() if a == address}
    return address not in steps and any(abs(cosine) >= GRADIENT for cosine in steps.values())


def _near(tell: Teller, position: Position) -> str:
    """The gradient that an instruction's result is near to, without being along it."""
    near = tell.best(position, tell.seen.descent)
    if position[0] == "setup" or near is None or abs(near[1]) < NEAR:
        return ""
    return f", near the gradient by {tell.name(near[0])} times the error (cosine {near[1]:.2f})"


def _next(tell: Teller, position: Position) -> str:
    """Whether Predict reads in the next step what Learn makes."""
    readers = [
        reader
        for reader, makers in tell.flow.makers.items()
        if any(position in made for made in makers.values())
    ]
    to_predict = position[0] == "learn" and any(reader[0] == "predict" for reader in readers)
    return "; the next Predict reads it" if to_predict else ""


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
    if instruction.op.name not in ADDS or position[0] == "setup" or not learned:
        return ""
    for address in instruction.reads:
        for maker in tell.flow.makers[position].get(address, []):
            kept = tell.flow.at(maker)
            others = [a for a in kept.reads if a != out]
            scaled = kept.op.name in SCALES and out in kept.reads and len(others) == 1
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
    if instruction.op.name in PRODUCTS:
        return "error times a rate"
    if instruction.op.name in DIVIDES:
        return "error over something"
    return ""


def _gate(tell: Teller, position: Position, instruction: Instruction) -> str:
    if instruction.op.name in STEPS:
        return f"gate: 1 where {tell.name(instruction.reads[0])} is above 0, else 0"
    if instruction.op.name in PRODUCTS:
        for address in instruction.reads:
            makers = tell.flow.makers[position].get(address, [])
            if any(tell.flow.at(maker).op.name in STEPS for maker in makers):
                return f"gated by {tell.name(address)}"
    return ""


def _rectifier(tell: Teller, position: Position, instruction: Instruction) -> str:
    name = instruction.op.name
    if name not in MAXIMA | MINIMA:
        return ""
    zero = [address for address in instruction.reads if tell.is_zero(address)]
    other = [address for address in instruction.reads if address not in zero]
    if zero and other and name in MAXIMA:
        return f"ReLU of {tell.name(other[0])}"
    if len(set(instruction.reads)) == 1:
        return f"copy of {tell.name(instruction.reads[0])}"
    steady = [address for address in instruction.reads if tell.is_steady(address)]
    if len(steady) == 1:
        return f"clipped {'below' if name in MAXIMA else 'above'} at {tell.name(steady[0])}"
    return ""


def _normalisation(tell: Teller, position: Position, instruction: Instruction) -> str:
    name = instruction.op.name
    if name in NORMS:
        return f"size of {tell.name(instruction.reads[0])}, for normalisation" if _divides_later(
            tell, position) else ""  # fmt: skip
    if name in DIVIDES | RECIPROCALS:
        divisor = instruction.reads[-1]
        if _is_normalised(tell, position, divisor):
            return f"normalisation by {tell.name(divisor)}"
    return ""


def _divides_later(tell: Teller, position: Position) -> bool:
    for reader in tell.flow.live:
        if tell.flow.at(reader).op.name in DIVIDES | RECIPROCALS and reader[0] == position[0]:
            divisor = tell.flow.at(reader).reads[-1]
            for maker in tell.flow.makers[reader].get(divisor, []):
                if maker[0] == position[0] and position in tell.flow.ancestors(maker, position[0]):
                    return True
    return False


def _average(tell: Teller, position: Position, instruction: Instruction) -> str:
    if instruction.op.name in MEANS:
        return f"mean of {tell.name(instruction.reads[0])}"
    return ""


def _steady(tell: Teller, position: Position, instruction: Instruction) -> str:
    """What is computed and always the same."""
    if position in tell.seen.steady and position[0] != "setup" and instruction.op.has_operands:
        return "the same value in every step watched (tune --decouple can make it a constant)"
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


def role_of(tell: Teller, position: Position, value: str = "") -> str:
    """The role of a live instruction, which makes `value`."""
    instruction = tell.flow.at(position)
    left = idle(tell.seen, tell.name, position, instruction)
    if left:
        more = _prediction(tell, position, instruction) or _gradient(tell, position, instruction)
        return f"{more}; {left}" if more else left
    for rule in _RULES:
        role = rule(tell, position, instruction)
        if role:
            return role
    plain = re.split("[:;]", instruction.op.sentence.rstrip("."))[0].lower()
    made = f": {value}" if 0 < len(value) <= _MOST and value not in tell.named(position) else ""
    return f"{plain}{made}{_near(tell, position)}{_next(tell, position)}"
