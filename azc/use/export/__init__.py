"""Programs for those who have no azc.

targets         the table of targets, and `export`
subject         live statements, and which values matter where
words           what files say of their program
numpy           a class in NumPy
sklearn         an estimator around that class
c               functions in C
c_statements    statements as loops over eight entries at a time
c_parts         sums, mathematical functions, random numbers for them
cython          a module around the C
latex           equations
markdown        a page with equations and data flow
"""

from azc.use.export.targets import TARGETS, Target, export

__all__ = ["TARGETS", "Target", "export"]
