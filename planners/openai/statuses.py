"""What an HTTP status means for a decision: whether asking again may help, which error it becomes, what to do."""

from __future__ import annotations

from dataclasses import dataclass

from saycan.errors import LanguageModelError, ModelUnavailableError


class UnsupportedError(LanguageModelError):
    """The server does not do what was asked of it; another way of asking may work."""


class MissingEndpointError(UnsupportedError):
    """The server does not have what was asked at all, so that asking for less of it is of no use."""


@dataclass(frozen=True)
class Status:
    """The meaning of one status.

    Attributes:
        retried: Whether the request is sent again.
        error: What is raised in the end.
        meaning: What was wrong, as it follows the name of the model.
        remedy: What to do.
    """

    retried: bool
    error: type[LanguageModelError]
    meaning: str
    remedy: str


_ENDPOINT = "Check the model's name and the URL, which usually ends in /v1; or choose another kind, such as openai-chat"
_WAIT = "Ask again later, raise `deadline`, or name a fallback model"

STATUSES = {
    # status: retried, error, meaning, remedy
    400: Status(False, UnsupportedError, "does not take this request", "Choose another kind, such as openai-chat"),
    401: Status(False, ModelUnavailableError, "refused the key", "Set {key_variable} to a key that is valid there"),
    402: Status(False, ModelUnavailableError, "wants to be paid first", "See to the account, or name another model"),
    403: Status(
        False, ModelUnavailableError, "does not allow this key to use the model", "Set {key_variable} to another"
    ),
    404: Status(False, MissingEndpointError, "has no such model or endpoint", _ENDPOINT),
    405: Status(False, MissingEndpointError, "has no such endpoint", _ENDPOINT),
    408: Status(True, ModelUnavailableError, "gave up waiting for the request", _WAIT),
    409: Status(True, ModelUnavailableError, "was in the middle of something else", _WAIT),
    413: Status(False, UnsupportedError, "finds the request too long", "Use fewer options or a shorter prompt"),
    415: Status(False, UnsupportedError, "does not take this request", "Choose another kind, such as openai-chat"),
    422: Status(False, UnsupportedError, "does not take this request", "Choose another kind, such as openai-chat"),
    429: Status(True, ModelUnavailableError, "is over its rate limit or quota", _WAIT),
    500: Status(True, ModelUnavailableError, "failed inside", "Look into the server's log, or choose another kind"),
    501: Status(False, UnsupportedError, "does not do this", "Choose another kind, such as openai-chat"),
    502: Status(True, ModelUnavailableError, "is not reached by its gateway", _WAIT),
    503: Status(True, ModelUnavailableError, "is overloaded or still starting", _WAIT),
    504: Status(True, ModelUnavailableError, "did not answer its gateway in time", _WAIT),
}

_OTHER_5XX = Status(True, ModelUnavailableError, "failed", _WAIT)
_OTHER = Status(False, LanguageModelError, "answered what cannot be used", _ENDPOINT)

NO_ANSWER = Status(
    True,
    ModelUnavailableError,
    "did not answer in time",
    "Raise `timeout` and `deadline`, see to the server, or choose another kind",
)
"""A time-out of one request."""

NO_CONNECTION = Status(True, ModelUnavailableError, "is not reachable", "Start the server, or correct its URL")
"""Refused, reset, cut off, or a name that does not resolve."""


def status_of(code: int) -> Status:
    """The meaning of an HTTP status of 300 or more."""
    return STATUSES.get(code, _OTHER_5XX if code >= 500 else _OTHER)
