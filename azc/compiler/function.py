"""Emits one structure as one function.

    cdef void program_0(const az_call *c) noexcept nogil:
        variables
        for each example: Setup, or Predict, the error and Learn

State, what one example leaves to the next, lives in memory between calls. With the entries layout
it is loaded before the loop over examples and stored after it. With lanes the loop serves several
chunks of tasks at every example, whose chains of dependent operations then overlap, so each chunk
loads and stores its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from azc.analysis import interface_addresses, needed
from azc.compiler.ahead import Renamed, join, name_of
from azc.compiler.fusion import (
    Group,
    Kind,
    Statement,
    Use,
    fuse,
    fuse_columns,
    recompute,
    statements,
    uses,
    value_count,
)
from azc.compiler.structure import LANES, Structure
from azc.ops import ConstantKind, Op, Type
from azc.ops.emitted import argument_names, is_function, is_product, total_name
from azc.program import Address

__all__ = ["Function"]

#: A matrix larger than this leaves the L1 cache before it is read again, so that sharing a loop
#: saves a pass over memory; one that is smaller is better served by a routine of its own.
_SMALL_MATRIX = 32 * 1024
#: Vectors of up to so many registers are variables, which C compilers may keep in registers.
_LOCAL_CHUNKS, _MOST_LOCALS = 16, 64
#: Rows of a large matrix in one pass: what they read of vectors comes from the L2 cache.
_ROWS_AT_ONCE = 4
#: Sums of so many entries are written out where they are used; longer ones are called.
_MOST_WRITTEN_OUT = 64

_NUMBER = re.compile(r"\b\d+\.\d*\b")
_OPERAND = re.compile(r"\b(a|b|t0|t1|n|c0)\b")
_WORD = re.compile(r"\w+")
_INDENT = "    "
_EXAMPLES = "c.first, c.first + c.count"

Names = dict[str, str]


@dataclass(slots=True, eq=False)
class _Body:
    """One of the three bodies while it is emitted: who reads each statement's value."""

    uses: list[Use]
    places: dict[int, int]  # of each statement, by its id

    def stays_within(self, statement: Statement, members: Sequence[Statement]) -> bool:
        """Whether only `members` read what the statement writes."""
        use = self.uses[self.places[id(statement)]]
        inside = {self.places[id(member)] for member in members}
        return not use.leaves and inside.issuperset(use.places)


def _substitute(expression: str, values: Names) -> str:
    """An op's expression with `values` for its operands."""
    return _OPERAND.sub(lambda match: values[match[0]], expression)


def _indented(lines: Iterable[str]) -> list[str]:
    return [_INDENT + line for line in lines]


def _loop(variable: str, bounds: str, body: Iterable[str]) -> list[str]:
    return [f"for {variable} in range({bounds}):", *_indented(body)]


def _sorted(addresses: Iterable[Address]) -> list[Address]:
    return sorted(addresses, key=lambda address: (address.type.rank, address.number))


