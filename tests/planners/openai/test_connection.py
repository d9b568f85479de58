"""Deadlines, retries, errors and usage of one connection."""

from __future__ import annotations

import _thread
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import httpx2
import pytest

from saycan.errors import BadInputError, DecisionInterruptedError, LanguageModelError, ModelUnavailableError
from saycan.interruption import interruptible
from saycan.planners.openai.chat import answer
from saycan.planners.openai.connection import Connection, Send
from saycan.planners.openai.statuses import STATUSES, UnsupportedError
from saycan.usage import Usage
from tests.planners.openai.fakes import KEY, URL, answering, client, usage

RETRIED = {408, 409, 429, 500, 502, 503, 504, 599}
OK = {"choices": [{"text": "yes"}], "usage": usage(7, 2, 5)}


def send(openai: Any) -> Any:
    return openai.completions.with_streaming_response.create(model="tiny", prompt="x")


def ask(connection: Connection, request: Send = send) -> str:
    return connection.ask(request, connection.begin()).at("choices", 0, "text").text()


class Script:
    """Answers one after the other, the last for ever, and counts."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers, self.times = list(answers), []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.times.append(time.monotonic())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def failing(status: int, message: str = "it went wrong", **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"message": message}}, headers={"retry-after-ms": "1", **headers})


def connect(handler: Any, **options: Any) -> Connection:
    return Connection(URL, http_client=client(handler), **options)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_an_answer_and_what_it_cost() -> None:
    connection = connect(answering(OK))
    assert ask(connection) == "yes"
    assert connection.usage == Usage(requests=1, tokens_in=7, tokens_cached=5, tokens_out=2)


@pytest.mark.parametrize("status", [*STATUSES, 418, 599])
def test_every_status(status: int) -> None:
    script = Script(failing(status))
    connection = connect(script, attempts=3)
    with pytest.raises(LanguageModelError, match=rf"{URL} .*\(status {status}\)") as error:
        ask(connection)
    expected = 3 if status in RETRIED else 1 + (status == 404)  # after a 404 it asks which models there are
    assert len(script.times) == connection.usage.requests == expected
    unavailable = status in RETRIED | {401, 402, 403}
    assert isinstance(error.value, ModelUnavailableError) == unavailable
    assert ("it went wrong" in str(error.value)) == (status not in {401, 403})  # there it holds parts of the key


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_what_passes_is_tried_again(status: int) -> None:
    connection = connect(Script(failing(status), failing(status), httpx2.Response(200, json=OK)))
    assert ask(connection) == "yes"
    assert connection.usage == Usage(requests=3, tokens_in=7, tokens_cached=5, tokens_out=2)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx2.ReadTimeout("slow"), "did not answer in time within"),
        (httpx2.ConnectTimeout("slow"), "did not answer in time within"),
        (httpx2.ConnectError("refused"), "is not reachable"),
        (httpx2.RemoteProtocolError("cut off"), "is not reachable"),
    ],
)
def test_time_outs_and_lost_connections_are_tried_again(error: Exception, said: str) -> None:
    connection = connect(Script(error, httpx2.Response(200, json=OK)))
    assert ask(connection) == "yes"
    with pytest.raises(ModelUnavailableError, match=said):
        ask(connect(Script(error), attempts=1))


def test_a_trial_takes_500_for_cannot() -> None:
    script = Script(failing(500))
    connection = connect(script)
    with pytest.raises(UnsupportedError, match="status 500"):
        connection.ask(send, connection.begin(), trying=True)
    assert len(script.times) == 1


def test_a_quota_that_is_used_up_is_not_tried_again() -> None:
    body = {"error": {"message": "no money left", "code": "insufficient_quota"}}
    script = Script(httpx2.Response(429, json=body))
    with pytest.raises(ModelUnavailableError, match="no money left"):
        ask(connect(script))
    assert len(script.times) == 1


def test_a_server_that_says_not_to_is_not_asked_again() -> None:
    script = Script(failing(503, **{"x-should-retry": "false"}))
    with pytest.raises(ModelUnavailableError):
        ask(connect(script))
    assert len(script.times) == 1


def test_retry_after_is_kept() -> None:
    script = Script(
        httpx2.Response(429, headers={"retry-after": "0.3"}),
        httpx2.Response(503, headers={"retry-after": formatdate(time.time() - 60, usegmt=True)}),
        httpx2.Response(200, json=OK),
    )
    assert ask(connect(script)) == "yes"
    assert 0.3 <= script.times[1] - script.times[0] < 1.0
    assert script.times[2] - script.times[1] < 0.2  # a date that has passed


@pytest.mark.parametrize("asked", ["60", "1e9", "inf"])
def test_a_retry_after_beyond_the_deadline_is_not_waited_for(asked: str) -> None:
    script = Script(httpx2.Response(429, headers={"retry-after": asked}))
    started = time.monotonic()
    with pytest.raises(ModelUnavailableError, match="rate limit"):
        ask(connect(script, deadline=2.0))
    assert len(script.times) == 1 and time.monotonic() - started < 1.0


def test_attempts_end_at_the_deadline() -> None:
    script = Script(httpx2.Response(503, headers={"retry-after": "0.2"}))
    started = time.monotonic()
    with pytest.raises(ModelUnavailableError):
        ask(connect(script, deadline=0.7, attempts=100))
    assert time.monotonic() - started < 1.0
    assert 2 <= len(script.times) <= 4


class Blocking:
    """Answers nothing until it is let go."""

    def __init__(self) -> None:
        self.let_go, self.entered = threading.Event(), threading.Event()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.entered.set()
        assert self.let_go.wait(30.0)
        return httpx2.Response(200, json=OK)


@pytest.fixture
def blocking() -> Iterator[Blocking]:
    server = Blocking()
    yield server
    server.let_go.set()


def requests_under_way() -> int:
    return sum(thread.name == "saycan-waiting" for thread in threading.enumerate())


def test_a_server_that_never_answers_ends_at_the_deadline(blocking: Blocking) -> None:
    connection = connect(blocking, deadline=0.3)
    started = time.monotonic()
    with pytest.raises(ModelUnavailableError, match=r"within the deadline of 0\.3 s"):
        ask(connection)
    assert time.monotonic() - started < 1.0
    blocking.let_go.set()
    for _ in range(100):
        if not requests_under_way():
            break
        time.sleep(0.02)
    assert not requests_under_way()
    assert connection.usage == Usage(requests=1)  # an answer that nobody waits for is thrown away


def test_stop_works_while_waiting(blocking: Blocking) -> None:
    wanted = threading.Event()
    threading.Timer(0.2, wanted.set).start()
    started = time.monotonic()
    with interruptible(wanted.is_set), pytest.raises(DecisionInterruptedError):
        ask(connect(blocking))
    assert time.monotonic() - started < 0.6


def test_stop_works_between_two_attempts() -> None:
    wanted = threading.Event()
    script = Script(httpx2.Response(503, headers={"retry-after": "20"}))
    threading.Timer(0.2, wanted.set).start()
    started = time.monotonic()
    with interruptible(wanted.is_set), pytest.raises(DecisionInterruptedError):
        ask(connect(script))
    assert time.monotonic() - started < 0.6
    time.sleep(0.1)
    assert len(script.times) == 1 and not requests_under_way()


def test_control_c_works_while_waiting(blocking: Blocking) -> None:
    def press() -> None:
        assert blocking.entered.wait(10.0)
        _thread.interrupt_main()

    threading.Thread(target=press).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ask(connect(blocking))
    assert time.monotonic() - started < 2.0


@pytest.fixture
def trickle() -> Iterator[str]:
    """A server that sends one byte every 50 ms for ever, so that no read ever times out."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)
    over = threading.Event()

    def serve() -> None:
        open_ones = []
        while not over.is_set():
            try:
                accepted, _ = server.accept()
                accepted.settimeout(1.0)
                accepted.recv(65536)
                accepted.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"
                )
                open_ones.append(accepted)
            except TimeoutError:
                pass
            for one in list(open_ones):
                try:
                    one.sendall(b" ")
                except OSError:
                    open_ones.remove(one)
                    one.close()
        for one in open_ones:
            one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/v1#tiny"
    over.set()
    thread.join(5.0)
    server.close()


