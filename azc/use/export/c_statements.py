"""Statements in C: loops over eight entries at a time, shared by what may share one."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from azc.compiler.fusion import Group, Kind, Statement, Use, fuse, kind_of, uses
from azc.ops import Op, Type
from azc.program import Address
from azc.use.export.subject import places_of, values_of

__all__ = ["Body", "covers", "number"]

_OPERAND = re.compile(r"\b(a|b|c0|c1|n)\b")
_CHOICE = re.compile(r"(.+) \? (.+) : (.+)")
#: What routines of `c_parts` do, by the loops.
_CALLS = {
    "ij,j->i": [("matrix_vector_dot", ("a * b",), "t0")],
    "ij->j": [("column_norm", ("a * a",), "sqrt(t0)")],
    "ik,kj->ij": [("matmul", ("a * b",), "t0")],
}
_NUMBER = re.compile(r"\d+\.\d+")


def covers(op: Op) -> bool:
    """Whether an instruction of that op can be written."""
    if op.reduction and op.index in _CALLS:
        return (op.name, op.sums, op.c) in _CALLS[op.index]
    if op.reduction:
        return op.result_indices in ("", "i")
    apart = kind_of(op) is Kind.KERNEL and op.output is not Type.SCALAR and not op.random
    return not apart or op.name == "transpose"


def number(value: float) -> str:
    """A constant, to the bit."""
    if math.isnan(value):
        return "(double)NAN"
    if math.isinf(value):
        return "(double)INFINITY" if value > 0 else "-(double)INFINITY"
    return repr(float(value))


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


@dataclass(slots=True, eq=False)
class Body:
    """The lines for a body whose values at the addresses `after` leave it. `stored` are the
    addresses whose memory they change: what only statements of one loop read has none."""

    statements: Sequence[Statement]
    after: Collection[Address]
    stored: set[Address] = field(default_factory=set)
    uses: dict[int, Use] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)
    count: int = 0

    def lines(self) -> list[str]:
        self.uses = {
            id(s): use
            for s, use in zip(self.statements, uses(list(self.statements), self.after), strict=True)
        }
        self.positions = {id(s): position for position, s in enumerate(self.statements)}
        lines: list[str] = []
        for group in fuse(self.statements, rows=False, totals=False):
            lines += [f"/* {s.instruction} */" for s in group.members]
            if group.nest:
                lines += self._grid(group)
            elif group.kind is Kind.VECTOR:
                lines += self._vectors(group)
            else:
                lines += self._single(group.members[0])
        return lines

    # ---- loops -----------------------------------------------------------------------------------

    def _vectors(self, group: Group) -> list[str]:
        loop = "for (size_t i = 0; i < P; i += 8) {"
        return [loop, *_indented(self._entries(group, "i", {})), "}"]

    def _grid(self, group: Group) -> list[str]:
        """Matrices, row by row; what is read of vectors along the rows is loaded before."""
        rows: dict[str, str] = {}
        for statement in group.members:
            for letters, address in self._operands(statement):
                if letters == "i":
                    rows[str(address)] = f"{address}_r"
        before = [f"const double {name} = {address}[i];" for address, name in sorted(rows.items())]
        inner = ["for (size_t j = 0; j < P; j += 8) {"]
        inner += [*_indented(self._entries(group, "i * P + j", rows)), "}"]
        return ["for (size_t i = 0; i < F; ++i) {", *_indented([*before, *inner]), "}"]

    def _entries(self, group: Group, index: str, rows: dict[str, str]) -> list[str]:
        known: dict[str, str] = {}
        lines: list[str] = []
        for statement in group.members:
            op, values, wide = statement.instruction.op, {}, False
            for name, (letters, address) in zip("ab", self._operands(statement), strict=False):
                text = str(address)
                if letters == op.result_indices or letters in ("ij", "j"):
                    wide = True
                    at = "j" if letters == "j" else index
                    values[name] = known.get(text, f"AZ_FROM({text} + {at})")
                else:
                    values[name] = rows.get(text, text)
            out = str(statement.writes)
            text = _wide(op, values) if wide else f"AZ_ALL({_scalar(op, values)})"
            use = self.uses[id(statement)]
            inside = {self.positions[id(member)] for member in group.members}
            if use.leaves or not inside.issuperset(use.positions):
                self.stored.add(statement.writes)
            if inside.isdisjoint(use.positions):
                lines.append(f"AZ_AT({out} + {index}) = {text};")
                known.pop(out, None)
                continue
            self.count += 1
            known[out] = f"{out}_{self.count}"
            lines.append(f"const az_v8 {known[out]} = {text};")
            if use.leaves or not inside.issuperset(use.positions):
                lines.append(f"AZ_AT({out} + {index}) = {known[out]};")
        return lines

    @staticmethod
    def _operands(statement: Statement) -> list[tuple[str, Address]]:
        """Index letters and address of each operand."""
        instruction = statement.instruction
        op = instruction.op
        addresses = map(Address, op.inputs, instruction.inputs)
        return list(zip(op.operand_indices, addresses, strict=True))

    # ---- single statements -----------------------------------------------------------------------

    def _single(self, statement: Statement) -> list[str]:
        op, out = statement.instruction.op, str(statement.writes)
        self.stored.add(statement.writes)
        names = [str(address) for _, address in self._operands(statement)]
        values = dict(zip("ab", names, strict=False))
        values |= {f"c{k}": number(c) for k, c in enumerate(values_of(statement))}
        if op.entry:
            return [f"{out}[{_place(statement)}] = {number(values_of(statement)[-1])};"]
        if op.random:
            return self._draw(statement, out, values)
        if op.reduction:
            return self._reduced(statement, out, names)
        if op.output is Type.SCALAR:
            return [f"{out} = {_scalar(op, values)};"]
        return self._apart(out, names, f"az_{op.name}({{}}, {', '.join(names)}, F);")

    def _draw(self, statement: Statement, out: str, values: dict[str, str]) -> list[str]:
        op = statement.instruction.op
        assert op.output is not None
        entry, target, loops = {
            Type.SCALAR: ("0", out, "{"),
            Type.VECTOR: ("i", f"{out}[i]", "for (size_t i = 0; i < F; ++i) {"),
            Type.MATRIX: (
                "i * F + j",
                f"{out}[i * P + j]",
                "for (size_t i = 0; i < F; ++i) for (size_t j = 0; j < F; ++j) {",
            ),
        }[op.output]
        draw = f"az_philox(m->key, (uint32_t)({entry}), {statement.draw}, step)"
        uniform = ["const double u = az_unit(drawn.first);"]
        if re.search(r"\bw\b", op.c):
            uniform.append("const double w = az_unit(drawn.second);")
        inner = [f"const az_draw drawn = {draw};", *uniform, f"{target} = {_scalar(op, values)};"]
        return [loops, *_indented(inner), "}"]

    def _reduced(self, statement: Statement, out: str, names: list[str]) -> list[str]:
        op = statement.instruction.op
        a, b = (*names, names[0])[:2]
        if op.index == "ij,j->i":
            return self._apart(out, names, f"az_matrix_vector({{}}, {a}, {b}, F);")
        if op.index == "ij->j":
            return [f"az_{op.name}({out}, {a}, F);"]
        if op.index == "ik,kj->ij":
            return self._apart(out, names, f"az_{op.name}({{}}, {a}, {b}, F);")
        sums = [expression.replace(" * ", "") for expression in op.sums]
        if op.index == "ij->i":
            calls = [f"az_total_{name}({a} + i * P, {a} + i * P, F)" for name in sums]
            target, count, loop = f"{out}[i]", "(double)F", "for (size_t i = 0; i < F; ++i) {"
        elif op.inputs[0] is Type.MATRIX:
            calls = [f"az_grid_total_{name}({a}, F)" for name in sums]
            target, count, loop = out, "(double)(F * F)", "{"
        else:
            calls = [f"az_total_{name}({a}, {b}, F)" for name in sums]
            target, count, loop = out, "(double)F", "{"
        lines = [f"const double t{which} = {call};" for which, call in enumerate(calls)]
        lines.append(f"{target} = {_scalar(op, {'n': count})};")
        return [loop, *_indented(lines), "}"]

    def _apart(self, out: str, names: list[str], call: str) -> list[str]:
        """A call that must not write over what it reads."""
        if out not in names:
            return [call.format(out)]
        kind = Type(out[0])
        size = "F * P" if kind is Type.MATRIX else "F"
        name = f"spare_{kind.value}"
        return [call.format(name), f"memcpy({out}, {name}, {size} * sizeof(double));"]


def _scalar(op: Op, values: dict[str, str]) -> str:
    return _OPERAND.sub(lambda match: values.get(match[0], match[0]), op.c)


def _wide(op: Op, values: dict[str, str]) -> str:
    """The op's expression on eight entries at a time."""
    text = op.c
    choice = _CHOICE.fullmatch(text)
    if choice:
        condition, *branches = choice.groups()
        yes, no = (f"AZ_ALL({b})" if _NUMBER.fullmatch(b) else b for b in branches)
        text = f"AZ_PICK({condition}, {yes}, {no})"
    text = text.replace("fabs(", "AZ_ABS(")
    return _OPERAND.sub(lambda match: values.get(match[0], match[0]), text)


def _place(statement: Statement) -> str:
    row, *column = (
        str(place) if isinstance(place, int) else f"az_place(F, {place!r})"
        for place in places_of(statement)
    )
    return f"{row} * P + {column[0]}" if column else row
