"""Explains programs by measurement.

autodiff    derivatives of ops, and of Predict
observing   a program at work: ranges, and directions against the gradient
roles       from data flow and measurements to words
explaining  lines left out and put in; all of it together
picture     data flow for Mermaid
shown       as text and as HTML
"""

from azc.use.explain.explaining import Cell, Direction, Explanation, Line, explain

__all__ = ["Cell", "Direction", "Explanation", "Line", "explain"]