def test_a_server_that_trickles_bytes_ends_in_time_and_so_does_its_thread(trickle: str) -> None:
    connection = Connection(trickle, timeout=0.4, deadline=5.0, attempts=1)
    started = time.monotonic()
    with pytest.raises(ModelUnavailableError, match="still sending"):
        ask(connection)
    assert time.monotonic() - started < 1.5
    time.sleep(0.3)
    assert not requests_under_way()
    connection.close()


@pytest.mark.parametrize("deadline", [1.0, 3.0])
def test_a_port_where_nobody_listens(deadline: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    connection = Connection(f"http://127.0.0.1:{port}/v1#tiny", deadline=deadline)
    started = time.monotonic()
    with pytest.raises(ModelUnavailableError, match=rf"127.0.0.1:{port}/v1#tiny is not reachable .*Start the server"):
        ask(connection)
    assert time.monotonic() - started < deadline + 0.5
    connection.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx2.Response(200, content=b"<html>hello</html>"), "not JSON"),
        (httpx2.Response(200, content=b""), "not JSON"),
        (httpx2.Response(200, json=[1, 2]), "must be a JSON object"),
        (httpx2.Response(200, json={"choices": None}), r"choices\[0\]\.text is null"),
    ],
)
def test_answers_that_cannot_be_used(answer: httpx2.Response, said: str) -> None:
    with pytest.raises(LanguageModelError, match=said) as error:
        ask(connect(Script(answer)))
    assert not isinstance(error.value, ModelUnavailableError)


