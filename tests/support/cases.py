"""Cases of parametrized tests."""

from collections.abc import Iterable
from typing import Any

import pytest


def mostly_long(cases: Iterable[Any], short: int = 1) -> list[Any]:
    """Return the cases, all but the first `short` of which are long.

    A case is a value, or a tuple of the values of several parameters.
    """
    rows = [case if isinstance(case, tuple) else (case,) for case in cases]
    others = [pytest.param(*row, marks=pytest.mark.long) for row in rows[short:]]
    return [*(pytest.param(*row) for row in rows[:short]), *others]
