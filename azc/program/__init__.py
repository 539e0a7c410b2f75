"""Programs as immutable values, with their text in the core dialect.

Text is made into programs by `azc.lang`; what a program means when run is in `docs/semantics.md`.
"""

from azc.program.instruction import PACKED, Address, Instruction
from azc.program.program import (
    FUNCTIONS,
    MAX_ADDRESS,
    Param,
    Program,
    ProgramError,
    require_program,
    verify,
)

__all__ = [
    "FUNCTIONS",
    "MAX_ADDRESS",
    "PACKED",
    "Address",
    "Instruction",
    "Param",
    "Program",
    "ProgramError",
    "require_program",
    "verify",
]
