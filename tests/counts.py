"""How much tests do: full counts by `make verify`, which sets AZC_VERIFY, a sample otherwise."""

from __future__ import annotations

import os

import pytest

FULL = os.environ.get("AZC_VERIFY") == "1"

#: For a test of which there is no sample.
only_full = pytest.mark.skipif(not FULL, reason="AZC_VERIFY=1 runs it")
