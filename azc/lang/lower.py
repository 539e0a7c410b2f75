"""Lowering: from the syntax tree to instructions on numbered addresses.

Where an instruction lands: a statement keeps its place in its function; constants that expressions
need are set once, at the start of Setup, after the params. So Predict and Learn, which run
thousands of times, never set them again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, NamedTuple

from azc.errors import expected
from azc.lang.expressions import Code, ExpressionLowerer
from azc.lang.fold import as_coordinate, fold
from azc.lang.names import PREDICTION, Names, Untyped, address_of
from azc.lang.memory import Memory
from azc.lang.source import Fault, Place
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
    ParamDeclaration,
    Return,
    Skip,
    Statement,
    Text,
    Tuple,
    walk,
)
from azc.ops import ConstantKind, Type
from azc.program import FUNCTIONS, Address, Instruction, Param, Program
