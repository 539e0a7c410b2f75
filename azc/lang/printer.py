"""From programs to text: the core dialect."""

from __future__ import annotations

from azc.ops import ConstantKind
from azc.program import Address, Instruction, Program

__all__ = ["format_instruction", "format_program"]

_INDENT = "    "


def format_program(program: Program) -> str:
    """The program's text; parsing it gives the same program, to the bit, and the same docstring."""
    parts = []
    for name, body in program.functions():
        lines = [format_instruction(instruction) for instruction in body] or ["pass"]
        head = f"def {name.capitalize()}():\n"
        parts.append(head + "".join(f"{_INDENT}{line}\n" for line in lines))
    doc = f"{_quote(program.doc)}\n" if program.doc else ""
    return doc + "\n".join(parts)


def format_instruction(instruction: Instruction) -> str:
    """One instruction as the op table spells it."""
    op = instruction.op
    operands = map(Address, op.inputs, instruction.inputs)
    fields = {letter: str(operand) for letter, operand in zip("ab", operands, strict=False)}
    for index, (kind, value) in enumerate(zip(op.constants, instruction.constants, strict=True)):
        # An index written as an integer is a coordinate; anything else is a float.
        whole = kind is ConstantKind.INDEX and isinstance(value, int)
        fields[f"c{index}"] = str(int(value)) if whole else repr(float(value))
    return op.text.format(out=instruction.output, **fields)


def _quote(text: str) -> str:
    """`text` as a string literal that means exactly it."""
    stem = text.rstrip('"')
    quotes = '\\"' * (len(text) - len(stem))
    stem = stem.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{"".join(map(_visible, stem))}{quotes}"""'


def _visible(char: str) -> str:
    """`char`, or a code where a reader could not see it or a terminal might act on it."""
    if char.isprintable() or char in "\n\t":
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
