"""What the names in a program stand for: declarations, the types of names, and the roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from azc.errors import expected, nearest
from azc.lang.fold import CONSTANTS
from azc.lang.functions import known_functions
from azc.lang.infer import infer
from azc.lang.lookalikes import stranger
from azc.lang.source import Place, PlacedError
from azc.lang.syntax import (
    Assign,
    Expression,
    File,
    Function,
    Name,
    ParamDeclaration,
    Return,
    Text,
    VarDeclaration,
)
from azc.ops import Type
from azc.program import FUNCTIONS, MAX_ADDRESS, Address

__all__ = ["PREDICTION", "SHAPE", "Names", "UntypedError", "address_of"]

#: The prediction's name in the authoring dialect.
PREDICTION: Final = "prediction"
#: The name of the number of features, which only shapes mention.
SHAPE: Final = "n_features"

_ADDRESS = re.compile("[" + "".join(type.value for type in Type) + "][0-9]+")
_TITLES: Final = {name: name.capitalize() for name in FUNCTIONS}
_ROLES: Final = {"setup": (), "predict": ("features",), "learn": ("features", "label")}
# Each round of inference settles the types of at least one name, but names used long before they
# are assigned are rare, and a hostile text must not make the number of rounds grow with its length.
_ROUNDS = 20


class UntypedError(PlacedError):
    """A name is used whose type could not be told."""


class _Definition(NamedTuple):
    function: str
    name: Name
    value: Expression


def address_of(name: Name, limits: dict[Type, int]) -> Address | None:
    """The address that `name` is, if it looks like one; raises `PlacedError` beyond the limits."""
    if not _ADDRESS.fullmatch(name.text):
        return None
    type, digits = Type(name.text[0]), name.text[1:]
    if digits != "0" and digits.startswith("0"):
        short = f"{type.value}{digits.lstrip('0') or 0}"
        raise PlacedError(expected(f"the address {short}", name.text), name.place)
    count = min(limits.get(type, MAX_ADDRESS + 1), MAX_ADDRESS + 1)
    if len(digits) > len(str(MAX_ADDRESS)) or int(digits) >= count:
        what = f"an address from {type.value}0 to {type.value}{count - 1}"
        raise PlacedError(
            expected(what, name.text[:20], f"{count} {type.label} addresses are in force"),
            name.place,
        )
    return Address(type, int(digits))


class Names:
    """The declarations of a file and the types of its names; raises `PlacedError`."""

    def __init__(self, file: File, limits: dict[Type, int]) -> None:
        self.doc = ""
        self.params: dict[str, ParamDeclaration] = {}
        self.vars: dict[str, Name] = {}
        self.functions: dict[str, Function] = {}
        #: The type of every name that has one, the prediction's among them, and where it got it.
        self.types: dict[str, Type] = {}
        self.origins: dict[str, Place] = {}
        #: Where the names that the author made up are, once they have been given addresses.
        self.own: dict[str, Address] = {}
        self._limits = limits
        self._roles: dict[str, dict[str, str]] = {name: {} for name in FUNCTIONS}
        self._declare(file)
        if not self.functions:
            what = "a function (def Setup, def Predict or def Learn)"
            raise PlacedError(
                expected(what, "none" if file.items else "an empty file"), Place(1, 1)
            )
        for name, function in self.functions.items():
            self._bind_parameters(name, function)
        self.definitions = list(self._definitions())
        self._infer()

    @property
    def vector_prediction(self) -> bool:
        """Whether label and prediction are vectors (C > 2 classes)."""
        return self.types[PREDICTION] is Type.VECTOR

    @property
    def reserved(self) -> tuple[Address, ...]:
        """The addresses that something else than the program writes or reads."""
        scalars = (Address(Type.SCALAR, 0), Address(Type.SCALAR, 1))
        vectors = (Address(Type.VECTOR, 1), Address(Type.VECTOR, 2))
        features = Address(Type.VECTOR, 0)
        return (features, *scalars, *(vectors if self.vector_prediction else ()))

    def address(self, function: str, name: Name) -> Address | None:
        """The address that `name` stands for in `function`; None if it is not known."""
        address = address_of(name, self._limits) or self._role_address(function, name.text)
        return address or self.own.get(name.text)

    def _role_address(self, function: str, name: str) -> Address | None:
        """The fixed address of a parameter of `function`, or of the prediction."""
        role = self._roles[function].get(name, PREDICTION if name == PREDICTION else "")
        label, prediction = (Type.VECTOR, 1), (Type.VECTOR, 2)
        if not self.vector_prediction:
            label, prediction = (Type.SCALAR, 0), (Type.SCALAR, 1)
        addresses = {"features": (Type.VECTOR, 0), "label": label, PREDICTION: prediction}
        return Address(*addresses[role]) if role else None

    def type_of(self, function: str, name: Name) -> Type | None:
        """The type of a name used in `function`; None if it is not known (yet)."""
        if address := address_of(name, self._limits):
            return address.type
        if name.text in CONSTANTS:
            return Type.SCALAR
        role = self._roles[function].get(name.text)
        if role == "features":
            return Type.VECTOR
        return self.types.get(PREDICTION if role == "label" else name.text)

    def unknown(self, function: str, name: Name) -> PlacedError:
        """the error to raise for a name that `function` uses and that has no type."""
        text = name.text
        if any(text == definition.name.text for definition in self.definitions):
            message = expected(
                f"a type for {text!r}", "none that its assignments tell",
                f"declare it, such as var {text}: vector",
            )  # fmt: skip
            return UntypedError(message, name.place)
        if text in known_functions():
            return PlacedError(expected("a value", f"the function {text!r}", "call it"), name.place)
        if text == SHAPE:
            message = expected("a value", repr(text), "it stands only for a shape")
            return PlacedError(message, name.place)
        others = [_TITLES[other] for other in FUNCTIONS if text in self._roles[other]]
        if others:
            what = f"a parameter of {' and '.join(others)} only"
            return PlacedError(
                expected("a name", f"{text!r}, {what}", "name it here too"), name.place
            )
        known = {*self.types, *self._roles[function], PREDICTION, *self.params}
        do = stranger(text) or nearest(text, known) or "assign it or declare it with var"
        return PlacedError(expected("a known name", repr(text), do), name.place)

    def is_own(self, function: str, name: Name) -> bool:
        """Whether `name` is one that the author made up: no address, parameter or prediction."""
        special = _ADDRESS.fullmatch(name.text) or name.text in self._roles[function]
        return not special and name.text != PREDICTION

    def _declare(self, file: File) -> None:
        for position, item in enumerate(file.items):
            if isinstance(item, Function):
                self._declare_function(item)
            elif isinstance(item, ParamDeclaration):
                self._new(Name(item.place, item.name), Type.SCALAR)
                self.params[item.name] = item
            elif isinstance(item, VarDeclaration):
                type = _type_named(item.type)
                for name in item.names:
                    self._new(name, type)
                    self.vars[name.text] = name
            elif isinstance(item, Text) and position == 0:
                self.doc = item.value
            else:
                what = "a function (def), param or var at the left margin"
                got = "a string" if isinstance(item, Text) else "a statement"
                raise PlacedError(
                    expected(what, got, "put it into Setup, Predict or Learn, indented"), item.place
                )

    def _declare_function(self, function: Function) -> None:
        known = {title: name for name, title in _TITLES.items()}
        name = known.get(function.name)
        if name is None:
            what = "function Setup, Predict or Learn"
            close = {title.lower(): title for title in known}.get(function.name.lower())
            do = f"did you mean {close!r}?" if close else nearest(function.name, known)
            raise PlacedError(expected(what, repr(function.name), do), function.place)
        if name in self.functions:
            line = self.functions[name].place.line
            message = expected(f"one {function.name}", "a second", f"the first is in line {line}")
            raise PlacedError(message, function.place)
        self.functions[name] = function

    def _new(self, name: Name, type: Type) -> None:
        text = name.text
        if _ADDRESS.fullmatch(text):
            message = expected("a name", f"the address {text!r}", "an address needs no declaration")
            raise PlacedError(message, name.place)
        if text in CONSTANTS or text == SHAPE or (text == PREDICTION and type is Type.MATRIX):
            raise PlacedError(expected("a name of your own", repr(text)), name.place)
        if text in self.types:
            line = self.origins[text].line
            message = expected(f"one declaration of {text!r}", "a second", f"see line {line}")
            raise PlacedError(message, name.place)
        self.types[text] = type
        self.origins[text] = name.place

    def _bind_parameters(self, function: str, definition: Function) -> None:
        roles = _ROLES[function]
        if len(definition.parameters) > len(roles):
            names = " and ".join(f"the {role}" for role in roles)
            count = f"{len(roles)} parameter{'s' * (len(roles) != 1)}"
            what = f"at most {count} ({names})" if roles else "no parameters"
            place = definition.parameters[len(roles)].place
            message = expected(f"{what} of {_TITLES[function]}", len(definition.parameters))
            raise PlacedError(message, place)
        for role, name in zip(roles, definition.parameters, strict=False):
            if name.text in self._roles[function] or name.text in (*CONSTANTS, SHAPE, PREDICTION):
                raise PlacedError(expected("a name of its own", repr(name.text)), name.place)
            if address := address_of(name, self._limits):
                self._bind_address(role, address, name)
            elif name.text in self.types:
                line = self.origins[name.text].line
                message = expected("a name of its own", f"{name.text!r}, declared in line {line}")
                raise PlacedError(message, name.place)
            else:
                self._roles[function][name.text] = role

    def _bind_address(self, role: str, address: Address, name: Name) -> None:
        """``def Learn(v0, s0)``: the addresses must be those that the roles have anyway."""
        allowed = {"features": ("v0",), "label": ("s0", "v1")}[role]
        if str(address) not in allowed:
            what = " or ".join(allowed)
            raise PlacedError(
                expected(f"{what} or a name for the {role}", str(address)), name.place
            )
        if role == "label" and self.types.setdefault(PREDICTION, address.type) is not address.type:
            message = expected(f"a {self.types[PREDICTION].label} for the label", str(address))
            raise PlacedError(message, name.place)

    def _definitions(self) -> Iterator[_Definition]:
        """Every statement that gives a name a value, in the order in which functions run."""
        for function in FUNCTIONS:
            for statement in self.functions[function].body if function in self.functions else ():
                if isinstance(statement, Return) and function == "predict":
                    yield _Definition(function, Name(statement.place, PREDICTION), statement.value)
                elif isinstance(statement, Assign) and statement.symbol == "=":
                    target = statement.target
                    if isinstance(target, Name) and (
                        target.text == PREDICTION or self.is_own(function, target)
                    ):
                        yield _Definition(function, target, statement.value)

    def _infer(self) -> None:
        pending = self.definitions
        lookups = {function: partial(self.type_of, function) for function in FUNCTIONS}
        for _ in range(_ROUNDS):
            before = len(self.types)
            pending = [item for item in pending if item.name.text not in self.types]
            for function, name, value in pending:
                if name.text in self.types or name.text in CONSTANTS:
                    continue
                type = infer(value, lookups[function])
                if type and not (name.text == PREDICTION and type is Type.MATRIX):
                    self.types[name.text] = type
                    self.origins[name.text] = name.place
            if len(self.types) == before:
                if PREDICTION in self.types:
                    break
                self.types[PREDICTION] = Type.SCALAR
        self.types.setdefault(PREDICTION, Type.SCALAR)


def _type_named(name: Name) -> Type:
    known = {type.label: type for type in Type}
    if name.text not in known:
        do = nearest(name.text, known)
        raise PlacedError(expected(f"a type ({', '.join(known)})", repr(name.text), do), name.place)
    return known[name.text]
