"""One way to a server for all kinds of questions: deadline, retries, usage, errors, and a key that nobody sees.

A request runs in a thread of its own (`saycan.planners.waiting`): a read that blocks cannot be interrupted, and a
server that sends one byte now and then never meets a time-out of its own. A thread that is given up ends with its next
byte or time-out, and its answer is thrown away.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from saycan.errors import BadInputError, LanguageModelError, ModelUnavailableError
from saycan.planners.deadline import Deadline
from saycan.planners.openai.address import KEY_VARIABLE, Address, limits_of
from saycan.planners.openai.body import Body
from saycan.planners.openai.failure import RequestFailure, asked_pause, cause_of, pause_before_next
from saycan.planners.openai.statuses import NO_ANSWER, NO_CONNECTION, Status, UnsupportedError, status_of
from saycan.planners.waiting import wait_for_all
from saycan.usage import Usage

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI
    from openai._response import APIResponse

Send = Callable[["OpenAI"], AbstractContextManager["APIResponse[Any]"]]
"""Sends one request: a `with_streaming_response` method of the SDK's client with its arguments."""

_LARGEST = 64 << 20  # bytes of an answer; more is no answer to our questions
_QUOTED = 200  # characters of what the server says that an error repeats


class ConnectionOptions(TypedDict, total=False):
    """Keyword arguments of every model here; see `Connection`."""

    timeout: float
    deadline: float
    attempts: int
    parallel: int
    key_variable: str
    http_client: httpx2.Client


