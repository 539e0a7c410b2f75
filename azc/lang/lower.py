"""Lowering: from the syntax tree to a program on numbered addresses.

A statement stays where it is written. The constants that expressions need, and the params, are set
once, at the start of Setup: Predict and Learn run thousands of times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from azc.errors import expected
from azc.lang.code import SET, Code, Use
from azc.lang.expressions import Expressions
from azc.lang.fold import CONSTANTS, fold
from azc.lang.memory import Memory
from azc.lang.names import PREDICTION, SHAPE, Names, UntypedError, address_of
from azc.lang.source import Place, PlacedError
from azc.lang.spellings import ENTRY, NOTHING, SPELLINGS, Head
from azc.lang.syntax import (
    Assign,
    Bare,
    Binary,
    Call,
    Expression,
    File,
    Index,
    Name,
    Number,
    ParamDeclaration,
    Return,
    Statement,
    Text,
    Tuple,
    VarDeclaration,
    walk,
)
from azc.ops import ConstantKind, Type
from azc.program import FUNCTIONS, Address, Instruction, Param, Program

__all__ = ["Lowered", "lower"]

#: Coordinates are below this: tasks have fewer features.
_COORDINATES = 4096


@dataclass(frozen=True, slots=True)
class Lowered:
    """A program, and what is known about its text besides."""

    program: Program
    #: For each function, where in the text each instruction comes from; None for constants.
    places: dict[str, tuple[Place | None, ...]]
    uses: tuple[Use, ...]
    names: Names


def lower(file: File, limits: dict[Type, int] | None = None, filename: str = "<string>") -> Lowered:
    """The program that `file` says; raises `PlacedError`.

    `limits` is the number of addresses of each type in force.
    """
    return _Lowerer(file, limits or {}).run(filename)


class _Lowerer:
    def __init__(self, file: File, limits: dict[Type, int]) -> None:
        self._names = Names(file, limits)
        memory = Memory(self._mentioned(limits), limits)
        self._names.own.update(self._allocate(memory))
        self._expressions = Expressions(self._names, memory)
        # A name has no type where the statement that would give it one is wrong: rather tell that.
        self._untyped: UntypedError | None = None

    def run(self, filename: str) -> Lowered:
        params = tuple(
            self._param(declaration, index)
            for index, declaration in enumerate(self._names.params.values())
        )
        codes = {function: self._function(function) for function in FUNCTIONS}
        if self._untyped:
            raise self._untyped
        prologue = self._expressions.constants.code
        setup = Code(
            prologue.instructions + codes["setup"].instructions,
            prologue.places + codes["setup"].places,
        )
        codes["setup"] = setup
        program = Program(
            **{name: tuple(code.instructions) for name, code in codes.items()},
            doc=self._names.doc,
            filename=filename,
            params=params,
            names={address: name for name, address in self._names.own.items()},
        )
        places = {name: tuple(code.places) for name, code in codes.items()}
        return Lowered(program, places, tuple(self._expressions.uses), self._names)

    def _mentioned(self, limits: dict[Type, int]) -> set[Address]:
        """The addresses that the text uses by number, and those with a role."""
        mentioned = set(self._names.reserved)
        for function in FUNCTIONS:
            for statement in self._body(function):
                for expression in _expressions_of(statement):
                    names = (node for node in walk(expression) if isinstance(node, Name))
                    mentioned.update(filter(None, (address_of(name, limits) for name in names)))
        # Either may be the label or the prediction of more than two classes.
        pair = {Address(Type.VECTOR, 1), Address(Type.VECTOR, 2)}
        return mentioned | pair if mentioned & pair else mentioned

    def _allocate(self, memory: Memory) -> Iterator[tuple[str, Address]]:
        """An address for each name, in the order of declaration and first assignment."""
        order = dict.fromkeys([*self._names.params, *self._names.vars])
        order |= dict.fromkeys(definition.name.text for definition in self._names.definitions)
        for name in order:
            if name in self._names.types and name != PREDICTION:
                yield name, memory.keep(self._names.types[name], self._names.origins[name])

    def _body(self, function: str) -> tuple[Statement, ...]:
        return self._names.functions[function].body if function in self._names.functions else ()

    def _param(self, declaration: ParamDeclaration, index: int) -> Param:
        default = _number(declaration.default, "the default")
        scale, low, high = "linear", None, None
        if declaration.range:
            scale, low, high = _range(declaration.range)
            if not low <= default <= high:
                what = f"a default from {low:g} to {high:g}"
                raise PlacedError(expected(what, f"{default:g}"), declaration.default.place)
        out = self._names.own[declaration.name].number
        self._expressions.constants.code.add(
            Instruction(SET, out, (), (default,)), declaration.place
        )
        return Param(declaration.name, "setup", index, 0, default, low, high, scale)

    def _function(self, function: str) -> Code:
        self._expressions.function = function
        self._expressions.code = code = Code()
        body = self._body(function)
        for position, statement in enumerate(body):
            self._expressions.place = statement.place
            if position and isinstance(body[position - 1], Return):
                message = expected("return as the last statement", "one after it")
                raise PlacedError(message, statement.place)
            try:
                self._statement(statement, first=position == 0)
            except UntypedError as error:
                self._untyped = self._untyped or error
        return code

    def _statement(self, statement: Statement, first: bool) -> None:
        match statement:
            case Assign():
                self._assign(statement)
            case Return():
                function = self._expressions.function
                if function != "predict":
                    got = f"one in {function.capitalize()}"
                    raise PlacedError(expected("return in Predict alone", got), statement.place)
                target = self._expressions.address(Name(statement.place, PREDICTION))
                self._expressions.assign(target, statement.value)
            case Bare():
                self._bare(statement.value)
            case ParamDeclaration() | VarDeclaration():
                word = "param" if isinstance(statement, ParamDeclaration) else "var"
                message = expected(f"{word} at the left margin", "one within a function")
                raise PlacedError(message, statement.place)
            case Text() if not first:
                message = expected("a string only as the first line", "one further down")
                raise PlacedError(message, statement.place)

    def _assign(self, statement: Assign) -> None:
        target = statement.target
        if isinstance(target, Index):
            self._entry(statement, target)
            return
        if not isinstance(target, Name) or target.text in (*CONSTANTS, SHAPE):
            got = repr(target.text) if isinstance(target, Name) else "an expression"
            message = expected("an address or a name to assign to", got)
            raise PlacedError(message, statement.place)
        value = statement.value
        try:
            address = self._expressions.address(target)
        except UntypedError:
            self._expressions.lower(value)  # most often the value is what is wrong
            raise
        if statement.symbol != "=":
            symbol = statement.symbol[0]
            depth = max(target.depth, value.depth) + 1
            value = Binary(statement.operator, symbol, target, value, depth)
        self._expressions.assign(address, value)
        function = self._expressions.function
        self._expressions.uses.append(Use(function, address, target, written=True))

    def _entry(self, statement: Assign, target: Index) -> None:
        """``v1[3] = 0.5``."""
        if not isinstance(target.value, Name) or statement.symbol != "=":
            what = "an entry of a vector or matrix, set with '='"
            raise PlacedError(expected(what, "something else"), statement.operator)
        address = self._expressions.address(target.value)
        op = SPELLINGS.get(Head(ENTRY, target=address.type))
        if op is None:
            message = expected("a vector or matrix", f"{target.value.text!r}, a scalar")
            raise PlacedError(message, target.place)
        count = op.constants.count(ConstantKind.INDEX)
        if len(target.indices) != count:
            what = f"{count} {'index' if count == 1 else 'indices'} for a {address.type.label}"
            raise PlacedError(expected(what, len(target.indices)), target.indices[-1].place)
        indices = [_coordinate(index) for index in target.indices]
        value = _number(statement.value, "the entry")
        instruction = Instruction(op, address.number, (), (*indices, value))
        self._expressions.code.add(instruction, statement.place)
        function = self._expressions.function
        self._expressions.uses.append(Use(function, address, target.value, written=True))

    def _bare(self, value: Expression) -> None:
        name = value.function if isinstance(value, Call) else value
        if isinstance(name, Name) and name.text == NOTHING:
            if isinstance(value, Call) and value.children:
                raise PlacedError(expected(f"{NOTHING}()", "arguments"), value.children[0].place)
            op = SPELLINGS[Head(NOTHING)]
            self._expressions.code.add(Instruction(op), value.place)
            return
        if isinstance(name, Name) and isinstance(value, Name):
            message = expected("an assignment", repr(name.text))
        else:
            message = expected("an assignment", "an expression whose value goes nowhere")
        raise PlacedError(message, value.place)


def _expressions_of(statement: Statement) -> tuple[Expression, ...]:
    match statement:
        case Assign():
            return (statement.target, statement.value)
        case Return() | Bare():
            return (statement.value,)
    return ()


def _number(expression: Expression, what: str) -> float:
    value = fold(expression)
    if value is None:
        raise PlacedError(expected(f"a number for {what}", "an expression"), expression.place)
    return value


def _coordinate(expression: Expression) -> float:
    """An entry's index: an int is a coordinate, a float a fraction of the number of features."""
    if isinstance(expression, Number) and expression.coordinate is not None:
        if expression.coordinate >= _COORDINATES:
            what = f"a coordinate from 0 to {_COORDINATES - 1}"
            raise PlacedError(expected(what, f"{expression.value:g}"), expression.place)
        return expression.coordinate
    value = _number(expression, "the index")
    if not 0.0 <= value < 1.0:
        what = f"a fraction in [0, 1) or a coordinate from 0 to {_COORDINATES - 1}"
        got = repr(value) if isinstance(expression, Number) else f"{value:g}"
        raise PlacedError(expected(what, got), expression.place)
    return value


def _range(expression: Expression) -> tuple[str, float, float]:
    """Scale, low and high of ``(low, high)`` or ``log(low, high)``."""
    scale, ends = "linear", expression.children
    if isinstance(expression, Call):
        known = isinstance(expression.function, Name) and expression.function.text in _SCALES
        scale = expression.function.text if known else ""  # type: ignore[union-attr]
    elif not isinstance(expression, Tuple):
        scale = ""
    if not scale or len(ends) != 2 or (isinstance(expression, Call) and expression.keywords):
        message = expected("a range, (low, high) or log(low, high)", "something else")
        raise PlacedError(message, expression.place)
    low, high = (_number(end, "the end of the range") for end in ends)
    if not low < high or high - low == float("inf"):
        message = expected("a range from low to high, both finite", f"({low:g}, {high:g})")
        raise PlacedError(message, ends[0].place)
    if scale == "log" and low <= 0.0:
        raise PlacedError(expected("a low end above 0 for log", f"{low:g}"), ends[0].place)
    return scale, low, high


_SCALES = ("linear", "log")
