"""The grammar of the .az language, one file: ``az.lark``."""
