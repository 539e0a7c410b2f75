"""Image sets read from the files of their official distributions; nothing is ever downloaded."""

from azc.tasks.images.catalogue import IMAGE_SETS, ImageSet
from azc.tasks.images.store import find, load, pools

__all__ = ["IMAGE_SETS", "ImageSet", "find", "load", "pools"]
