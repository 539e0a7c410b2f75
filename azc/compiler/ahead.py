"""Learn, and Predict of the next example, as one body: large matrices are then passed over once.

What Predict writes is renamed, because Learn still reads what the example before it left there;
afterwards the new values go where the old ones were. Matrices are written where they are.

    Learn      m1 = outer(v3, v0)               v4_next = …, v5_next = …
               m0 = m0 + m1                ->   for each row:  m0 = m0 + outer(v3, v0)
    Predict    v4 = dot(m0, v0)                                v4_next = dot(m0, v0_next)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from azc.compiler.fusion import Group, Kind, Statement
from azc.ops import Type
from azc.program import Address

__all__ = ["Renamed", "join", "name_of"]

#: Added to an address's number in the next example's values.
_NEXT = 1 << 20
#: Instructions of a body for which the order is worth looking for.
_MOST = 400

Renamed = dict[Address, Address]


def name_of(address: Address) -> str:
    """What emitted code calls the address."""
    later, number = divmod(address.number, _NEXT)
    return f"{address.type.value}{number}{'_next' if later else ''}"


def join(
    learn: Sequence[Statement], predict: Sequence[Statement], features: Address, label: Address
) -> tuple[list[Statement], Renamed] | None:
    """Both bodies as one, with the new names of what Predict writes and of the features; None
    where that cannot be, or would gain nothing because one of them has no matrix."""
    if len(learn) + len(predict) > _MOST or not (_passes(learn) and _passes(predict)):
        return None
    names: Renamed = {features: _later(features)}
    renamed = []
    for statement in predict:
        if label in statement.reads or statement.kind is Kind.ENTRY:
            return None
        instruction, op = statement.instruction, statement.instruction.op
        addresses = map(Address, op.inputs, instruction.inputs)
        inputs = tuple(names.get(address, address).number for address in addresses)
        out = statement.writes
        if out.type is not Type.MATRIX:
            out = names.setdefault(out, _later(out))
        changed = replace(instruction, out=out.number, inputs=inputs)
        renamed.append(replace(statement, instruction=changed, ahead=True))
    if any(statement.writes in (features, label) for statement in (*learn, *predict)):
        return None
    return _matrices_late([*learn, *renamed]), names


def _later(address: Address) -> Address:
    return Address(address.type, address.number + _NEXT)


def _has_matrix(statement: Statement) -> bool:
    return any(a.type is Type.MATRIX for a in (*statement.reads, statement.writes))


def _passes(body: Sequence[Statement]) -> bool:
    return any(_has_matrix(statement) for statement in body)


def _matrices_late(body: list[Statement]) -> list[Statement]:
    """The same statements in another order that gives the same values: those on matrices as late
    as the others allow, so that what they need of both examples is there and they meet."""
    alone = [Group([statement], nest=False) for statement in body]
    waits = {
        position: {p for p in range(position) if alone[p].keeps_from_moving(statement)}
        for position, statement in enumerate(body)
    }
    order: list[Statement] = []
    while waits:
        ready = [position for position, before in waits.items() if not before & waits.keys()]
        chosen = next((p for p in ready if not _has_matrix(body[p])), ready[0])
        order.append(body[chosen])
        del waits[chosen]
    return order
