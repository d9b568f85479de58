"""Requests to a model of langchain-core: within a deadline, counted, and failing in our own words.

Providers and their packages raise errors of many trees. What they have in common is the name of a class somewhere
among the bases, as in `langchain_core.exceptions` (1.7 and newer) and in the providers' own packages, and the status
code of the response; both are looked at, and neither package has to be there.
"""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from saycan.errors import LanguageModelError, ModelRefusalError, ModelUnavailableError, SayCanError
from saycan.planners.deadline import Deadline
from saycan.planners.waiting import wait_for_all
from saycan.usage import Usage

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

T = TypeVar("T")

_KEY_REFUSED = {
    "ModelAuthenticationError",
    "ModelPermissionDeniedError",
    "AuthenticationError",
    "PermissionDeniedError",
}
_UNAVAILABLE = {
    "ModelRateLimitError", "ModelAPIError", "ModelConnectionError", "ModelTimeoutError", "RateLimitError",
    "InternalServerError", "APIConnectionError", "TimeoutException", "TransportError", "ConnectionError",
    "TimeoutError",
}  # fmt: skip
_REFUSED = {"ModelRefusalError", "OpenAIRefusalError", "ContentFilterFinishReasonError"}
_UNSUPPORTED = {"ModelInvalidRequestError", "BadRequestError", "UnprocessableEntityError", "NotImplementedError"}
_UNSUPPORTED |= {"TypeError"}  # an argument that the model's own code does not take
_FILTERED = {"refusal", "content_filter", "safety", "prohibited_content", "blocklist", "recitation"}
"""Reasons to finish, in lower case, that mean the answer was withheld."""


class UnsupportedError(LanguageModelError):
    """The model cannot be asked in this way."""


class Requests:
    """Asks one model, and counts.

    Args:
        name: The model's, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._usage, self._lock = Usage(), threading.Lock()

    @property
    def usage(self) -> Usage:
        """Everything since it was made."""
        return self._usage

    def add(self, usage: Usage) -> None:
        """Count more. From any thread."""
        with self._lock:
            self._usage += usage

    def ask(self, calls: Sequence[Callable[[], T]], deadline: Deadline) -> list[T]:
        """What each call returns, side by side.

        Args:
            calls: One request each.
            deadline: For all of them together.

        Raises:
            ModelUnavailableError: No answer in time, or the server is unreachable, overloaded or refuses the key.
            ModelRefusalError: The model declined.
            UnsupportedError: The model cannot be asked in this way.
            LanguageModelError: Anything else that went wrong.
            DecisionInterruptedError: Nobody waits for the decision any more.
        """
        return wait_for_all([self._counted(call) for call in calls], deadline)

    def _counted(self, call: Callable[[], T]) -> Callable[[], T]:
        def run() -> T:
            self.add(Usage(requests=1))
            try:
                return call()
            except SayCanError:
                raise
            except Exception as error:
                # Providers repeat parts of the key in their words, which a traceback would print.
                raise self._translated(error) from (None if _refuses_key(error) else error)

        return run

    def _translated(self, error: Exception) -> LanguageModelError:
        names, status = _names_of(error), _status_of(error)
        said = f"{type(error).__name__}: {shortened(str(error))}"
        if names & _REFUSED:
            return ModelRefusalError(shortened(str(error)))
        if _refuses_key(error):
            return ModelUnavailableError(f"{self.name}: the provider refused the key ({type(error).__name__})")
        if names & _UNAVAILABLE or status in (408, 409, 429) or (isinstance(status, int) and status >= 500):
            return ModelUnavailableError(f"{self.name} is not available: {said}")
        if "ContextOverflowError" not in names and (names & _UNSUPPORTED or status in (400, 422)):
            return UnsupportedError(f"{self.name} does not take such a request: {said}")
        return LanguageModelError(f"{self.name} failed: {said}")


def _refuses_key(error: Exception) -> bool:
    return bool(_names_of(error) & _KEY_REFUSED) or _status_of(error) in (401, 403)


def _names_of(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _status_of(error: Exception) -> object:
    """The status code of the response, which some errors hold themselves and others with the response; else None."""
    return getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)


def received(message: BaseMessage, requests: Requests) -> BaseMessage:
    """The message, its tokens counted. Raises ModelRefusalError when it is none but a refusal."""
    requests.add(tokens(getattr(message, "usage_metadata", None)))
    refusal = refusal_of(message)
    if refusal is not None:
        raise ModelRefusalError(shortened(refusal) or "the model gave no reason")
    return message


def tokens(usage: Mapping[str, Any] | None) -> Usage:
    """`UsageMetadata` of langchain-core in our counts; nothing where a provider reports none."""
    if not usage:
        return Usage()
    cached = (usage.get("input_token_details") or {}).get("cache_read") or 0
    return Usage(0, usage.get("input_tokens") or 0, cached, usage.get("output_tokens") or 0)


def refusal_of(message: BaseMessage) -> str | None:
    """The words in which a model declined, which may be none; None when it did not decline.

    Refusals come as a block of the content, as a field beside it, or as the reason why the answer ended. One that is
    written as ordinary text is an answer that names no option.
    """
    for block in message.content if isinstance(message.content, list) else ():
        if isinstance(block, dict) and block.get("type") == "refusal":
            return str(block.get("refusal") or "")
    beside = message.additional_kwargs.get("refusal")
    if beside:
        return str(beside)
    for field in ("stop_reason", "finish_reason"):
        reason = str(message.response_metadata.get(field) or "").lower()
        if reason in _FILTERED:
            return message.text or f"the answer was withheld ({reason})"
    return None


def words(name: str, **holes: object) -> str:
    """A question from `prompts/langchain.toml` with its holes filled."""
    return _templates()[name].format(**holes)


@cache
def _templates() -> dict[str, str]:
    return tomllib.loads((files("saycan.prompts") / "langchain.toml").read_text(encoding="utf-8"))


def shortened(text: str, most: int = 200) -> str:
    """One line of at most `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."
