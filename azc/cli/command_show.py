"""`azc show`: what becomes of a program."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, Whole, json_option
from azc.cli.output import finite, print_json, print_program
from azc.cli.programs import load_program

if TYPE_CHECKING:
    from azc.program import Param, Program

_EXAMPLES = """
azc show model.az
azc show model.az --live
azc show linear --hash
azc show model.az --json
"""
_MOST_CLASSES = 4096
_INDENT = "    "
#: Notes of longer lines do not move those of the others.
_NOTE_COLUMN = 48


@click.command("show", cls=Command, examples=_EXAMPLES)
@click.argument("program_name", metavar="P.az")
@click.option("--core", is_flag=True, help="Only the core text.")
@click.option("--live", is_flag=True, help="Only the instructions that can reach a prediction.")
@click.option("--canonical", is_flag=True, help="The live part under standard names.")
@click.option("--hash", "only_hash", is_flag=True, help="The hash of the canonical form.")
@click.option(
    "--classes",
    type=Whole(0, _MOST_CLASSES),
    metavar="N",
    help="Number of classes of the task; with more than 2, v2 is the prediction.  "
    "[default: as the program is written]",
)
@json_option
def command(
    program_name: str,
    core: bool,
    live: bool,
    canonical: bool,
    only_hash: bool,
    classes: int | None,
    as_json: bool,
) -> None:
    """Show what a program lowers to, and what of it is live.

    Without options: the core text, beside each line the name that the author gave its address,
    and "dead" where the instruction can never reach a prediction. P.az is a file, the name of a
    program from 'azc library', or - for standard input.
    """
    asked = {"--core": core, "--live": live, "--canonical": canonical, "--hash": only_hash}
    given = [name for name, value in {**asked, "--json": as_json}.items() if value]
    if len(given) > 1:
        raise click.UsageError(f"expected at most one of {', '.join(asked)} and --json, "
                               f"got {' and '.join(given)}")  # fmt: skip
    program = load_program(program_name)

    from azc import analysis

    if core:
        print_program(str(program))
    elif live:
        print_program(str(analysis.live(program, classes)))
    elif canonical:
        print_program(str(analysis.canonical(program, classes)))
    elif only_hash:
        click.echo(analysis.canonical_hash(program, classes))
    elif as_json:
        print_json(_document(program, classes))
    else:
        print_program(_annotated(program, classes))


def _annotated(program: Program, classes: int | None) -> str:
    from azc.analysis import canonical_hash, live_mask

    masks = live_mask(program, classes)
    notes = []
    for (function, body), mask in zip(program.functions(), masks, strict=True):
        params = {param.index: param for param in program.params if param.function == function}
        for index, (instruction, alive) in enumerate(zip(body, mask, strict=True)):
            output = instruction.output
            name = program.names.get(output, "") if output else ""
            parts = [_describe_param(params[index]) if index in params else name]
            if not alive:
                parts.append("dead")
            notes.append(", ".join(filter(None, parts)))
    total, dead = sum(map(len, masks)), sum(mask.count(False) for mask in masks)
    return (
        _with_notes(str(program), notes)
        + f"\n# {total} instructions, {dead} dead\n# hash {canonical_hash(program, classes)}\n"
    )


def _describe_param(param: Param) -> str:
    text = f"param {param.name}"
    if param.low is not None and param.high is not None:
        scale = "log" if param.scale == "log" else ""
        text += f" in {scale}({param.low!r}, {param.high!r})"
    return text


def _with_notes(text: str, notes: list[str]) -> str:
    """`text` with a comment at each line that is an instruction; the lines are those of `notes`."""
    lines = text.splitlines()
    # From the end, because a docstring before the functions may look like anything.
    numbers: list[int] = []
    for number in range(len(lines) - 1, -1, -1):
        if len(numbers) == len(notes):
            break
        if lines[number].startswith(_INDENT) and lines[number] != f"{_INDENT}pass":
            numbers.append(number)
    numbers.reverse()
    widths = [len(lines[number]) for number in numbers if len(lines[number]) <= _NOTE_COLUMN]
    column = max(widths, default=0)
    for number, note in zip(numbers, notes, strict=True):
        if note:
            lines[number] = f"{lines[number]:<{column}}  # {note}"
    return "".join(f"{line}\n" for line in lines)


def _document(program: Program, classes: int | None) -> dict[str, Any]:
    from azc import analysis

    masks = analysis.live_mask(program, classes)
    return {
        "program": program.filename,
        "doc": program.doc,
        "hash": analysis.canonical_hash(program, classes),
        "core": str(program),
        "live": str(analysis.live(program, classes)),
        "canonical": str(analysis.canonical(program, classes)),
        "instructions": [
            {
                "function": function,
                "index": index,
                "op": instruction.op.name,
                "text": str(instruction),
                "live": alive,
            }
            for (function, body), mask in zip(program.functions(), masks, strict=True)
            for index, (instruction, alive) in enumerate(zip(body, mask, strict=True))
        ],
        "names": {str(address): name for address, name in program.names.items()},
        "params": [_param_document(param) for param in program.params],
    }


def _param_document(param: Param) -> dict[str, Any]:
    return {
        key: finite(value) if isinstance(value, float) else value
        for key, value in asdict(param).items()
    }
