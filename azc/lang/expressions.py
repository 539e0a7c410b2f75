"""Lowering of expressions: a value at an address, by as few instructions as it takes."""

from __future__ import annotations

from dataclasses import replace

from azc.errors import expected, nearest
from azc.lang.code import FILL, ROWS, SET, Code, Constants, Use, Value
from azc.lang.fold import CONSTANTS, HALF, arithmetic, exponent, fold, power
from azc.lang.functions import (
    ALIASES,
    DRAWS,
    PARAMETERS,
    Direct,
    Spread,
    known_functions,
    mismatch,
    operand_types,
    resolve,
    template,
)
from azc.lang.infer import operands_of, shape_type
from azc.lang.memory import Memory
from azc.lang.names import SHAPE, Names
from azc.lang.source import Place, PlacedError
from azc.lang.spellings import (
    NOTHING,
    RANDOM,
    RECIPROCAL,
    SPELLINGS,
    Head,
    trailing_literals,
)
from azc.lang.syntax import (
    Attribute,
    Binary,
    Call,
    Expression,
    Index,
    Name,
    Number,
    Tuple,
    Unary,
    walk,
)
from azc.ops import Op, Type
from azc.program import Address, Instruction

__all__ = ["Expressions"]

_S, _V, _M = Type


class Expressions:
    """Lowers expressions into `code`.

    `function` and `place` say which function and which statement they belong to.
    """

    def __init__(self, names: Names, memory: Memory) -> None:
        self.code = Code()
        self.constants = Constants(memory)
        self.function = ""
        self.place = Place(1, 1)
        self.uses: list[Use] = []
        self._names = names
        self._memory = memory

    def address(self, name: Name) -> Address:
        """The address that `name` stands for; raises `PlacedError`."""
        address = self._names.address(self.function, name)
        if address is None:
            raise self._names.unknown(self.function, name)
        return address

    def mentions(self, expression: Expression, address: Address) -> bool:
        """Whether `expression` reads `address`."""
        names = (node for node in walk(expression) if isinstance(node, Name))
        return any(self._names.address(self.function, name) == address for name in names)

    def assign(self, target: Address, expression: Expression) -> None:
        """Instructions that leave the value of `expression` at `target`; raises `PlacedError`."""
        lend = not self.mentions(expression, target)
        if lend:
            self._memory.lend(target)
        value = self.lower(expression, target.type, target)
        if lend:
            self._memory.take_back(target)
        if value.type is not target.type:
            raise PlacedError(self._conflict(target, value.type), expression.place)
        if value.address is None:
            self._emit(SET, [], target, (value.number,))
        elif value.address != target:
            self._copy(value, target)

    def lower(
        self,
        expression: Expression,
        want: Type | None = None,
        into: Address | None = None,
        given: dict[str, Value] | None = None,
    ) -> Value:
        """The value of `expression`.

        `want` is the type that draws without a shape have. The last instruction writes `into`, if
        there is one and the types agree. `given` are the operands of the macro being expanded.
        """
        match expression:
            case Number():
                return Value(_S, number=expression.value)
            case Name():
                return self._name(expression, given or {})
            case Unary(symbol="+"):
                return self.lower(expression.operand, want, into, given)
            case Unary():
                value = self.lower(expression.operand, want, given=given)
                if value.address is None:
                    return replace(value, number=-value.number)
                # 0 - x would turn 0 into 0, not -0.
                return self._apply("*", [Value(_S, number=-1.0), value], None, expression, into)
            case Binary(symbol="**"):
                base = self.lower(expression.left, want, given=given)
                return self._power(base, exponent(expression.right), expression, into)
            case Binary():
                return self._binary(expression, want, into, given)
            case Call():
                return self._call(expression, want, into, given)
            case Attribute(name="T"):
                value = self.lower(expression.value, _M, given=given)
                return self._apply("transpose", [value], None, expression, into)
            case Attribute():
                do = f"write {expression.name}(...)" if expression.name in known_functions() else ""
                raise PlacedError(expected(".T", f".{expression.name}", do), expression.place)
            case Index():
                message = expected("a value", "one entry", "entries can be set, but not read")
                raise PlacedError(message, expression.place)
            case Tuple():
                raise PlacedError(expected("one value", "several in brackets"), expression.place)

    def _name(self, name: Name, given: dict[str, Value]) -> Value:
        if name.text in given:
            return given[name.text]
        if name.text in CONSTANTS:
            return Value(_S, number=CONSTANTS[name.text])
        address = self.address(name)
        self.uses.append(Use(self.function, address, name, written=False))
        return Value(address.type, address)

    def _binary(
        self,
        expression: Binary,
        want: Type | None,
        into: Address | None,
        given: dict[str, Value] | None,
    ) -> Value:
        symbol, left, right = expression.symbol, expression.left, expression.right
        # x + -y is x - y and so on, to the bit, and saves the negation.
        if symbol in "+-" and (operand := _negated(right)):
            symbol, right = ("-" if symbol == "+" else "+"), operand
        elif symbol == "+" and (operand := _negated(left)):
            symbol, left, right = "-", right, operand
        name = "matmul" if symbol == "@" else symbol
        wanted = operand_types(name, 2, None, want)
        first = self.lower(left, wanted[0], given=given)
        second = self.lower(right, wanted[1], given=given)
        if first.address is None and second.address is None:
            value = arithmetic(symbol, first.number, second.number)
            if value is not None:
                return Value(_S, number=value)
        if symbol == "/" and first.address is None and first.number == 1.0:
            return self._apply(RECIPROCAL, [second], None, expression, into)
        return self._apply(name, [first, second], None, expression, into)

    def _call(
        self,
        call: Call,
        want: Type | None,
        into: Address | None,
        given: dict[str, Value] | None,
    ) -> Value:
        if not isinstance(call.function, Name):
            known = isinstance(call.function, Attribute) and call.function.name in known_functions()
            do = f"write {call.function.name}(...)" if known else ""  # type: ignore[union-attr]
            raise PlacedError(expected("a function's name", "an expression", do), call.place)
        name = ALIASES.get(call.function.text, call.function.text)
        if name == NOTHING:
            raise PlacedError(expected("a value", f"{NOTHING}(), which gives none"), call.place)
        if name in RANDOM:
            return self._draw(name, call, want, into, given)
        axis = _axis(call, name)
        operands = operands_of(name, call)
        literals = trailing_literals(name)
        if literals and len(operands) == len(literals) + 1:
            last = ", ".join(f"{value:.1f}" for value in literals)
            raise PlacedError(expected(f"{name}(…, {last})", "another last argument"), call.place)
        wanted = operand_types(name, len(operands), axis, want)
        values = [
            self.lower(operand, type, given=given)
            for operand, type in zip(operands, wanted, strict=True)
        ]
        return self._apply(name, values, axis, call, into)

    def _apply(
        self,
        name: str,
        values: list[Value],
        axis: int | None,
        expression: Expression,
        into: Address | None,
    ) -> Value:
        types = tuple(value.type for value in values)
        meaning = resolve(name, types, axis)
        if meaning is None:
            raise PlacedError(mismatch(name, types, axis), expression.place)
        if isinstance(meaning, Direct):
            if meaning.op is FILL and values[0].address is None and into is None:
                return replace(values[0], type=_V, address=self._materialise(values[0], _V))
            return self._emit(meaning.op, values[::-1] if meaning.swap else values, into)
        if isinstance(meaning, Spread):
            spread = [self._spread(value, meaning.type) for value in values]
            return self._apply(name, spread, axis, expression, into)
        return self._expand(meaning.text, values, None, expression, into)

    def _expand(
        self,
        text: str,
        values: list[Value],
        want: Type | None,
        expression: Expression,
        into: Address | None,
    ) -> Value:
        # The operands may be read more than once, so they live until the end.
        kept = [replace(value, temporary=False) for value in values]
        try:
            result = self.lower(
                template(text), want, into, dict(zip(PARAMETERS, kept, strict=False))
            )
        except PlacedError as error:
            raise PlacedError(error.message, expression.place) from None
        self._release(values)
        return result

    def _draw(
        self,
        name: str,
        call: Call,
        want: Type | None,
        into: Address | None,
        given: dict[str, Value] | None,
    ) -> Value:
        count = len(SPELLINGS[Head(name, target=_S)].constants)
        arguments = call.arguments
        if call.keywords or len(arguments) not in (count, count + 1):
            got = "a keyword" if call.keywords else len(arguments)
            raise PlacedError(
                expected(f"{count} arguments of {name}, and a shape", got), call.place
            )
        type = want
        if len(arguments) > count:
            type = shape_type(arguments)
            if type is None:
                what = f"{SHAPE} or ({SHAPE}, {SHAPE}) as the shape"
                raise PlacedError(expected(what, "something else"), arguments[-1].place)
        if type is None:
            do = f"write {name}(a, b, {SHAPE}) or declare what it is assigned to with var"
            raise PlacedError(expected(f"a shape for {name}", "none", do), call.place)
        numbers = [fold(argument) for argument in arguments[:count]]
        constants = tuple(number for number in numbers if number is not None)
        if len(constants) == count:
            return self._emit(SPELLINGS[Head(name, target=type)], [], into, constants)
        if name not in DRAWS:
            raise PlacedError(expected(f"numbers in {name}(...)", "an expression"), call.place)
        values = [self.lower(argument, given=given) for argument in arguments[:count]]
        text = DRAWS[name][numbers[0] == 0.0]
        return self._expand(text, values, type, call, into)

    def _power(
        self, base: Value, power_: float, expression: Expression, into: Address | None
    ) -> Value:
        if base.address is None:
            return replace(base, number=power(base.number, power_))
        if power_ == HALF:
            return self._apply("sqrt", [base], None, expression, into)
        if power_ < 0:
            value = self._power(base, -power_, expression, None)
            return self._apply(RECIPROCAL, [value], None, expression, into)
        if power_ == 1:
            return base
        kept = replace(base, temporary=False)
        half = self._power(kept, power_ // 2, expression, None)
        if power_ % 2:
            square = self._apply("*", [half, half], None, expression, None)
            result = self._apply("*", [square, kept], None, expression, into)
        else:
            result = self._apply("*", [half, half], None, expression, into)
        self._release([base])
        return result

    def _emit(
        self,
        op: Op,
        values: list[Value],
        into: Address | None,
        constants: tuple[float, ...] = (),
    ) -> Value:
        assert op.output
        inputs = [self._materialise(value, value.type) for value in values]
        # An op reads before it writes, so its result may be written where an operand is.
        self._release(values)
        out = into if into and into.type is op.output else None
        out = out or self._memory.borrow(op.output, self.place)
        numbers = tuple(address.number for address in inputs)
        self.code.add(Instruction(op, out.number, numbers, constants), self.place)
        return Value(op.output, out, temporary=out != into)

    def _release(self, values: list[Value]) -> None:
        for address in {value.address for value in values if value.temporary}:
            if address:
                self._memory.give_back(address)

    def _copy(self, value: Value, target: Address) -> None:
        # The smaller of a value and itself is the value, to the bit, NaN and -0 included.
        self._emit(SPELLINGS[Head("minimum", (target.type,) * 2)], [value, value], target)

    def _spread(self, value: Value, type: Type) -> Value:
        """`value` as a wider type: a scalar everywhere, a vector in every row."""
        if value.type is type:
            return value
        if value.address is None:
            return Value(type, self._materialise(value, type))
        if value.type is _S:
            value = self._emit(FILL, [value], None)
        return value if value.type is type else self._emit(ROWS, [value], None)

    def _materialise(self, value: Value, type: Type) -> Address:
        """Where `value` is, as a `type` if it is a number."""
        return value.address or self.constants.address(value.number, type, self.place)

    def _conflict(self, target: Address, type: Type) -> str:
        names = [name for name, address in self._names.own.items() if address == target]
        origin = self._names.origins.get(names[0]) if names else None
        since = f" (since line {origin.line})" if origin else ""
        shown = repr(names[0]) if names else str(target)
        do = "write bcast(...)" if (target.type, type) == (_V, _S) else ""
        return expected(f"a {target.type.label} for {shown}{since}", f"a {type.label}", do)


def _negated(expression: Expression) -> Expression | None:
    """What `expression` is the negative of; None if it is a number or no negative."""
    negative = isinstance(expression, Unary) and expression.symbol == "-"
    return expression.children[0] if negative and fold(expression) is None else None


def _axis(call: Call, name: str) -> int | None:
    """The axis that a call names; raises `PlacedError` for any other keyword."""
    axis = None
    for keyword in call.keywords:
        if keyword.name != "axis":
            do = nearest(keyword.name, ["axis"])
            raise PlacedError(
                expected(f"axis= in {name}(...)", repr(keyword.name), do), keyword.place
            )
        if axis is not None:
            raise PlacedError(expected("one axis", "a second"), keyword.place)
        number = keyword.value.coordinate if isinstance(keyword.value, Number) else None
        if number not in (0, 1):
            raise PlacedError(expected("axis=0 or axis=1", "another axis"), keyword.value.place)
        axis = number
    return axis
