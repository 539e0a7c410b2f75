"""Fragments of data flow: connected parts of the graph of a program's live instructions, canonical
up to the names of addresses, constants and the order of what has no order.

A node is an instruction: its function, its op, whether it makes the prediction, and which of its
operands are the features, the label or never written. An edge says which operand of one is made by
another, and when: in the same step, in the step before, or in Setup.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from azc.analysis import interface_addresses
from azc.ops import Type
from azc.program import FUNCTIONS, Address, Program
from azc.use.dataflow import Flow, Position, flow_of

__all__ = ["Fragments", "Node", "Piece"]

#: Of an operand: what it is where no instruction makes it.
_FEATURES, _LABEL, _ZERO = "features", "label", "zero"
#: When the value was made that an edge carries.
_NOW, _BEFORE, _SETUP = 0, 1, 2

#: A node as it is compared: function, number of the op, what operands are, makes the prediction.
Node = tuple[int, int, tuple[str, ...], bool]
#: The edges from one node to another, each an operand (0 where they have no order) and when.
_Edges = tuple[tuple[int, int], ...]
_Form = tuple[tuple[Node, ...], tuple[_Edges, ...]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A fragment as a program has it: its instructions, in order, the addresses renamed.

    What its instructions make has names of its own, but for features, label and prediction. `open`:
    the addresses that stand for what other instructions make; `zero`: those that none makes; each
    is read by one operand.
    """

    program: Program
    open: tuple[Address, ...]
    zero: tuple[Address, ...]

    def lines(self) -> list[tuple[str, str]]:
        """Function and text of each instruction; constants by name, what is open as ``s?``."""
        said = {address: f"{address.type.value}?" for address in self.open}
        said |= dict.fromkeys(self.zero, "0")
        texts = []
        for function, body in self.program.functions():
            for instruction in body:
                operands = [
                    said.get(address, str(address))
                    for address in map(Address, instruction.op.inputs, instruction.inputs)
                ]
                text = instruction.op.spelled(str(instruction.output), operands)
                texts.append((function, text))
        return texts


class _Graph:
    """The live instructions of a program as nodes and edges."""

    def __init__(self, program: Program, classes: int) -> None:
        self.flow: Flow = flow_of(program, classes)
        self.interface = interface_addresses(classes)
        positions = self.flow.live
        number = {position: k for k, position in enumerate(positions)}
        self.edges: dict[tuple[int, int], _Edges] = {}
        self.neighbours = [0] * len(positions)
        #: Of each node and operand, the nodes that make it.
        self.makers: list[list[list[int]]] = []
        predicting = self._predicting()
        self.nodes: list[Node] = []
        for k, position in enumerate(positions):
            instruction = self.flow.at(position)
            makers = [
                [number[maker] for maker in self.flow.makers[position][address]]
                for address in instruction.reads
            ]
            self.makers.append(makers)
            operands = [
                "" if made else self._given(address)
                for address, made in zip(instruction.reads, makers, strict=True)
            ]
            if instruction.op.commutative:
                operands.sort()
            self.nodes.append(
                (
                    FUNCTIONS.index(position[0]),
                    instruction.op.number,
                    tuple(operands),
                    position == predicting,
                )
            )
            edges_from: dict[int, list[tuple[int, int]]] = {}
            for operand, made in enumerate(makers):
                for maker in made:
                    which = 0 if instruction.op.commutative else operand
                    edges_from.setdefault(maker, []).append(
                        (which, self._when(positions, maker, k))
                    )
            for maker, edges in edges_from.items():
                self.edges[maker, k] = tuple(sorted(edges))
                if maker != k:
                    self.neighbours[k] |= 1 << maker
                    self.neighbours[maker] |= 1 << k

    def _predicting(self) -> Position | None:
        last = None
        for position in self.flow.live:
            if position[0] == "predict" and self.flow.at(position).output == self.interface[2]:
                last = position
        return last

    def _given(self, address: Address) -> str:
        features, label, _ = self.interface
        return {features: _FEATURES, label: _LABEL}.get(address, _ZERO)

    @staticmethod
    def _when(positions: list[Position], maker: int, reader: int) -> int:
        if positions[maker][0] == "setup" != positions[reader][0]:
            return _SETUP
        # What is written before it is read is read at once; the rest comes round the loop.
        return _NOW if maker < reader else _BEFORE

    def connected(self, most: int) -> Iterator[int]:
        """Every connected set of at most so many nodes, once, as bits (Wernicke's ESU, 2006)."""
        for first in range(len(self.nodes)):
            above = -1 << (first + 1)
            begin = self.neighbours[first]
            left = [(1 << first, begin & above, 1, begin | 1 << first)]
            while left:
                chosen, next_to, size, closed = left.pop()
                yield chosen
                if size == most:
                    continue
                while next_to:
                    bit = next_to & -next_to
                    next_to ^= bit
                    reached = self.neighbours[bit.bit_length() - 1]
                    new = reached & ~closed & above
                    left.append((chosen | bit, next_to | new, size + 1, closed | reached))


def _bits(chosen: int) -> list[int]:
    return [k for k in range(chosen.bit_length()) if chosen >> k & 1]


