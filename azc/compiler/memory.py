"""Where values are: in local variables of a function, or in cells of the call's memory.

State, what one example leaves to the next, lives in memory between calls. With the entries layout
it is loaded before the loop over examples and stored after it. With lanes the loop serves several
chunks of tasks at every example, whose chains of dependent operations then overlap, so each chunk
loads and stores its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from azc.analysis import Needed, interface_addresses, needed
from azc.compiler.ahead import Renamed, join, name_of
from azc.compiler.fusion import Statement, statements, value_count
from azc.compiler.rendering import SPELLINGS
from azc.compiler.structure import LANES, Structure
from azc.ops import Type
from azc.program import Address

__all__ = ["Memory", "in_order"]

#: A matrix larger than this leaves the L1 cache before it is read again, so that sharing a loop
#: saves a pass over memory; one that is smaller is better served by a routine of its own.
_SMALL_MATRIX = 32 * 1024
#: Vectors of up to so many registers are variables, which C compilers may keep in registers.
_LOCAL_CHUNKS, _MOST_LOCALS = 16, 64


def in_order(addresses: Iterable[Address]) -> list[Address]:
    """Scalars, vectors, matrices, by number."""
    return sorted(addresses, key=lambda address: (address.type.rank, address.number))


class Memory:
    """The addresses of one structure's function, and what of them is used while it is emitted.

    `local` are the vectors that are variables, `cells` what has room in memory, in its order;
    matrices are added as they come up. `touched` are the vectors and matrices that any code reads
    or writes: a vector of which only an entry at a time is held needs no room at all.
    """

    def __init__(self, structure: Structure, vector: int) -> None:
        self.structure, self.vector = structure, vector
        self.F = structure.features
        self.lanes = structure.layout == LANES
        self.spelling = SPELLINGS[structure.layout]
        classes = 3 if structure.many_classes else 0
        self.features, self.label, self.prediction = interface_addresses(classes)
        #: Which values matter from one example to the next, and from Predict to Learn.
        self.needed: Needed = needed(structure.program, classes)
        self.bodies = statements(body for _, body in structure.program.functions())
        self.written = {s.writes for body in self.bodies for s in body}
        #: Matrices are so large that one pass over them is worth more than all else.
        self.deep = not self.lanes and self.F % 8 == 0 and 8 * self.F**2 > _SMALL_MATRIX
        #: v0 is a pointer into the examples rather than memory of its own.
        self.points = self._points_to_features()
        #: Learn with the next example's Predict, where that saves a pass over matrices.
        self.joined: list[Statement] = []
        self.renamed: Renamed = {}
        if self.deep:
            _, predict, learn = self.bodies
            both = join(learn, predict, self.features, self.label)
            if both and self.points:
                self.joined, self.renamed = both
        everything = [s for body in (*self.bodies, self.joined) for s in body]
        self.used = {a for s in everything for a in (*s.reads, s.writes)} | {self.prediction}
        self.state = in_order(self.needed.between)
        self.local: set[Address] = set()
        self.cells: list[Address] = []
        self._assign_vectors()
        self.touched: set[Address] = set()
        #: What must be declared, by type.
        self.variables: dict[str, set[str]] = {}
        self.scratch: set[Type] = set()

    # ---- facts -----------------------------------------------------------------------------------

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

    @property
    def constants(self) -> int:
        """Numbers that a call is given."""
        return sum(value_count(i.op) for i in self.structure.program.instructions())

    @property
    def sizes(self) -> tuple[int, ...]:
        """What the module's table says of it: the fields of `az_native` but for the function."""
        places = sum(i.op.entry for i in self.structure.program.instructions())
        many = int(self.structure.many_classes)
        return (self.F, self.lane_count, self.offsets()[None], self.constants, places, many)

    def _points_to_features(self) -> bool:
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

    def _assign_vectors(self) -> None:
        next_features = self.renamed.get(self.features)
        vectors = in_order(a for a in self.used if a.type is Type.VECTOR and a != next_features)
        few = self.chunks <= _LOCAL_CHUNKS and len(vectors) <= _MOST_LOCALS
        between = self.needed.between
        self.local = {a for a in vectors if few and not (self.lanes and a in between)}
        if self.points:
            self.local.discard(self.features)
        self.cells = [a for a in self.state if a.type is Type.SCALAR]
        for address in vectors:
            kept = address not in self.local or address in between
            if kept and not (self.points and address == self.features):
                self.cells.append(address)

    def drop_untouched(self) -> None:
        """Takes the room of vectors away that no code reads or writes as a whole."""
        kept = {a for a in self.used if a in self.needed.between or a in self.touched}
        self.local &= kept
        self.cells = [a for a in self.cells if a in kept]

    # ---- offsets ---------------------------------------------------------------------------------

    def all_cells(self) -> Sequence[Address | Type]:
        """Addresses in memory, and types of which there is a spare cell."""
        return [*self.cells, *sorted(self.scratch, key=lambda kind: kind.rank)]

    def offsets(self) -> dict[Address | Type | None, int]:
        """Where each cell lies in the call's memory, in doubles, and the spare ones by their type;
        under None, how many there are. Vectors and matrices begin on cache lines."""
        offsets: dict[Address | Type | None, int] = {}
        offset = 0
        for cell in self.all_cells():
            kind = cell if isinstance(cell, Type) else cell.type
            if kind is not Type.SCALAR:
                offset = (offset + 7) // 8 * 8
            offsets[cell] = offset
            offset += self.lane_count * self.F**kind.rank
        offsets[None] = (offset + 7) // 8 * 8
        return offsets

    def moved(self) -> list[tuple[Address, str]]:
        """State that is in variables while the function runs, and where it is otherwise."""
        moved = []
        offsets = self.offsets()
        for address in self.state:
            if address.type is Type.SCALAR:
                offset = offsets[address]
                names = {"offset": offset, "register": offset // self.vector}
                moved.append((address, self.spelling["scalar"].format(**names)))
            elif address in self.local:
                moved.append((address, f"base + {offsets[address]}"))
        return moved

    # ---- names -----------------------------------------------------------------------------------

    def variable(self, kind: str, name: str) -> str:
        self.variables.setdefault(kind, set()).add(name)
        return name

    def name(self, address: Address) -> str:
        """What code calls the address, which need not be touched."""
        if address.type is Type.SCALAR:
            return self.variable(self.spelling["number"], name_of(address))
        if address.type is Type.MATRIX and address not in self.cells:
            self.cells.append(address)
        return name_of(address)

    def whole(self, address: Address) -> str:
        """A vector or matrix as a pointer to `vec`s; a scalar's name."""
        self.touched.add(address)
        return self.name(address)

    def entry(self, address: Address, index: str) -> str:
        """One entry of a vector or matrix."""
        return self.spelling["entry"].format(name=self.whole(address), index=index)

    def row_of(self, matrix: str, index: str = "i") -> str:
        """One row of a matrix, as a pointer to `vec`s."""
        index = f"({index})" if " " in index else index
        return self.spelling["row"].format(name=matrix, index=index, F=self.F)

    def spare(self, kind: Type) -> str:
        """A vector or matrix that nothing else uses."""
        self.scratch.add(kind)
        return f"spare_{kind.value}"
