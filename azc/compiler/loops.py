"""The lines of a body: its schedule, spelled for one function's memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count

from azc.compiler.ahead import name_of
from azc.compiler.fusion import Kind, Statement
from azc.compiler.memory import Memory, in_order
from azc.compiler.rendering import Names, expression, loop
from azc.compiler.rows import Row
from azc.compiler.schedule import Node, Part, Run, schedule
from azc.compiler.sums import Sums
from azc.ops import ConstantKind, Op, Type
from azc.ops.emitted import is_product
from azc.program import Address

__all__ = ["Loops"]

#: Rows of a large matrix in one pass: what they read of vectors comes from the L2 cache.
_ROWS_AT_ONCE = 4


class Loops:
    """Emits bodies; `sums` notes what sums are called."""

    def __init__(self, memory: Memory, sums: Sums) -> None:
        self.memory, self.sums = memory, sums

    def body(self, statements: list[Statement], after: Collection[Address]) -> list[str]:
        """The lines of Setup, Predict or Learn; the values at the addresses `after` leave it."""
        lines: list[str] = []
        for node in schedule(statements, after, lanes=self.memory.lanes, deep=self.memory.deep):
            lines += [f"# {comment(step.statement)}" for step in node.steps]
            match node.run:
                case Run.ROWS:
                    lines += self._nest(node)
                case Run.VECTORS:
                    lines += self._vectors(node)
                case Run.ALONE:
                    lines += self._line(node.steps[0].statement)
        return lines

    # ---- single statements -----------------------------------------------------------------------

    def _line(self, statement: Statement) -> list[str]:
        """A statement that is in no loop."""
        memory, op = self.memory, statement.instruction.op
        out = memory.whole(statement.writes)
        operands = [memory.whole(address) for _, _, address in statement.operands]
        vec, count_of = memory.lanes, memory.F ** op.inputs[0].rank if op.inputs else 0
        match statement.kind:
            case Kind.SCALAR:
                values = dict(zip("ab", operands, strict=False))
                values["c0"] = f"k[{statement.constants}]"
                return [f"{out} = {expression(op, values, vec=vec)}"]
            case Kind.ENTRY:
                target = memory.entry(statement.writes, f"c.places[{statement.places}]")
                return [f"{target} = k[{statement.constants}]"]
            case Kind.TOTAL:
                values = self.sums.totals(op, operands, count_of)
                return [f"{out} = {expression(op, values, vec=vec)}"]
            case Kind.ROWS if not is_product(op):
                row = memory.variable("vec *", f"{operands[0]}_i")
                values = self.sums.totals(op, [row], memory.F)
                target = memory.entry(statement.writes, "i")
                text = expression(op, values, vec=vec)
                body = [f"{row} = {memory.row_of(operands[0])}", f"{target} = {text}"]
                return loop("i", str(memory.F), body)
        return self._routine(statement, out, operands)

    def _routine(self, statement: Statement, out: str, operands: list[str]) -> list[str]:
        """A statement that a routine of its own does."""
        memory, op = self.memory, statement.instruction.op
        head = f"c, {memory.spelling['chunk']}, {op.number}, {memory.F}"
        t = "t + 1" if statement.ahead else "t"
        if op.random:
            first, second = f"k[{statement.constants}]", f"k[{statement.constants + 1}]"
            arguments = f"{first}, {second}, {statement.draw}, {t}"
            if op.output is Type.SCALAR:
                return [f"{out} = scalar_kernel({head}, {arguments})"]
            return [f"draw({head}, {out}, {arguments})"]
        a, b = (*operands, operands[0])[:2]
        if op.output is Type.SCALAR:
            return [f"{out} = scalar_kernel({head}, {a}, {b}, 0, {t})"]
        assert op.output is not None
        # No routine may write over what it reads.
        to = memory.spare(op.output) if out in operands else out
        if is_product(op):
            lines = [f"{op.name}({to}, {a}, {b}, {memory.F})"]
        else:
            lines = [f"kernel({head}, {to}, {a}, {b}, 0, {t})"]
        if to != out:
            lines.append(f"copy({out}, {to}, {memory.row * memory.F ** (op.output.rank - 1)})")
        return lines

    # ---- loops -----------------------------------------------------------------------------------

    def _vectors(self, node: Node) -> list[str]:
        """Elementwise ops on vectors."""
        memory = self.memory
        lines: list[str] = []
        known: Names = {}
        for step in node.steps:
            statement, op = step.statement, step.statement.instruction.op
            values, is_vec = {}, False
            for name, letters, address in statement.operands:
                is_vec |= letters == "i"
                called = memory.name(address)
                if letters and called not in known:
                    values[name] = f"{memory.whole(address)}[i]"
                else:
                    values[name] = known[called] if letters else called
            spread = "{text}" if is_vec else memory.spelling["spread"]
            text = expression(op, values, vec=True, spread=spread)
            out = name_of(statement.writes)
            known[out] = f"{out}_i"
            if step.held:
                memory.variable("vec", known[out])
                lines.append(f"{known[out]} = {text}")
                text = known[out]
            if step.stored:
                lines.append(f"{memory.whole(statement.writes)}[i] = {text}")
        return loop("i", str(memory.chunks), lines)

    def _nest(self, node: Node) -> list[str]:
        """Ops on matrices and sums along rows, in one loop over rows."""
        # Several rows at once share what they read of vectors; sums over all go row by row.
        several = self.memory.deep and not node.totals
        offsets = range(_ROWS_AT_ONCE) if several else (None,)
        rows = [Row(self.memory, self.sums, offset) for offset in offsets]
        lines: list[str] = []
        for part in node.parts:
            if part.columns:
                lines += self._columns(part, rows)
            else:
                lines += [line for row in rows for line in row.single(part.steps[0])]
        pointers = [line for row in rows for line in row.rows()]
        before = [line for row in rows for line in row.before]
        after = [line for row in rows for line in row.after]
        F = self.memory.F
        bounds = f"0, {F}, {_ROWS_AT_ONCE}" if several else str(F)
        return [*before, *loop("i", bounds, pointers + lines), *after]

    def _columns(self, part: Part, rows: Sequence[Row]) -> list[str]:
        """A loop over columns, for one row or several."""
        F, vector, lanes = self.memory.F, self.memory.vector, self.memory.lanes
        lines = [line for row in rows for line in row.before_columns(part)]
        whole = F if lanes else F // vector
        if whole:
            lines += loop("j", str(whole), self._all_rows(part, rows, tail=False))
        if not lanes and F % vector:
            bounds = f"{whole * vector}, {F}"
            lines += loop("j", bounds, self._all_rows(part, rows, tail=True))
        return lines + [line for row in rows for line in row.after_columns(part)]

    def _all_rows(self, part: Part, rows: Sequence[Row], *, tail: bool) -> list[str]:
        suffix, kind = ("e", "double") if tail else ("j", "vec")
        across: Names = {}
        lines = []
        for address in in_order(part.across):
            whole = self.memory.whole(address)
            across[whole] = self.memory.variable(kind, f"{whole}_{suffix}")
            entry = f"(<double *>{whole})[j]" if tail else f"{whole}[j]"
            lines.append(f"{across[whole]} = {entry}")
        return lines + [line for row in rows for line in row.columns(part, across, tail=tail)]


def comment(statement: Statement) -> str:
    """The instruction as the program has it, with the names of its arguments here."""
    op: Op = statement.instruction.op
    numbers = count(statement.constants)
    fields = {
        f"c{which}": "place" if kind is ConstantKind.INDEX else f"k[{next(numbers)}]"
        for which, kind in enumerate(op.constants)
    }
    fields |= ((name, name_of(address)) for name, _, address in statement.operands)
    return op.text.format(out=name_of(statement.writes), **fields)
