from __future__ import annotations

import pytest

from saycan.planners.stops import before


@pytest.mark.parametrize(
    ("stop", "left"),
    [(("\n",), " wave. bow."), ((". ", "\n"), " wave"), (("\n", " bow", "ve. "), " wa"), (("jump",), None), ((), None)],
)
def test_the_stop_text_that_comes_first_ends_it(stop: tuple[str, ...], left: str | None) -> None:
    text = " wave. bow.\n2. jog"
    assert before(text, stop) == (text if left is None else left)
