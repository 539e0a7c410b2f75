"""What stands for sums: functions, called with a number of entries or written out for it."""

from __future__ import annotations

from collections.abc import Sequence

from azc.compiler.rendering import Names
from azc.ops import Op
from azc.ops.emitted import total_name

__all__ = ["Sums"]

#: Sums of so many entries are written out where they are used; longer ones are called.
_MOST_WRITTEN_OUT = 64


class Sums:
    """`counts` are the numbers of entries for which sums are written out."""

    def __init__(self) -> None:
        self.counts: set[int] = set()

    def totals(self, op: Op, operands: Sequence[str], count: int) -> Names:
        """What stands for t0, t1 and n in an op that sums `count` entries of its operands."""
        a, b = (*operands, operands[0])[:2]
        if count <= _MOST_WRITTEN_OUT:
            self.counts.add(count)
            suffix, arguments = f"_{count}", f"({a}, {b})"
        else:
            suffix, arguments = "", f"({a}, {b}, {count})"
        values = {
            f"t{which}": f"{total_name(sum_)}{suffix}{arguments}"
            for which, sum_ in enumerate(op.sums)
        }
        return values | {"n": f"{count}.0"}