class Function:
    """Emits `structure` as function `number` of its module; `vector` doubles fill a register."""

    def __init__(self, structure: Structure, number: int, vector: int) -> None:
        self.structure, self.number, self.vector = structure, number, vector
        self.F = structure.features
        self.lanes = structure.layout == LANES
        classes = 3 if structure.many_classes else 0
        self.features, self.label, self.prediction = interface_addresses(classes)
        #: Which values matter from one example to the next, and from Predict to Learn.
        self.needed = needed(structure.program, classes)
        self.bodies = statements(body for _, body in structure.program.functions())
        self.written = {s.writes for body in self.bodies for s in body}
        #: Matrices are so large that one pass over them is worth more than all else.
        self.deep = not self.lanes and self.F % 8 == 0 and 8 * self.F**2 > _SMALL_MATRIX
        #: Learn with the next example's Predict, where that saves a pass over matrices.
        self.points = self._points_to_features()
        self.joined: list[Statement] = []
        self.renamed: Renamed = {}
        if self.deep:
            _, predict, learn = self.bodies
            both = join(learn, predict, self.features, self.label)
            if both and self.points:
                self.joined, self.renamed = both
        everything = [s for body in (*self.bodies, self.joined) for s in body]
        self.used = {a for s in everything for a in (*s.reads, s.writes)} | {self.prediction}
        next_features = self.renamed.get(self.features)
        vectors = _sorted(a for a in self.used if a.type is Type.VECTOR and a != next_features)
        few = self.chunks <= _LOCAL_CHUNKS and len(vectors) <= _MOST_LOCALS
        self.state = _sorted(self.needed.between)
        #: Vectors that are variables rather than memory of the call.
        self.local = {a for a in vectors if few and not (self.lanes and a in self.needed.between)}
        if self.points:
            self.local.discard(self.features)
        #: Memory of the call, in this order; matrices are added as they come up.
        self.cells: list[Address] = [a for a in self.state if a.type is Type.SCALAR]
        for address in vectors:
            kept = address not in self.local or address in self.needed.between
            if kept and not (self.points and address == self.features):
                self.cells.append(address)
        #: What must be declared, by type.
        self.variables: dict[str, set[str]] = {}
        self.scratch: set[Type] = set()
        #: Numbers of entries for which sums are written out.
        self.counts: set[int] = set()
        self.text = self._emit()

    # ---- facts -----------------------------------------------------------------------------------

    @property
    def scalar_type(self) -> str:
        return "vec" if self.lanes else "double"

    @property
    def lane_count(self) -> int:
        return self.vector if self.lanes else 1

    @property
    def chunks(self) -> int:
        """`vec`s of one vector; the last may run over its end, which memory allows for."""
        return self.F if self.lanes else -(-self.F // self.vector)

    @property
    def row(self) -> int:
        """Doubles of one vector, or of one row of a matrix."""
        return self.F * self.lane_count

    def _points_to_features(self) -> bool:
        """Whether v0 is a pointer into the examples rather than memory of its own."""
        setup = self.bodies[0]
        whole = self.lanes or self.F % self.vector == 0
        # Read again for every row, they had better be where no store can have changed them.
        near = not self.lanes and self.chunks <= _LOCAL_CHUNKS and self._across_rows()
        return (
            whole
            and not near
            and self.features not in self.written
            and not any(self.features in s.reads for s in setup)
        )

    def _across_rows(self) -> bool:
        """Whether rows of matrices are made from the features."""
        return any(self.features in s.across for body in self.bodies for s in body)

    @property
    def sizes(self) -> tuple[int, ...]:
        """What the module's table says of it: the fields of `az_native` but for the function."""
        instructions = list(self.structure.program.instructions())
        constants = sum(value_count(i.op) for i in instructions)
        places = sum(i.op.entry for i in instructions)
        many = int(self.structure.many_classes)
        return (self.F, self.lane_count, self.places()[None], constants, places, many)

    def _all_cells(self) -> list[Address | Type]:
        """Addresses in memory, and types of which there is a spare cell."""
        return [*self.cells, *sorted(self.scratch, key=lambda kind: kind.rank)]

    def places(self) -> dict[Address | Type | None, int]:
        """Where each cell lies in the call's memory, in doubles, and the spare ones by their type;
        under None, how many there are. Vectors and matrices begin on cache lines."""
        places: dict[Address | Type | None, int] = {}
        place = 0
        for cell in self._all_cells():
            kind = cell if isinstance(cell, Type) else cell.type
            if kind is not Type.SCALAR:
                place = (place + 7) // 8 * 8
            places[cell] = place
            place += self.lane_count * self.F**kind.rank
        places[None] = (place + 7) // 8 * 8
        return places

    # ---- names -----------------------------------------------------------------------------------

    def variable(self, kind: str, name: str) -> str:
        self.variables.setdefault(kind, set()).add(name)
        return name

    def whole(self, address: Address) -> str:
        """A vector or matrix as a pointer to `vec`s; a scalar's name."""
        if address.type is Type.SCALAR:
            return self.variable(self.scalar_type, name_of(address))
        if address.type is Type.MATRIX and address not in self.cells:
            self.cells.append(address)
        return name_of(address)

    def entry(self, address: Address, index: str) -> str:
        """One entry of a vector or matrix."""
        name = self.whole(address)
        return f"{name}[{index}]" if self.lanes else f"(<double *>{name})[{index}]"

    def spare(self, kind: Type) -> str:
        """A vector or matrix that nothing else uses."""
        self.scratch.add(kind)
        return f"spare_{kind.value}"

    # ---- expressions -----------------------------------------------------------------------------

    def expression(self, op: Op, values: Names, *, vec: bool = False, spread: bool = False) -> str:
        """The op's expression with `values` for its operands; `vec`: on `vec`s, as always with
        lanes; `spread`: none of the operands is one, but the result is to be."""
        vec = vec or self.lanes
        if is_function(op):
            return f"{op.name}({', '.join(values[name] for name in argument_names(op))})"
        if vec:
            values = values | {"n": f"spread({values['n']})"} if "n" in values else values
            text = _NUMBER.sub(r"spread(\g<0>)", op.c)
        else:
            text = op.c
        text = _substitute(text, values)
        return f"spread({text})" if spread and not self.lanes else text

    def totals(self, op: Op, operands: Sequence[str], count: int) -> Names:
        """What stands for t0, t1 and n in an op that sums `count` entries of its operands."""
        a, b = (*operands, operands[0])[:2]
        if count <= _MOST_WRITTEN_OUT:
            self.counts.add(count)
            suffix, arguments = f"_{count}", f"({a}, {b})"
        else:
            suffix, arguments = "", f"({a}, {b}, {count})"
        values = {
            f"t{place}": f"{total_name(sum_)}{suffix}{arguments}"
            for place, sum_ in enumerate(op.sums)
        }
        return values | {"n": f"{count}.0"}

    def operands(self, statement: Statement) -> list[tuple[str, str, Address]]:
        """(name in expressions, index letters, address) of each operand."""
        instruction = statement.instruction
        op = instruction.op
        addresses = map(Address, op.inputs, instruction.inputs)
        return list(zip("ab", op.operand_indices, addresses, strict=False))

    # ---- single statements -----------------------------------------------------------------------

    def line(self, statement: Statement) -> list[str]:
        """A statement that is in no loop."""
        op, out = statement.instruction.op, self.whole(statement.writes)
        operands = [self.whole(address) for _, _, address in self.operands(statement)]
        match statement.kind:
            case Kind.SCALAR:
                values = dict(zip("ab", operands, strict=False))
                values["c0"] = f"k[{statement.constants}]"
                return [f"{out} = {self.expression(op, values)}"]
            case Kind.ENTRY:
                target = self.entry(statement.writes, f"c.places[{statement.places}]")
                return [f"{target} = k[{statement.constants}]"]
            case Kind.TOTAL:
                count = self.F ** op.inputs[0].rank
                return [f"{out} = {self.expression(op, self.totals(op, operands, count))}"]
            case Kind.ROWS if not is_product(op):
                row = self.variable("vec *", f"{operands[0]}_i")
                values = self.totals(op, [row], self.F)
                target = self.entry(statement.writes, "i")
                text = self.expression(op, values)
                body = [f"{row} = {self._row_of(operands[0])}", f"{target} = {text}"]
                return _loop("i", str(self.F), body)
        return self._routine(statement, out, operands)

    def _routine(self, statement: Statement, out: str, operands: list[str]) -> list[str]:
        """A statement that a routine of its own does."""
        op = statement.instruction.op
        head = f"c, {self._chunk}, {op.number}, {self.F}"
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
        to = self.spare(op.output) if out in operands else out
        if is_product(op):
            lines = [f"{op.name}({to}, {a}, {b}, {self.F})"]
        else:
            lines = [f"kernel({head}, {to}, {a}, {b}, 0, {t})"]
        if to != out:
            lines.append(f"copy({out}, {to}, {self.row * self.F ** (op.output.rank - 1)})")
        return lines

    def _row_of(self, matrix: str, index: str = "i") -> str:
        """One row of a matrix, as a pointer to `vec`s."""
        index = f"({index})" if " " in index else index
        if self.lanes:
            return f"{matrix} + {index} * {self.F}"
        return f"<vec *>(<double *>{matrix} + {index} * {self.F})"

    # ---- loops -----------------------------------------------------------------------------------

    def vector_loop(self, group: Group, body: _Body) -> list[str]:
        """Elementwise ops on vectors."""
        lines: list[str] = []
        known: Names = {}
        for statement in group.members:
            values, is_vec = {}, False
            for name, letters, address in self.operands(statement):
                is_vec |= letters == "i"
                whole = self.whole(address)
                values[name] = known.get(whole, f"{whole}[i]") if letters else whole
            op = statement.instruction.op
            text = self.expression(op, values, vec=True, spread=not is_vec)
            out = self.whole(statement.writes)
            lines += self._assign(statement, group, body, text, f"{out}_i", "vec", f"{out}[i]")
            known[out] = f"{out}_i"
        return _loop("i", str(self.chunks), lines)

    def _assign(
        self,
        statement: Statement,
        group: Group,
        body: _Body,
        text: str,
        variable: str,
        kind: str,
        memory: str,
    ) -> list[str]:
        """`variable` := `text`, and the same in `memory` where others than the group read it."""
        place = body.places[id(statement)]
        inside = {body.places[id(member)] for member in group.members}
        if inside.isdisjoint(body.uses[place].places):
            return [f"{memory} = {text}"]
        self.variable(kind, variable)
        lines = [f"{variable} = {text}"]
        stays = body.stays_within(statement, group.members)
        return lines if stays else [*lines, f"{memory} = {variable}"]

    def nest(self, group: Group, body: _Body) -> list[str]:
        """Ops on matrices and sums along rows, in one loop over rows."""
        totals = any(member.kind is Kind.TOTAL for member in group.members)
        # Several rows at once share what they read of vectors; sums over all go row by row.
        several = self.deep and not totals
        offsets = range(_ROWS_AT_ONCE) if several else (None,)
        rows = [_Row(self, group, body, offset) for offset in offsets]
        lines: list[str] = []
        for part in fuse_columns(group.members, sums=self.deep):
            if part.nest:
                lines += self._columns(part, rows)
            else:
                lines += [line for row in rows for line in row.single(part)]
        pointers = [line for row in rows for line in row.rows()]
        before = [line for row in rows for line in row.before]
        after = [line for row in rows for line in row.after]
        bounds = f"0, {self.F}, {_ROWS_AT_ONCE}" if several else str(self.F)
        return [*before, *_loop("i", bounds, pointers + lines), *after]

    def _columns(self, part: Group, rows: Sequence[_Row]) -> list[str]:
        """A loop over columns, for one row or several."""
        lines = [line for row in rows for line in row.before_columns(part)]
        whole = self.F if self.lanes else self.F // self.vector
        if whole:
            lines += _loop("j", str(whole), self._all_rows(part, rows, tail=False))
        if not self.lanes and self.F % self.vector:
            bounds = f"{whole * self.vector}, {self.F}"
            lines += _loop("j", bounds, self._all_rows(part, rows, tail=True))
        return lines + [line for row in rows for line in row.after_columns(part)]

    def _all_rows(self, part: Group, rows: Sequence[_Row], *, tail: bool) -> list[str]:
        suffix, kind = ("e", "double") if tail else ("j", "vec")
        across: Names = {}
        lines = []
        for address in _sorted(part.across):
            whole = self.whole(address)
            across[whole] = self.variable(kind, f"{whole}_{suffix}")
            entry = f"(<double *>{whole})[j]" if tail else f"{whole}[j]"
            lines.append(f"{across[whole]} = {entry}")
        return lines + [line for row in rows for line in row.columns(part, across, tail=tail)]

    # ---- bodies ----------------------------------------------------------------------------------

    def body(self, found: list[Statement], after: Collection[Address]) -> list[str]:
        """The lines of Setup, Predict or Learn; the values at the addresses `after` leave it."""
        if self.deep:
            found = recompute(found, after)
        places = {id(statement): place for place, statement in enumerate(found)}
        body = _Body(uses(found, after), places)
        lines: list[str] = []
        for group in self._groups(found):
            lines += [f"# {self._comment(statement)}" for statement in group.members]
            if group.nest:
                lines += self.nest(group, body)
            elif group.kind is Kind.VECTOR:
                lines += self.vector_loop(group, body)
            else:
                lines += self.line(group.members[0])
        return lines

    def _groups(self, found: Sequence[Statement]) -> list[Group]:
        groups = []
        for group in fuse(found, rows=self.lanes or self.deep, totals=self.deep):
            # Without a matrix to share, several rows at once are better than one by one.
            if self.deep and all(m.kind in (Kind.ROWS, Kind.VECTOR) for m in group.members):
                groups += fuse(group.members, rows=False, totals=False)
            else:
                groups.append(group)
        return groups

    @staticmethod
    def _comment(statement: Statement) -> str:
        """The instruction as the program has it, with the names of its arguments here."""
        instruction, op = statement.instruction, statement.instruction.op
        numbers = count(statement.constants)
        fields = {
            f"c{which}": "place" if kind is ConstantKind.INDEX else f"k[{next(numbers)}]"
            for which, kind in enumerate(op.constants)
        }
        operands = map(Address, op.inputs, instruction.inputs)
        fields |= zip("ab", map(name_of, operands), strict=False)
        return op.text.format(out=name_of(statement.writes), **fields)

    # ---- the whole -------------------------------------------------------------------------------

    def _emit(self) -> str:
        after_predict, between = self.needed.after_predict, self.needed.between
        setup, predict, learn = map(self.body, self.bodies, (between, after_predict, between))
        example = self._example(predict, learn)
        self._drop_unnamed([*setup, *example])
        setup = [*self._unset(), *setup] or ["pass"]
        example = ["if is_setup(c):", *_indented(setup), "else:", *_indented(example)]
        row = "row = az_row(c, t)"
        if self.lanes:
            at = f"{self._at} = row * c.chunks + q"
            inner = [*self._enter(), at, *example, *self._leave()]
            lines = _loop("t", _EXAMPLES, [row, *_loop("q", "c.chunks", inner)])
        else:
            loop = _loop("t", _EXAMPLES, [row, *example])
            lines = [*self._enter(), *loop, *self._leave()]
        head = f"\n\ncdef void program_{self.number}(const az_call *c) noexcept nogil:"
        return "\n".join([head, *_indented([*self._declare(), *lines])]) + "\n"

    def _drop_unnamed(self, lines: list[str]) -> None:
        """Takes the memory of vectors away that only ever were an entry at a time."""
        code = (line for line in lines if not line.lstrip().startswith("#"))
        named = {word for line in code for word in _WORD.findall(line)}
        kept = {a for a in self.used if a in self.needed.between or name_of(a) in named}
        self.local &= kept
        self.cells = [a for a in self.cells if a in kept]

    def _unset(self) -> list[str]:
        """Zeros that Setup reads before anything writes them; memory has them already."""
        lines = []
        unset = self.needed.before_setup - self.needed.between - {self.features}
        for address in _sorted({*unset, self.label} & self.used):
            if address.type is Type.SCALAR:
                lines.append(f"{self.whole(address)} = {self._zero()}")
            elif address in self.local and address not in (self.label, self.features):
                lines.append(f"zero({name_of(address)}, {self.chunks * self.vector})")
        return lines

    def _zero(self) -> str:
        return "spread(0.0)" if self.lanes else "0.0"

    @property
    def _chunk(self) -> str:
        return "q" if self.lanes else "0"

    @property
    def _at(self) -> str:
        """Which of the examples, or of what there is one of for each."""
        return "at" if self.lanes else "row"

    def _example(self, predict: list[str], learn: list[str]) -> list[str]:
        """Predict, the error and Learn for one example."""
        if self.joined:
            return self._example_ahead(predict, learn)
        return [
            *self._features(),
            *self._clear_label(),
            *predict,
            "if c.mode == 2:",
            _INDENT + self._keep(),
            "else:",
            *_indented([*self._judged(), *learn]),
        ]

    def _clear_label(self) -> list[str]:
        """The label is zero in Predict."""
        if not any(self.label in s.reads for s in self.bodies[1]):
            return []
        label = self.whole(self.label)
        many = self.structure.many_classes
        return [f"zero({label}, {self.row})" if many else f"{label} = {self._zero()}"]

    def _keep(self) -> str:
        """Writes a prediction where the caller wants it."""
        prediction = self.whole(self.prediction)
        if self.structure.many_classes:
            return f"keep_classes(c, t, {prediction})"
        if self.lanes:
            place = "(t - c.first) * c.chunks + q"
            return f"(<vec *>c.predictions)[{place}] = {prediction}"
        return f"c.predictions[t - c.first] = {prediction}"

    def _judged(self) -> list[str]:
        """Looks at the error, and gives Learn the features and the label."""
        prediction, label = self.whole(self.prediction), self.whole(self.label)
        many = self.structure.many_classes
        _, predict, learn = self.bodies
        if many:
            lines = [f"judge_classes(c, row, {prediction})"]
        else:
            errors = self.variable(self.scalar_type, "errors")
            lines = [f"{prediction} = judge(c, {self._at}, {prediction}, &{errors})"]
        written = any(s.writes == self.features for s in (*predict, *learn))
        if written and any(self.features in s.reads for s in learn):
            lines += self._features()
        if any(self.label in s.reads for s in learn):
            labels = "(<const vec *>c.y)" if self.lanes else "c.y"
            set_all = f"set_classes(c, row, {label}, {self.F})"
            lines.append(set_all if many else f"{label} = {labels}[{self._at}]")
        return lines

    def _example_ahead(self, predict: list[str], learn: list[str]) -> list[str]:
        """The same where Learn and the next Predict are joined: only the first example of a call
        predicts by itself, and only the last learns so."""
        ahead = self.variable("int64_t", "ahead")
        after = self.needed.after_predict
        kept = {self.renamed.get(address, address) for address in after}
        both = self.body(self.joined, kept)
        current, later = self.whole(self.features), name_of(self.renamed[self.features])
        self.variable("const vec *", later)
        moves = []
        for address, new in self.renamed.items():
            if address in after and address.type is Type.SCALAR:
                moves.append(f"{self.whole(address)} = {self.whole(new)}")
            elif address in after and address != self.features:
                moves.append(f"copy({self.whole(address)}, {self.whole(new)}, {self.row})")
        following = [
            f"{later} = <const vec *>(c.x + az_row(c, t + 1) * {self.row})",
            *both,
            *moves,
            f"{ahead} = 1",
        ]
        return [
            f"{current} = <const vec *>(c.x + row * {self.row})",
            f"if not {ahead}:",
            *_indented([*self._clear_label(), *predict] or ["pass"]),
            "if c.mode == 2:",
            _INDENT + self._keep(),
            "else:",
            *_indented([*self._judged(), "if t + 1 < c.first + c.count:", *_indented(following)]),
            *_indented(["else:", *_indented([*learn, "ahead = 0"])]),
        ]

    def _features(self) -> list[str]:
        if self.features not in self.used:
            return []
        name, at = self.whole(self.features), f"<const vec *>(c.x + {self._at} * {self.row})"
        return [f"{name} = {at}"] if self.points else [f"copy({name}, {at}, {self.row})"]

    def _moved(self) -> list[tuple[Address, str]]:
        """State that is in variables while the function runs, and where it is otherwise."""
        moved = []
        places = self.places()
        for address in self.state:
            if address.type is Type.SCALAR:
                at = places[address]
                memory = f"(<vec *>base)[{at // self.vector}]" if self.lanes else f"base[{at}]"
                moved.append((address, memory))
            elif address in self.local:
                moved.append((address, f"base + {places[address]}"))
        return moved

    def _enter(self) -> list[str]:
        """Points at the memory of one chunk, and loads its state."""
        lines = ["base = c.memory + q * c.span" if self.lanes else "base = c.memory"]
        self.variable("double *", "base")
        constants = self.sizes[3]
        if constants:
            kind = f"const {self.scalar_type} *"
            self.variable(kind, "k")
            offset = f" + q * {constants * self.vector}" if self.lanes else ""
            lines.append(f"k = <{kind}>(c.constants{offset})")
        places = self.places()
        for cell in self._all_cells():
            name = f"spare_{cell.value}" if isinstance(cell, Type) else name_of(cell)
            if cell not in self.local and (isinstance(cell, Type) or cell.type is not Type.SCALAR):
                self.variable("vec *", name)
                lines.append(f"{name} = <vec *>(base + {places[cell]})")
        for address, memory in self._moved():
            if address.type is Type.SCALAR:
                lines.append(f"{self.whole(address)} = {memory}")
            else:
                lines.append(f"load({name_of(address)}, {memory}, {self.chunks})")
        # Set by evaluation, and zero until then.
        own = [] if self.points else [self.features]
        own += [self.label] if self.label.type is Type.VECTOR else []
        for address in own:
            if address in self.local and address in self.used:
                lines.append(f"zero({name_of(address)}, {self.chunks * self.vector})")
        if not self.structure.many_classes:
            lines.append(f"errors = {self._errors()}")
        if self.joined:
            lines.append("ahead = 0")
        return lines

    def _errors(self) -> str:
        return "(<vec *>c.bad)[q]" if self.lanes else "c.bad[0]"

    def _leave(self) -> list[str]:
        """Stores the state that has changed."""
        lines = []
        for address, memory in self._moved():
            if address not in self.written and address != self.prediction:
                continue
            if address.type is Type.SCALAR:
                lines.append(f"{memory} = {name_of(address)}")
            else:
                lines.append(f"store({memory}, {name_of(address)}, {self.chunks})")
        if not self.structure.many_classes:
            lines.append(f"{self._errors()} = errors")
        return lines

    def _declare(self) -> list[str]:
        """Declarations; made last, when all that is used is known."""
        lines = ["cdef int64_t t, row, i, j" + (", q, at" if self.lanes else "")]
        for kind, names in sorted(self.variables.items()):
            listed = sorted(names, key=lambda n: [int(x) if x.isdigit() else x
                                                  for x in re.split(r"(\d+)", n)])  # fmt: skip
            if kind.endswith("*"):
                lines += [f"cdef {kind}{name}" for name in listed]
                continue
            for start in range(0, len(listed), 12):
                lines.append(f"cdef {kind} {', '.join(listed[start : start + 12])}")
        if self.points and self.features in self.used:
            lines.append(f"cdef const vec *{self.features}")
        lines += [f"cdef vec {name_of(a)}[{self.chunks}]" for a in _sorted(self.local)]
        return lines


@dataclass(slots=True, eq=False)
class _Row:
    """Emits one row of a nest: numbers of the row, and loops over its columns.

    Where several rows are taken at once, `offset` is how many after row i this one is.
    """

    function: Function
    group: Group
    body: _Body
    offset: int | None = None
    before: list[str] = field(default_factory=list)  # the loop over rows, and after it
    after: list[str] = field(default_factory=list)
    pointers: dict[str, str] = field(default_factory=dict)  # rows of matrices
    known: Names = field(default_factory=dict)  # entries of vectors in this row

    @property
    def suffix(self) -> str:
        """What sets the names of this row's variables apart from those of others."""
        return "" if self.offset is None else str(self.offset)

    @property
    def index(self) -> str:
        return f"i + {self.offset}" if self.offset else "i"

    def single(self, group: Group) -> list[str]:
        """A statement of the row that is no loop over columns."""
        emit = self._sum if group.kind is Kind.ROWS else self._number
        return emit(group.members[0])

    def rows(self) -> list[str]:
        """Pointers to this row of matrices."""
        return [f"{name} = {text}" for name, text in sorted(self.pointers.items())]

    def _pointer(self, address: Address) -> str:
        """Row i of a matrix in memory."""
        function = self.function
        name = function.variable("vec *", f"{name_of(address)}_i{self.suffix}")
        self.pointers[name] = function._row_of(function.whole(address), self.index)
        return name

    def _entry(self, address: Address, lines: list[str]) -> str:
        """Entry i of a vector, loaded once a row."""
        name = name_of(address)
        if name not in self.known:
            variable = self.function.variable(self.function.scalar_type, f"{name}_r{self.suffix}")
            lines.append(f"{variable} = {self.function.entry(address, self.index)}")
            self.known[name] = variable
        return self.known[name]

    def _set_entry(self, statement: Statement, text: str) -> list[str]:
        function, address = self.function, statement.writes
        variable = f"{name_of(address)}_r{self.suffix}"
        memory = function.entry(address, self.index)
        self.known[name_of(address)] = variable
        kind = function.scalar_type
        return function._assign(statement, self.group, self.body, text, variable, kind, memory)

    def _number(self, statement: Statement) -> list[str]:
        """An elementwise op on vectors, one entry of it."""
        lines: list[str] = []
        values = {
            name: self._entry(address, lines) if letters else self.function.whole(address)
            for name, letters, address in self.function.operands(statement)
        }
        text = self.function.expression(statement.instruction.op, values)
        return lines + self._set_entry(statement, text)

    def _sum(self, statement: Statement) -> list[str]:
        """A sum along the row, of matrices in memory."""
        function, op = self.function, statement.instruction.op
        operands = [
            self._pointer(address) if letters == "ij" else function.whole(address)
            for _, letters, address in function.operands(statement)
        ]
        values = function.totals(op, operands, function.F)
        return self._set_entry(statement, function.expression(op, values))

    # ---- loops over columns ----------------------------------------------------------------------

    def before_columns(self, group: Group) -> list[str]:
        """What a loop over columns needs of the row."""
        lines: list[str] = []
        for statement in group.members:
            for _, letters, address in self.function.operands(statement):
                if letters == "i":
                    self._entry(address, lines)
        return lines + self._gather(group)

    def after_columns(self, group: Group) -> list[str]:
        """What becomes of the sums that the loop gathered."""
        lines: list[str] = []
        for statement in group.members:
            if statement.kind is Kind.ROWS:
                lines += self._set_entry(statement, self._gathered(statement))
        return lines

    def _gather(self, group: Group) -> list[str]:
        """Clears the partial sums that the loop gathers."""
        lines = []
        for statement in group.members:
            cleared = [f"clear(&{name})" for name in self._partials(statement)]
            if statement.kind is Kind.ROWS:
                lines += cleared
            elif statement.kind is Kind.TOTAL:
                self.before += cleared
                out = self.function.whole(statement.writes)
                self.after.append(f"{out} = {self._gathered(statement)}")
        return lines

    def _partials(self, statement: Statement) -> list[str]:
        place = self.body.places[id(statement)]
        return [
            self.function.variable(
                "az_partial", f"sum{place}_{number}{self.suffix and '_' + self.suffix}"
            )
            for number in range(len(statement.instruction.op.sums))
        ]

    def _gathered(self, statement: Statement) -> str:
        function, op = self.function, statement.instruction.op
        count = function.F ** (1 if statement.kind is Kind.ROWS else 2)
        values = {
            f"t{number}": f"partial_total(&{name})"
            for number, name in enumerate(self._partials(statement))
        }
        return function.expression(op, values | {"n": f"{count}.0"})

    def columns(self, group: Group, across: Names, *, tail: bool) -> list[str]:
        """What a loop over columns does; `across` are entries j of vectors, `tail`: entry by
        entry, behind the last whole `vec`."""
        function = self.function
        suffix, kind = ("e", "double") if tail else ("ij", "vec")
        known: Names = {}
        lines: list[str] = []

        def at(pointer: str) -> str:
            return f"(<double *>{pointer})[j]" if tail else f"{pointer}[j]"

        for statement in group.members:
            op, values, is_vec = statement.instruction.op, {}, False
            for name, letters, address in function.operands(statement):
                is_vec |= "j" in letters
                if letters == "ij":
                    own = known.get(name_of(address))
                    values[name] = own or at(self._pointer(address))
                elif letters == "j":
                    values[name] = across[name_of(address)]
                elif letters == "i":
                    values[name] = self.known[name_of(address)]
                else:
                    values[name] = function.whole(address)
            if statement.kind is not Kind.MATRIX:
                for partial, addend in zip(self._partials(statement), op.sums, strict=True):
                    text = _substitute(addend, values)
                    lines.append(f"add(&{partial}, j, {text})")
                continue
            text = function.expression(op, values, vec=not tail, spread=not (is_vec or tail))
            variable = f"{name_of(statement.writes)}_{suffix}"
            known[name_of(statement.writes)] = variable
            if self.body.stays_within(statement, group.members):
                function.variable(kind, variable)
                lines.append(f"{variable} = {text}")
            else:
                memory = at(self._pointer(statement.writes))
                lines += function._assign(statement, group, self.body, text, variable, kind, memory)
        return lines
