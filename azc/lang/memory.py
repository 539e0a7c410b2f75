"""Which address holds what: names and constants for good, temporaries for one statement."""

from __future__ import annotations

from collections.abc import Iterable

from azc.errors import expected
from azc.lang.source import Place, PlacedError
from azc.ops import Type
from azc.program import MAX_ADDRESS, Address

__all__ = ["Memory"]


class Memory:
    """Gives out addresses that the text does not mention.

    Temporaries are used again from statement to statement, in every function; what is kept is
    never used for anything else, so that it survives them all.
    """

    def __init__(self, mentioned: Iterable[Address], limits: dict[Type, int]) -> None:
        self._limits = limits
        self._used = set(mentioned)
        self._next = dict.fromkeys(Type, 0)
        self._free: dict[Type, list[Address]] = {type: [] for type in Type}
        self._lent: Address | None = None

    def keep(self, type: Type, place: Place) -> Address:
        """An address for good; raises `PlacedError` for `place` when there is none."""
        return self._new(type, place)

    def borrow(self, type: Type, place: Place) -> Address:
        """An address until it is given back."""
        if self._lent and self._lent.type is type:
            address, self._lent = self._lent, None
            return address
        return self._free[type].pop() if self._free[type] else self._new(type, place)

    def give_back(self, address: Address) -> None:
        """The end of a temporary."""
        self._free[address.type].append(address)
        # The lowest is used first: the text stays readable, and memory in few cells.
        self._free[address.type].sort(reverse=True)

    def lend(self, target: Address) -> None:
        """Let `target`, about to be overwritten, serve as the first temporary of its type."""
        self._lent = target

    def take_back(self, target: Address) -> None:
        """The end of a loan."""
        self._lent = None
        if target in self._free[target.type]:
            self._free[target.type].remove(target)

    def _new(self, type: Type, place: Place) -> Address:
        limit = min(self._limits.get(type, MAX_ADDRESS + 1), MAX_ADDRESS + 1)
        number = self._next[type]
        while Address(type, number) in self._used:
            number += 1
        self._next[type] = number + 1
        if number >= limit:
            what = f"at most {limit} {type.label} addresses"
            raise PlacedError(expected(what, "a program that needs more"), place)
        return Address(type, number)
