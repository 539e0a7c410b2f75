"""`azc ops`: the op table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, json_option
from azc.cli.output import Column, print_json, print_table
from azc.errors import ConfigError, expected, nearest

if TYPE_CHECKING:
    from azc.ops import Op

_EXAMPLES = """
azc ops
azc ops dot
azc ops OP27
azc ops --json
"""
_COLUMNS = (
    Column("op"),
    Column("name"),
    Column("text"),
    Column("types"),
    Column("constants"),
    Column("properties", wraps=True),
    Column("does", wraps=True),
)
_PROPERTIES = ("commutative", "random", "entry", "elementwise", "reduction")


@click.command("ops", cls=Command, examples=_EXAMPLES)
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the ops, or explain one.

    NAME is an op's name or its number in the paper, such as OP27 or 27.
    """
    from azc.ops import OPS

    if name is None:
        if as_json:
            print_json([_document(op) for op in OPS])
        else:
            print_table(_COLUMNS, [_row(op) for op in OPS])
        return
    op = _find(name)
    if as_json:
        print_json(_document(op))
        return
    fields = dict(zip([column.title for column in _COLUMNS], _row(op), strict=True))
    for title, value in fields.items():
        if value:
            click.echo(f"{title:<10}  {value}")
    for kind in op.constants:
        click.echo(f"{kind.label:<10}  drawn from [{kind.low:g}, {kind.high:g})")


def _find(name: str) -> Op:
    from azc.ops import OPS

    number = re.fullmatch(r"(?:op)?0*([0-9]{1,4})", name, re.IGNORECASE)
    for op in OPS:
        if op.name == name.lower() or (number and op.number == int(number[1])):
            return op
    do = nearest(name.lower(), [op.name for op in OPS]) or "azc ops lists them"
    what = f"the name of an op, or its number from 0 to {OPS[-1].number}"
    raise ConfigError(expected(what, repr(name), do))


def _row(op: Op) -> list[str]:
    types = ", ".join(kind.label for kind in op.inputs)
    if op.output:
        types = f"{types} -> {op.output.label}".strip()
    properties = ", ".join(_properties(op))
    constants = ", ".join(op.constant_names)
    return [op.paper, op.name, _text(op), types, constants, properties, op.sentence]


def _text(op: Op) -> str:
    """The op's spelling with addresses of the right types: ``s3 = dot(v1, v2)``."""
    operands = [f"{kind.value}{number}" for number, kind in enumerate(op.inputs, 1)]
    return op.spelled(f"{op.output.value}3" if op.output else "", operands)


def _properties(op: Op) -> list[str]:
    return [name for name in _PROPERTIES if getattr(op, name)]


def _document(op: Op) -> dict[str, Any]:
    return {
        "number": op.number,
        "paper": op.paper,
        "name": op.name,
        "text": _text(op),
        "inputs": [kind.label for kind in op.inputs],
        "output": op.output.label if op.output else None,
        "constants": [
            {"name": name, "kind": kind.label, "low": kind.low, "high": kind.high}
            for name, kind in zip(op.constant_names, op.constants, strict=True)
        ],
        "properties": _properties(op),
        "index": op.index,
        "sentence": op.sentence,
    }
