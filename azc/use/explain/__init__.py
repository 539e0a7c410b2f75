"""Explains programs by measurement.

autodiff    derivatives of ops, and of Predict
observing   a program at work: ranges, and directions against the gradient
roles       from data flow and measurements to words
algebra     sums and products, as people write them
formulas    what lines come to when they are put into each other
explaining  lines left out and put in; all of it together
explanation what came of it, as text and as HTML
picture     data flow for Mermaid
"""

from azc.use.explain.explaining import explain
from azc.use.explain.explanation import Cell, Direction, Explanation, Line

__all__ = ["Cell", "Direction", "Explanation", "Line", "explain"]
