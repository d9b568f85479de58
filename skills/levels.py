"""What values become before the planner multiplies them: levels of some verbs, and what is not worth doing.

Driving somewhere always works, so its honest value is 1: but then it wins wherever the language model is in doubt, as
every other skill needs something. "done" is the constant of the paper's published code.
"""

from __future__ import annotations

from collections.abc import Mapping

LEVEL: Mapping[str, float] = {"go to": 0.2, "open": 0.2, "close": 0.2, "done": 0.2}
"""What the value of a verb's skills is multiplied by; those that are not here keep theirs."""

READY = 0.95
"""Value of what can be done, where nobody has learned how often it succeeds."""

POINTLESS = 0.001
"""What the phrase asks for is the case already: found, driven to, opened, shut."""
