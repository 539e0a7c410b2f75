"""One row of a loop over the rows of matrices: numbers of the row, and loops over its columns."""

from __future__ import annotations

from dataclasses import dataclass, field

from azc.compiler.ahead import name_of
from azc.compiler.fusion import Kind
from azc.compiler.memory import Memory
from azc.compiler.rendering import Names, expression, substitute
from azc.compiler.schedule import Part, Step
from azc.compiler.sums import Sums
from azc.program import Address

__all__ = ["Row"]


@dataclass(slots=True, eq=False)
class Row:
    """Emits one row. Where several rows are taken at once, `offset` is how many after row i this
    one is."""

    memory: Memory
    sums: Sums
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

    def single(self, step: Step) -> list[str]:
        """A statement of the row that is no loop over columns."""
        emit = self._sum if step.statement.kind is Kind.ROWS else self._number
        return emit(step)

    def rows(self) -> list[str]:
        """Pointers to this row of matrices."""
        return [f"{name} = {text}" for name, text in sorted(self.pointers.items())]

    def _pointer(self, address: Address) -> str:
        """Row i of a matrix in memory."""
        name = self.memory.variable("vec *", f"{name_of(address)}_i{self.suffix}")
        self.pointers[name] = self.memory.row_of(self.memory.whole(address), self.index)
        return name

    def _entry(self, address: Address, lines: list[str]) -> str:
        """Entry i of a vector, loaded once a row."""
        name, memory = name_of(address), self.memory
        if name not in self.known:
            variable = memory.variable(memory.spelling["number"], f"{name}_r{self.suffix}")
            lines.append(f"{variable} = {memory.entry(address, self.index)}")
            self.known[name] = variable
        return self.known[name]

    def _set_entry(self, step: Step, text: str) -> list[str]:
        memory, address = self.memory, step.statement.writes
        variable = f"{name_of(address)}_r{self.suffix}"
        self.known[name_of(address)] = variable
        lines = []
        if step.held:
            memory.variable(memory.spelling["number"], variable)
            lines.append(f"{variable} = {text}")
            text = variable
        if step.stored:
            lines.append(f"{memory.entry(address, self.index)} = {text}")
        return lines

    def _number(self, step: Step) -> list[str]:
        """An elementwise op on vectors, one entry of it."""
        lines: list[str] = []
        values = {
            name: self._entry(address, lines) if letters else self.memory.whole(address)
            for name, letters, address in step.statement.operands
        }
        text = expression(step.statement.instruction.op, values, vec=self.memory.lanes)
        return lines + self._set_entry(step, text)

    def _sum(self, step: Step) -> list[str]:
        """A sum along the row, of matrices in memory."""
        memory, op = self.memory, step.statement.instruction.op
        operands = [
            self._pointer(address) if letters == "ij" else memory.whole(address)
            for _, letters, address in step.statement.operands
        ]
        values = self.sums.totals(op, operands, memory.F)
        return self._set_entry(step, expression(op, values, vec=memory.lanes))

    # ---- loops over columns ----------------------------------------------------------------------

    def before_columns(self, part: Part) -> list[str]:
        """What a loop over columns needs of the row."""
        lines: list[str] = []
        for step in part.steps:
            for _, letters, address in step.statement.operands:
                if letters == "i":
                    self._entry(address, lines)
        return lines + self._gather(part)

    def after_columns(self, part: Part) -> list[str]:
        """What becomes of the sums that the loop gathered."""
        lines: list[str] = []
        for step in part.steps:
            if step.statement.kind is Kind.ROWS:
                lines += self._set_entry(step, self._gathered(step))
        return lines

    def _gather(self, part: Part) -> list[str]:
        """Clears the partial sums that the loop gathers."""
        lines = []
        for step in part.steps:
            cleared = [f"clear(&{name})" for name in self._partials(step)]
            if step.statement.kind is Kind.ROWS:
                lines += cleared
            elif step.statement.kind is Kind.TOTAL:
                self.before += cleared
                out = self.memory.whole(step.statement.writes)
                self.after.append(f"{out} = {self._gathered(step)}")
        return lines

    def _partials(self, step: Step) -> list[str]:
        own = self.suffix and "_" + self.suffix
        return [
            self.memory.variable("az_partial", f"sum{step.position}_{number}{own}")
            for number in range(len(step.statement.instruction.op.sums))
        ]

    def _gathered(self, step: Step) -> str:
        memory, op = self.memory, step.statement.instruction.op
        count = memory.F ** (1 if step.statement.kind is Kind.ROWS else 2)
        values = {
            f"t{number}": f"partial_total(&{name})"
            for number, name in enumerate(self._partials(step))
        }
        return expression(op, values | {"n": f"{count}.0"}, vec=memory.lanes)

    def columns(self, part: Part, across: Names, *, tail: bool) -> list[str]:
        """What a loop over columns does; `across` are entries j of vectors, `tail`: entry by
        entry, behind the last whole `vec`."""
        memory = self.memory
        suffix, kind = ("e", "double") if tail else ("ij", "vec")
        known: Names = {}
        lines: list[str] = []

        def at(pointer: str) -> str:
            return f"(<double *>{pointer})[j]" if tail else f"{pointer}[j]"

        for step in part.steps:
            statement, op = step.statement, step.statement.instruction.op
            values, is_vec = {}, False
            for name, letters, address in statement.operands:
                is_vec |= "j" in letters
                if letters == "ij":
                    own = known.get(name_of(address))
                    values[name] = own or at(self._pointer(address))
                elif letters == "j":
                    values[name] = across[name_of(address)]
                elif letters == "i":
                    values[name] = self.known[name_of(address)]
                else:
                    values[name] = memory.whole(address)
            if statement.kind is not Kind.MATRIX:
                for partial, addend in zip(self._partials(step), op.sums, strict=True):
                    lines.append(f"add(&{partial}, j, {substitute(addend, values)})")
                continue
            spread = "{text}" if is_vec or tail else memory.spelling["spread"]
            text = expression(op, values, vec=memory.lanes or not tail, spread=spread)
            variable = f"{name_of(statement.writes)}_{suffix}"
            known[name_of(statement.writes)] = variable
            if step.held:
                memory.variable(kind, variable)
                lines.append(f"{variable} = {text}")
                text = variable
            if step.stored:
                lines.append(f"{at(self._pointer(statement.writes))} = {text}")
        return lines
