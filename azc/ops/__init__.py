"""The ops: what an instruction can do (Real et al. 2020, table 1 and its appendix).

`azc.ops.table` declares each op once; everything that knows ops is derived from that declaration:
parser, printer, verifier, canonical form, random generation and mutation, interpreter kernels,
NumPy reference, `azc ops` and `docs/ops.md`.
"""

from azc.ops.model import ConstantKind, Op, Type
from azc.ops.table import OPS, TABLE_VERSION, by_name, by_number

__all__ = ["OPS", "TABLE_VERSION", "ConstantKind", "Op", "Type", "by_name", "by_number"]
