"""What reappears over independent runs: fragments of data flow, counted against chance."""

from azc.use.motifs.finding import Hall, Motif, Motifs, find, motifs, read_halls
from azc.use.motifs.fragments import Piece
from azc.use.motifs.knocking import KnockIn, knock_in

__all__ = [
    "Hall",
    "KnockIn",
    "Motif",
    "Motifs",
    "Piece",
    "find",
    "knock_in",
    "motifs",
    "read_halls",
]