class Fragments:
    """The fragments of `least` to `most` nodes that programs have, by number."""

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most
        self._form: list[_Form] = []
        self._number: dict[_Form, int] = {}
        self._known: dict[_Form, int] = {}
        self._nodes: dict[Node, Node] = {}

    def __len__(self) -> int:
        return len(self._form)

    def of(self, program: Program, classes: int) -> set[int]:
        """Those that a program has."""
        graph = _Graph(program, classes)
        return {
            self._canonical(graph, _bits(chosen))
            for chosen in graph.connected(self.most)
            if chosen.bit_count() >= self.least
        }

    def piece(self, number: int, program: Program, classes: int) -> Piece:
        """Fragment `number` as `program`, which has it, has it first."""
        graph = _Graph(program, classes)
        for chosen in graph.connected(self.size(number)):
            nodes = _bits(chosen)
            if len(nodes) == self.size(number) and self._canonical(graph, nodes) == number:
                return _piece(graph, nodes)
        raise ValueError("expected a program that has the fragment")

    def size(self, number: int) -> int:
        """Its nodes."""
        return len(self._form[number][0])

    def id(self, number: int) -> str:
        """What it is known by, whatever the programs: eight hexadecimal digits."""
        return hashlib.sha256(repr(self._form[number]).encode()).hexdigest()[:8]

    def parts(self, number: int) -> set[int]:
        """The fragments that are left when one of its nodes is taken away."""
        nodes, edges = self._form[number]
        size = len(nodes)
        forms = set()
        if size > self.least:
            for gone in range(size):
                kept = [k for k in range(size) if k != gone]
                part = tuple(edges[a * size + b] for a in kept for b in kept)
                if _is_connected(part, size - 1):
                    forms.add(self._canonical_form((tuple(nodes[k] for k in kept), part)))
        return forms

    def _canonical(self, graph: _Graph, chosen: list[int]) -> int:
        none: _Edges = ()
        get = graph.edges.get
        return self._canonical_form(
            (
                tuple(graph.nodes[k] for k in chosen),
                tuple(get((a, b), none) for a in chosen for b in chosen),
            )
        )

    def _canonical_form(self, form: _Form) -> int:
        """The number of the least of all orders of its nodes."""
        known = self._known.get(form)
        if known is None:
            least = min(_orders(form))
            known = self._number.setdefault(least, len(self._form))
            if known == len(self._form):
                self._form.append(least)
            self._known[form] = known
        return known


def _orders(form: _Form) -> Iterator[_Form]:
    """The same fragment with its nodes in every order that sorts them."""
    nodes, edges = form
    size = len(nodes)
    groups = [
        list(group)
        for _, group in itertools.groupby(sorted(range(size), key=nodes.__getitem__),
                                          key=nodes.__getitem__)
    ]  # fmt: skip
    for arranged in itertools.product(*map(itertools.permutations, groups)):
        order = list(itertools.chain.from_iterable(arranged))
        yield (
            tuple(nodes[k] for k in order),
            tuple(edges[a * size + b] for a in order for b in order),
        )


def _is_connected(edges: tuple[_Edges, ...], size: int) -> bool:
    reached, left = {0}, [0]
    while left:
        here = left.pop()
        for other in range(size):
            joined = edges[here * size + other] or edges[other * size + here]
            if joined and other not in reached:
                reached.add(other)
                left.append(other)
    return len(reached) == size


def _piece(graph: _Graph, nodes: list[int]) -> Piece:
    """The instructions of these nodes under addresses of their own.

    Two nodes write the same address only where the data flow needs it: where one operand may be
    made by either, or an instruction keeps entries of what the other made.
    """
    group = {k: k for k in nodes}

    def root(k: int) -> int:
        while group[k] != k:
            k = group[k]
        return k

    for k in nodes:
        instruction = graph.flow.at(graph.flow.live[k])
        for operand, made in enumerate(graph.makers[k]):
            inside = [maker for maker in made if maker in group]
            if operand >= len(instruction.op.inputs):
                inside.append(k)
            for maker in inside[1:]:
                group[root(maker)] = root(inside[0])
    features, label, prediction = graph.interface
    free = dict.fromkeys(Type, 0)
    for address in (features, label, prediction):
        free[address.type] = max(free[address.type], address.number + 1)
    names: dict[int, Address] = {}

    def fresh(kind: Type) -> Address:
        free[kind] += 1
        return Address(kind, free[kind] - 1)

    for k in nodes:
        if graph.nodes[k][3]:
            names[root(k)] = prediction
    for k in nodes:
        output = graph.flow.at(graph.flow.live[k]).output
        assert output is not None
        if root(k) not in names:
            names[root(k)] = fresh(output.type)
    opened: list[Address] = []
    zero: list[Address] = []
    bodies: dict[str, Any] = dict.fromkeys(FUNCTIONS, ())
    for k in nodes:
        position = graph.flow.live[k]
        instruction = graph.flow.at(position)
        inputs: list[int] = []
        # Not what an op that sets one entry keeps of its output: no operand that can be bound.
        for address, made in zip(instruction.reads, graph.makers[k], strict=False):
            if len(inputs) == len(instruction.op.inputs):
                break
            inside = [maker for maker in made if maker in group]
            if inside:
                address = names[root(inside[0])]
            elif made or address not in (features, label):
                address = fresh(address.type)
                (opened if made else zero).append(address)
            inputs.append(address.number)
        renamed = replace(instruction, out=names[root(k)].number, inputs=tuple(inputs))
        bodies[position[0]] += (renamed,)
    return Piece(Program(**bodies), tuple(opened), tuple(zero))
