"""Emits one structure as one function.

    cdef void program_0(const az_call *c) noexcept nogil:
        variables
        for each example: Setup, or Predict, the error and Learn

What runs in which loop is decided by `schedule`, where values are by `memory`, how both are spelled
by `rendering`; `loops` and `rows` put bodies together from them.
"""

from __future__ import annotations

import re

from azc.compiler.ahead import name_of
from azc.compiler.loops import Loops
from azc.compiler.memory import Memory, in_order
from azc.compiler.rendering import indented, loop
from azc.compiler.structure import Structure
from azc.compiler.sums import Sums
from azc.ops import Type
from azc.program import Address

__all__ = ["Function"]

_EXAMPLES = "c.first, c.first + c.count"


class Function:
    """Emits `structure` as function `number` of its module; `vector` doubles fill a register."""

    def __init__(self, structure: Structure, number: int, vector: int) -> None:
        self.structure, self.number = structure, number
        self.memory, self.sums = Memory(structure, vector), Sums()
        self.spelling = self.memory.spelling
        self.loops = Loops(self.memory, self.sums)
        self.text = self._emit()

    @property
    def counts(self) -> set[int]:
        """Numbers of entries for which sums are written out."""
        return self.sums.counts

    @property
    def sizes(self) -> tuple[int, ...]:
        """What the module's table says of it: the fields of `az_native` but for the function."""
        return self.memory.sizes

    def _emit(self) -> str:
        memory = self.memory
        after_predict, between = memory.needed.after_predict, memory.needed.between
        after = (between, after_predict, between)
        setup, predict, learn = map(self.loops.body, memory.bodies, after)
        example = self._example(predict, learn)
        memory.drop_untouched()
        setup = [*self._unset(), *setup] or ["pass"]
        example = ["if is_setup(c):", *indented(setup), "else:", *indented(example)]
        row = "row = az_row(c, t)"
        if memory.lanes:
            at = f"{self.spelling['at']} = row * c.chunks + q"
            inner = [*self._enter(), at, *example, *self._leave()]
            lines = loop("t", _EXAMPLES, [row, *loop("q", "c.chunks", inner)])
        else:
            lines = [*self._enter(), *loop("t", _EXAMPLES, [row, *example]), *self._leave()]
        head = f"\n\ncdef void program_{self.number}(const az_call *c) noexcept nogil:"
        return "\n".join([head, *indented([*self._declare(), *lines])]) + "\n"

    def _unset(self) -> list[str]:
        """Zeros that Setup reads before anything writes them; memory has them already."""
        memory = self.memory
        lines = []
        unset = memory.needed.before_setup - memory.needed.between - {memory.features}
        for address in in_order({*unset, memory.label} & memory.used):
            if address.type is Type.SCALAR:
                lines.append(f"{memory.whole(address)} = {self.spelling['zero']}")
            elif address in memory.local and address not in (memory.label, memory.features):
                lines.append(self._zeroed(address))
        return lines

    def _zeroed(self, address: Address) -> str:
        return f"zero({name_of(address)}, {self.memory.chunks * self.memory.vector})"

    # ---- one example -----------------------------------------------------------------------------

    def _example(self, predict: list[str], learn: list[str]) -> list[str]:
        """Predict, the error and Learn for one example."""
        if self.memory.joined:
            return self._example_ahead(predict, learn)
        return [
            *self._features(),
            *self._clear_label(),
            *predict,
            "if c.mode == 2:",
            *indented([self._keep()]),
            "else:",
            *indented([*self._judged(), *learn]),
        ]

    def _clear_label(self) -> list[str]:
        """The label is zero in Predict."""
        memory = self.memory
        if not any(memory.label in s.reads for s in memory.bodies[1]):
            return []
        label, many = memory.whole(memory.label), self.structure.many_classes
        return [f"zero({label}, {memory.row})" if many else f"{label} = {self.spelling['zero']}"]

    def _keep(self) -> str:
        """Writes a prediction where the caller wants it."""
        prediction = self.memory.whole(self.memory.prediction)
        if self.structure.many_classes:
            return f"keep_classes(c, t, {prediction})"
        return f"{self.spelling['predictions']} = {prediction}"

    def _judged(self) -> list[str]:
        """Looks at the error, and gives Learn the features and the label."""
        memory, at = self.memory, self.spelling["at"]
        prediction, label = memory.whole(memory.prediction), memory.name(memory.label)
        many = self.structure.many_classes
        _, predict, learn = memory.bodies
        if many:
            lines = [f"judge_classes(c, row, {prediction})"]
        else:
            errors = memory.variable(self.spelling["number"], "errors")
            lines = [f"{prediction} = judge(c, {at}, {prediction}, &{errors})"]
        written = any(s.writes == memory.features for s in (*predict, *learn))
        if written and any(memory.features in s.reads for s in learn):
            lines += self._features()
        if any(memory.label in s.reads for s in learn):
            label = memory.whole(memory.label)
            set_all = f"set_classes(c, row, {label}, {memory.F})"
            lines.append(set_all if many else f"{label} = {self.spelling['labels']}[{at}]")
        return lines

    def _example_ahead(self, predict: list[str], learn: list[str]) -> list[str]:
        """The same where Learn and the next Predict are joined: only the first example of a call
        predicts by itself, and only the last learns so."""
        memory = self.memory
        ahead = memory.variable("int64_t", "ahead")
        after = memory.needed.after_predict
        kept = {memory.renamed.get(address, address) for address in after}
        both = self.loops.body(memory.joined, kept)
        current, later = memory.whole(memory.features), name_of(memory.renamed[memory.features])
        memory.variable("const vec *", later)
        moves = []
        for address, new in memory.renamed.items():
            if address in after and address.type is Type.SCALAR:
                moves.append(f"{memory.whole(address)} = {memory.whole(new)}")
            elif address in after and address != memory.features:
                moves.append(f"copy({memory.whole(address)}, {memory.whole(new)}, {memory.row})")
        following = [
            f"{later} = <const vec *>(c.x + az_row(c, t + 1) * {memory.row})",
            *both,
            *moves,
            f"{ahead} = 1",
        ]
        return [
            f"{current} = <const vec *>(c.x + row * {memory.row})",
            f"if not {ahead}:",
            *indented([*self._clear_label(), *predict] or ["pass"]),
            "if c.mode == 2:",
            *indented([self._keep()]),
            "else:",
            *indented([*self._judged(), "if t + 1 < c.first + c.count:", *indented(following)]),
            *indented(["else:", *indented([*learn, "ahead = 0"])]),
        ]

    def _features(self) -> list[str]:
        memory = self.memory
        if memory.features not in memory.used:
            return []
        name = memory.whole(memory.features)
        at = f"<const vec *>(c.x + {self.spelling['at']} * {memory.row})"
        return [f"{name} = {at}"] if memory.points else [f"copy({name}, {at}, {memory.row})"]

    # ---- before and after ------------------------------------------------------------------------

    def _enter(self) -> list[str]:
        """Points at the memory of one chunk, and loads its state."""
        memory = self.memory
        base = memory.variable("double *", "base")
        lines = [f"{base} = {self.spelling['base']}"]
        if memory.constants:
            kind = f"const {self.spelling['number']} *"
            k = memory.variable(kind, "k")
            given = self.spelling["constants"].format(each=memory.constants * memory.vector)
            lines.append(f"{k} = <{kind}>({given})")
        offsets = memory.offsets()
        for cell in memory.all_cells():
            name = f"spare_{cell.value}" if isinstance(cell, Type) else name_of(cell)
            pointed = isinstance(cell, Type) or cell.type is not Type.SCALAR
            if cell not in memory.local and pointed:
                memory.variable("vec *", name)
                lines.append(f"{name} = <vec *>(base + {offsets[cell]})")
        for address, cell_text in memory.moved():
            if address.type is Type.SCALAR:
                lines.append(f"{memory.whole(address)} = {cell_text}")
            else:
                lines.append(f"load({name_of(address)}, {cell_text}, {memory.chunks})")
        # Set by evaluation, and zero until then.
        own = [] if memory.points else [memory.features]
        own += [memory.label] if memory.label.type is Type.VECTOR else []
        lines += [self._zeroed(a) for a in own if a in memory.local and a in memory.used]
        if not self.structure.many_classes:
            lines.append(f"errors = {self.spelling['errors']}")
        if memory.joined:
            lines.append("ahead = 0")
        return lines

    def _leave(self) -> list[str]:
        """Stores the state that has changed."""
        memory = self.memory
        lines = []
        for address, cell_text in memory.moved():
            if address not in memory.written and address != memory.prediction:
                continue
            if address.type is Type.SCALAR:
                lines.append(f"{cell_text} = {name_of(address)}")
            else:
                lines.append(f"store({cell_text}, {name_of(address)}, {memory.chunks})")
        if not self.structure.many_classes:
            lines.append(f"{self.spelling['errors']} = errors")
        return lines

    def _declare(self) -> list[str]:
        """Declarations; made last, when all that is used is known."""
        memory = self.memory
        lines = [f"cdef int64_t {self.spelling['integers']}"]
        for kind, names in sorted(memory.variables.items()):
            listed = sorted(names, key=_natural)
            if kind.endswith("*"):
                lines += [f"cdef {kind}{name}" for name in listed]
                continue
            for start in range(0, len(listed), 12):
                lines.append(f"cdef {kind} {', '.join(listed[start : start + 12])}")
        if memory.points and memory.features in memory.used:
            lines.append(f"cdef const vec *{memory.features}")
        lines += [f"cdef vec {name_of(a)}[{memory.chunks}]" for a in in_order(memory.local)]
        return lines


def _natural(name: str) -> list[int | str]:
    """v2 before v10."""
    return [int(x) if x.isdigit() else x for x in re.split(r"(\d+)", name)]