class Connection:
    """Asks a server, within a deadline.

    Args:
        spec: "MODEL" (OpenAI's server, or that of OPENAI_BASE_URL), "URL#MODEL", or "URL#" for a server's only model. A
            URL may set limits: "http://127.0.0.1:8080/v1?timeout=60&deadline=300#".
        timeout: Longest time for one request, in s; that of the URL, or 10.
        deadline: Longest time for everything that one call of `score` or `generate` asks, retries included, in s; that
            of the URL, or 30. A decision may make several such calls.
        attempts: How often one request is sent at most.
        parallel: How many requests are under way at once at most.
        key_variable: Environment variable that holds the key; OPENAI_API_KEY unless it would travel unencrypted.
        http_client: Sends the requests, for tests and proxies; the caller closes it.

    Raises:
        BadInputError: A spec or number that cannot be used.
    """

    def __init__(
        self,
        spec: str,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        attempts: int = 4,
        parallel: int = 4,
        key_variable: str | None = None,
        http_client: httpx2.Client | None = None,
    ) -> None:
        spec, limits = limits_of(spec)
        timeout = limits.get("timeout", 10.0) if timeout is None else timeout
        deadline = limits.get("deadline", 30.0) if deadline is None else deadline
        for name, number in {
            "timeout": timeout,
            "deadline": deadline,
            "attempts": attempts,
            "parallel": parallel,
        }.items():
            if not (math.isfinite(number) and number > 0):
                raise BadInputError(f"{name} must be above 0 and finite, found {number}")
        self.address = Address.parse(spec, key_variable)
        self.timeout, self.seconds, self.attempts, self.parallel = timeout, deadline, attempts, parallel
        self._key_variable = key_variable or KEY_VARIABLE
        self._http_client, self._client = http_client, None if http_client is None else self._make(http_client)
        self._usage, self._lock = Usage(), threading.Lock()
        self._model = self.address.model
        self._asking_for_models = False
        self._there = ""  # which models the server offers, in words
        self._asked_within: Deadline | None = None  # when that was asked

    def __repr__(self) -> str:
        return f"Connection({str(self)!r})"

    def __str__(self) -> str:
        """What the user would type after the kind; a model that was left open is named once it is known."""
        return str(Address(self.address.url, self._model, self.address.named))

    @property
    def usage(self) -> Usage:
        """Everything since the start."""
        return self._usage

    def begin(self) -> Deadline:
        """The deadline of a call of `score` or `generate` that begins now."""
        return Deadline.after(self.seconds)

    def model(self, deadline: Deadline) -> str:
        """The model's name on the server; one that was left open is asked for. Raises LanguageModelError."""
        if not self._model:
            offered = self.offered(deadline)
            if len(offered) != 1:
                raise LanguageModelError(
                    f"{self} names no model, and the server has {len(offered)}; write one of them after the #: "
                    f"{', '.join(offered[:20]) or 'none'}"
                )
            self._model = offered[0]
        return self._model

    def offered(self, deadline: Deadline) -> list[str]:
        """Names of the models that the server says it has. Raises LanguageModelError."""
        body = self.ask(lambda client: client.models.with_streaming_response.list(), deadline)
        return [model.at("id").text() for model in body.at("data")]

    def ask(self, send: Send, deadline: Deadline, *, trying: bool = False) -> Body:
        """One answer. `trying`: a status 500 means that the server cannot do it, as it does on some servers.

        Raises:
            ModelUnavailableError: No answer in time, or a status that says so.
            LanguageModelError: An answer that cannot be used; UnsupportedError when the server does not do this.
            DecisionInterruptedError: Nobody waits any more.
        """
        return self.ask_all([send], deadline, trying=trying)[0]

    def ask_all(self, sends: Sequence[Send], deadline: Deadline, *, trying: bool = False) -> list[Body]:
        """One answer for each request, in order, several under way at once. The first that fails ends all of them."""
        if self.address.hosted and not self.address.key:
            raise ModelUnavailableError(f"{self} needs a key; set the environment variable {self._key_variable}")
        client, given_up = self._ready(), threading.Event()
        calls = [partial(self._persist, client, send, deadline, given_up, trying) for send in sends]
        late = self._told(NO_ANSWER, f"within the deadline of {deadline.seconds:g} s")
        try:
            return wait_for_all(calls, deadline, at_once=self.parallel, late=late)
        except BaseException as error:
            given_up.set()
            self._drop()
            if isinstance(error, RequestFailure):
                raise self._final(error, deadline) from None
            raise

    def close(self) -> None:
        """Close what is open; the next question opens it again."""
        self._drop()

    # One request, in its thread --------------------------------------------------------------------------------------

    def _persist(self, client: OpenAI, send: Send, deadline: Deadline, given_up: threading.Event, trying: bool) -> Body:
        """Send until there is an answer, it is certain that there will be none, or the deadline would pass first."""
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, RequestFailure) and error.retried and not (trying and error.code == 500)
            ),
            wait=pause_before_next,
            stop=tenacity.stop_after_attempt(self.attempts) | tenacity.stop_before_delay(deadline.remaining()),
            sleep=tenacity.sleep_using_event(given_up),
            reraise=True,
        )
        try:
            body = retrying(self._once, client, send, deadline, given_up)
        except RequestFailure as failure:
            if trying and failure.code == 500:
                raise UnsupportedError(self._told(status_of(500), failure.detail)) from None
            raise
        except LanguageModelError:
            raise
        except Exception as error:
            words = self.address.redact(str(error))
            raise LanguageModelError(f"{self} could not be asked: {type(error).__name__}: {words}") from None
        with self._lock:
            self._usage += body.usage()
        return body

    def _once(self, client: OpenAI, send: Send, deadline: Deadline, given_up: threading.Event) -> Body:
        import httpx2
        import openai

        limit = min(self.timeout, deadline.remaining())
        if given_up.is_set() or not limit:
            raise RequestFailure(NO_ANSWER, retried=False)
        ends = time.monotonic() + limit
        with self._lock:
            self._usage += Usage(requests=1)
        content = bytearray()
        try:
            with send(client.with_options(timeout=limit, max_retries=0)) as response:
                for block in response.iter_bytes():
                    content += block
                    if given_up.is_set() or time.monotonic() > ends:
                        raise RequestFailure(NO_ANSWER, f"within {limit:.3g} s: it is still sending")
                    if len(content) > _LARGEST:
                        raise LanguageModelError(f"{self} answered with over {_LARGEST >> 20} MB")
        except openai.APITimeoutError:
            raise RequestFailure(NO_ANSWER, f"within {limit:.3g} s") from None
        except openai.APIConnectionError as error:
            raise RequestFailure(NO_CONNECTION, cause_of(error)) from None
        except openai.APIStatusError as error:
            raise self._status_failure(error) from None
        except httpx2.TimeoutException:
            raise RequestFailure(NO_ANSWER, f"within {limit:.3g} s: it stopped sending") from None
        except httpx2.DecodingError as error:
            raise LanguageModelError(
                f"{self} answered with bytes that do not decode ({type(error).__name__})"
            ) from None
        except httpx2.HTTPError as error:
            raise RequestFailure(NO_CONNECTION, f"any more: {type(error).__name__} while it was sending") from None
        return Body.parse(bytes(content), str(self), self.address.redact)

    def _status_failure(self, error: Any) -> RequestFailure:
        """From an `openai.APIStatusError`."""
        code = int(error.status_code)
        headers = error.response.headers
        retried = status_of(code).retried and headers.get("x-should-retry") != "false"
        if error.code == "insufficient_quota":  # no waiting helps
            retried = False
        # What a server says when it refuses a key holds parts of the key.
        said = "" if code in {401, 403} else self._quoted(error)
        detail = f"(status {code}){said}"
        return RequestFailure(status_of(code), detail, code=code, retried=retried, pause=asked_pause(headers))

    def _quoted(self, error: Any) -> str:
        body = error.body
        said = body.get("message") or body.get("detail") if isinstance(body, dict) else None
        words = " ".join(str(said).split()) if said else ""
        if not words:
            return ""
        words = self.address.redact(words)
        return f": {words[:_QUOTED]}{'...' if len(words) > _QUOTED else ''}"

    # Errors ----------------------------------------------------------------------------------------------------------

    def _final(self, failure: RequestFailure, deadline: Deadline) -> LanguageModelError:
        """What is raised in the caller's thread for a request that failed in its own."""
        detail = failure.detail
        if failure.code == 404:
            if self._asked_within is not deadline:  # within one, several ways are tried
                self._there, self._asked_within = self._what_is_there(deadline), deadline
            detail += self._there
        return failure.status.error(self._told(failure.status, detail))

    def _what_is_there(self, deadline: Deadline) -> str:
        """The models that the server offers, in words; nothing when it does not tell."""
        patience = min(deadline.remaining(), 2.0)
        if not patience or self._asking_for_models:
            return ""
        self._asking_for_models = True
        try:
            offered = self.offered(Deadline.after(patience))
        except LanguageModelError:
            return ""
        finally:
            self._asking_for_models = False
        return f". It offers: {', '.join(offered[:20]) or 'no model'}{', ...' if len(offered) > 20 else ''}"

    def _told(self, status: Status, detail: str) -> str:
        remedy = status.remedy.format(key_variable=self._key_variable)
        return f"{self} {status.meaning}{' ' if detail else ''}{detail}. {remedy}"

    # The client ------------------------------------------------------------------------------------------------------

    def _ready(self) -> OpenAI:
        with self._lock:
            if self._client is None:
                self._client = self._make(self._http_client)
            return self._client

    def _make(self, http_client: httpx2.Client | None) -> OpenAI:
        import openai

        if http_client is None:
            # A proxy that the environment names is for the world outside, not for a server on this computer.
            http_client = openai.DefaultHttpxClient(trust_env=not self.address.local)
        return openai.OpenAI(
            api_key=self.address.key or "none", base_url=self.address.url, http_client=http_client, max_retries=0
        )

    def _drop(self) -> None:
        """Close our own client: what still reads from it in a thread that was given up then ends."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._http_client is None:
            client.close()