def test_bytes_that_do_not_decode() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            200, headers={"content-encoding": "gzip"}, stream=httpx2.ByteStream(b"this is not compressed")
        )

    with pytest.raises(LanguageModelError, match="do not decode"):
        ask(connect(handler))


def test_several_at_once_come_back_in_order() -> None:
    most, under_way, lock = 0, 0, threading.Lock()

    def handler(request: httpx2.Request) -> httpx2.Response:
        nonlocal most, under_way
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1
        return httpx2.Response(200, json={"choices": [{"text": request.url.params["n"]}]})

    def numbered(number: int) -> Send:
        return lambda openai: openai.completions.with_streaming_response.create(
            model="tiny", prompt="x", extra_query={"n": number}
        )

    connection = connect(handler, parallel=3)
    bodies = connection.ask_all([numbered(number) for number in range(9)], connection.begin())
    assert [body.at("choices", 0, "text").text() for body in bodies] == [str(number) for number in range(9)]
    assert most == 3


def test_the_first_that_fails_ends_all() -> None:
    script = Script(failing(400))
    connection = connect(script, parallel=1)
    with pytest.raises(UnsupportedError):
        connection.ask_all([send] * 10, connection.begin())
    time.sleep(0.1)
    assert len(script.times) == 1


def models(*names: str) -> dict[str, Any]:
    return {"data": [{"id": name} for name in names]}


def test_the_only_model_of_a_server_is_taken() -> None:
    connection = Connection("http://127.0.0.1:9/v1#", http_client=client(answering(models("alone"))))
    assert str(connection) == "http://127.0.0.1:9/v1#"
    assert connection.model(connection.begin()) == "alone"
    assert str(connection) == "http://127.0.0.1:9/v1#alone"


@pytest.mark.parametrize(("names", "said"), [(("one", "two"), "has 2; .*one, two"), ((), "has 0")])
def test_a_server_with_several_models_or_none(names: tuple[str, ...], said: str) -> None:
    connection = Connection("http://127.0.0.1:9/v1#", http_client=client(answering(models(*names))))
    with pytest.raises(LanguageModelError, match=said):
        connection.model(connection.begin())


def test_an_unknown_model_says_which_there_are() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/models"):
            return httpx2.Response(200, json=models("one", "two"))
        return httpx2.Response(404, json={"error": {"message": "The model `tiny` does not exist"}})

    with pytest.raises(LanguageModelError, match=r"no such model or endpoint .*does not exist.* It offers: one, two"):
        ask(connect(handler))


def test_openai_without_a_key_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    connection = Connection("gpt-6-luna")
    with pytest.raises(ModelUnavailableError, match=r"gpt-6-luna needs a key; set .* OPENAI_API_KEY"):
        ask(connection)


def test_the_key_is_sent_and_shown_nowhere() -> None:
    seen = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        said = f"Incorrect API key provided: {KEY[:7]}********{KEY[-4:]} in {KEY}"
        return httpx2.Response(401 if len(seen) == 1 else 400, json={"error": {"message": said}})

    connection = connect(handler)
    for _ in range(2):
        with pytest.raises(LanguageModelError) as error:
            ask(connection)
        shown = "".join(traceback.format_exception(error.value)) + repr(connection) + str(connection)
        shown += str(connection.usage) + repr(connection.address) + repr(error.value.__dict__)
        assert KEY not in shown and KEY[-4:] not in shown and KEY[:7] not in shown
    assert seen == [f"Bearer {KEY}"] * 2


@pytest.mark.parametrize(
    "told",
    [
        f"Incorrect API key provided: {KEY}",
        {"choices": [{"message": {"content": 3, "refusal": f"not with {KEY}"}}]},
        {"choices": [{"message": {"content": {"wrong": KEY}}}]},
    ],
)
def test_an_answer_that_repeats_the_key_does_not_show_it_either(told: object) -> None:
    with pytest.raises(LanguageModelError) as error:
        connection = connect(lambda request: httpx2.Response(200, json=told))
        answer(connection.ask(send, connection.begin()))
    assert KEY not in str(error.value) and "***" in str(error.value)


def test_a_password_in_the_url_opens_the_server_and_is_shown_nowhere() -> None:
    seen = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(400, json={"error": {"message": "no, hunter2"}})

    connection = Connection("http://me:hunter2@127.0.0.1:9/v1#tiny", http_client=client(handler))
    with pytest.raises(LanguageModelError) as error:
        ask(connection)
    shown = "".join(traceback.format_exception(error.value)) + repr(connection)
    assert "hunter2" not in shown and "***@127.0.0.1:9" in shown
    assert seen == ["Basic bWU6aHVudGVyMg=="]


@pytest.mark.parametrize("option", ["timeout", "deadline", "attempts", "parallel"])
@pytest.mark.parametrize("number", [0, -1, float("nan"), float("inf")])
def test_numbers_that_make_no_sense(option: str, number: float) -> None:
    with pytest.raises(BadInputError, match=f"{option} must be above 0"):
        Connection(URL, **{option: number})  # type: ignore[arg-type]
