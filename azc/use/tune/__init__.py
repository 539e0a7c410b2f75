"""Fits a program's constants to tasks.

constants   which constants there are, their ranges, and a program with other ones
decouple    values that a program computes although they are always the same
lanes       many constant vectors of one program at once
methods     where the next vectors come from: random search, or Optuna's samplers
record      what was tried, on disk
text        a program's text with other constants
tuning      the course of it all
"""

from azc.use.tune.constants import Constant, constants_of, with_constants
from azc.use.tune.decouple import Decoupled, decouple
from azc.use.tune.methods import METHODS
from azc.use.tune.tuning import Settings, Trial, Tuned, tune

__all__ = [
    "METHODS",
    "Constant",
    "Decoupled",
    "Settings",
    "Trial",
    "Tuned",
    "constants_of",
    "decouple",
    "tune",
    "with_constants",
]
