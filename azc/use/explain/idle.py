"""Lines that do less than they say, because an operand of theirs is 0 by then in every step: in
evolved programs a sum of two is often a copy, and a product nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from azc.program import Address, Instruction
from azc.use.dataflow import Position
from azc.use.explain.families import ADDS, LINEAR, SUBTRACTS
from azc.use.explain.observing import Observed

__all__ = ["idle"]


def idle(
    seen: Observed, name: Callable[[Address], str], position: Position, instruction: Instruction
) -> str:
    """What is left of an instruction some operands of which were 0 in every step but the first."""
    op, operands = instruction.op.name, instruction.reads
    if op in SUBTRACTS and len(set(operands)) == 1:
        return "always 0"
    zeros = list(dict.fromkeys(a for a in operands if (position, a) in seen.zeros))
    if position[0] == "setup" or not zeros or op not in ADDS | SUBTRACTS | LINEAR:
        return ""
    why = f"since {' and '.join(map(name, zeros))} {'is' if len(zeros) == 1 else 'are'} 0 here"
    left = [address for address in operands if address not in zeros]
    if op in LINEAR or not left:
        return f"always 0, {why}"
    sign = "minus " if op in SUBTRACTS and operands[0] in zeros else ""
    return f"{sign}{name(left[0])}, {why}"
