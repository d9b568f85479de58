"""A request that brought no answer: why, whether to send it again, and after which pause."""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from saycan.planners.openai.statuses import Status

if TYPE_CHECKING:
    from tenacity import RetryCallState

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0  # s between two attempts, where the server names none


class RequestFailure(Exception):
    """One request that brought no answer.

    Args:
        status: What it means.
        detail: What follows the meaning in the message.
        code: The HTTP status; 0 when there was none.
        retried: Whether to send again; as the status says when None.
        pause: Seconds to wait first, when the server says so.
    """

    def __init__(
        self,
        status: Status,
        detail: str = "",
        *,
        code: int = 0,
        retried: bool | None = None,
        pause: float | None = None,
    ) -> None:
        super().__init__(status.meaning)
        self.status, self.detail, self.code, self.pause = status, detail, code, pause
        self.retried = status.retried if retried is None else retried


def pause_before_next(state: RetryCallState) -> float:
    """Seconds until the next attempt: what the server asks for, else twice as long each time, with a random part."""
    import tenacity

    failure = state.outcome.exception() if state.outcome is not None else None
    if isinstance(failure, RequestFailure) and failure.pause is not None:
        return failure.pause
    return tenacity.wait_exponential_jitter(_FIRST_PAUSE, _LONGEST_PAUSE, jitter=_FIRST_PAUSE)(state)


def asked_pause(headers: Any) -> float | None:
    """Seconds that a server asks to wait, by its Retry-After header (RFC 9110, section 10.2.3) or OpenAI's own."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time.time()
            except ValueError:
                continue
        if not math.isnan(seconds):
            return max(0.0, seconds)
    return None


def cause_of(error: BaseException) -> str:
    """Why there is no connection, in the words of the operating system where it has any."""
    root = error
    while (inner := root.__cause__ or root.__context__) is not None:
        root = inner
    return f"({type(root).__name__}{f': {root}' if isinstance(root, OSError) and str(root) else ''})"
