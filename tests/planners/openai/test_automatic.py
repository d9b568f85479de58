"""Which way is taken on which server."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httpx2
import numpy as np
import pytest

from saycan.errors import LanguageModelError, ModelUnavailableError, UnknownNameError
from saycan.language import LanguageModel, approximation_of
from saycan.planners.deadline import Deadline
from saycan.planners.openai import (
    AutomaticModel,
    ChatModel,
    CompletionsModel,
    DecisionsModel,
    StructuredModel,
    openai_model,
)
from tests.planners.openai.fakes import URL, ChatServer, EchoServer, Handler, answering, client, sent
from tests.planners.openai.test_chat import reply, top
from tests.planners.openai.test_structured import RankingServer

OPTIONS = [" like 1", " like 2", " like 3"]
WORTH = {"like 1": np.log(0.2), "like 2": np.log(0.3), "like 3": np.log(0.5)}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


class Server:
    """Some endpoints of an API; what is None does not exist."""

    def __init__(self, completions: Any = None, chat: Any = None, ranking: Any = None) -> None:
        self.completions, self.chat, self.ranking = completions, chat, ranking
        self.paths: list[str] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.paths.append(request.url.path)
        handler = self.completions
        if "/chat/" in request.url.path:
            handler = self.ranking if b"response_format" in request.content else self.chat
        missing = httpx2.Response(404, json={"error": {"message": "no such endpoint"}})
        return missing if handler is None or request.url.path.endswith("/models") else handler(request)


@pytest.mark.parametrize(
    ("server", "way", "lost"),
    [
        (Server(EchoServer(), ChatServer(WORTH), RankingServer()), "CompletionsModel", ""),
        (Server(None, ChatServer(WORTH), RankingServer()), "ChatModel", "labels"),
        (Server(answering({"error": {}}, 500), ChatServer(WORTH), RankingServer()), "ChatModel", "labels"),
        (Server(answering({"choices": [{"text": " on"}]}), ChatServer(WORTH)), "ChatModel", "labels"),
        (Server(None, None, RankingServer()), "StructuredModel", "order of preference"),
        (Server(None, reply(top(Sure=-0.1, I=-3.0)), RankingServer()), "StructuredModel", "order of preference"),
        (Server(None, answering({"error": {}}, 400), RankingServer()), "StructuredModel", "order of preference"),
    ],
)
def test_the_best_way_that_the_server_can_do_is_found_once_and_said(server: Server, way: str, lost: str) -> None:
    model = openai_model(URL, http_client=client(server))
    assert isinstance(model, AutomaticModel) and isinstance(model, LanguageModel)
    assert model.name == URL and not server.paths
    assert "not known before the first question" in repr(model) and "not known" in approximation_of(model)
    assert model.score("1.", OPTIONS).shape == (3,)
    assert f"by {way}" in repr(model)
    assert lost in approximation_of(model) and bool(lost) == bool(approximation_of(model))
    looks = len(server.paths)
    model.score("1.", OPTIONS)
    again = {"CompletionsModel": 1, "ChatModel": 3, "StructuredModel": 1}[way]
    assert len(server.paths) - looks == again
    assert model.usage.requests == len(server.paths)


REFUSING = answering({"error": {}}, 400)


@pytest.mark.parametrize(
    ("server", "kind", "looks"),
    [
        (Server(EchoServer()), "auto", 3),
        (Server(answering({"choices": [{"text": " on"}]}), ChatServer(WORTH)), "auto", 2),
        (Server(None, ChatServer(WORTH)), "auto", 2 + 1),  # a 404, and then the question which models there are
        (Server(None, ChatServer(WORTH, most=5)), "auto", 2 + 3),
        (Server(None, None, RankingServer()), "auto", 2 + 1 + 1),
        (
            Server(EchoServer(change=lambda body: {}), REFUSING, RankingServer(forms=("json_object",))),
            "auto",
            1 + 3 + 2,
        ),
        (Server(), "auto", 2 + 1 + 1),
        (Server(EchoServer()), "completions", 3),
        (Server(None, ChatServer(WORTH)), "chat", 1),
        (Server(None, ChatServer(WORTH, most=5)), "chat", 3),
        (Server(None, REFUSING), "chat", 3),
        (Server(), "chat", 2),
        (Server(None, None, RankingServer()), "structured", 1),
        (Server(None, None, RankingServer(forms=("json_object",))), "structured", 2),
        (Server(), "structured", 2),
    ],
)
def test_finding_out_what_a_server_can_do_takes_few_requests(server: Server, kind: str, looks: int) -> None:
    model = openai_model(URL, kind, http_client=client(server))
    with suppress(LanguageModelError):
        model.prepare(model.connection.begin())
    assert len(server.paths) == looks


def test_what_a_server_offers_is_asked_once_for_all_ways_and_anew_the_next_time() -> None:
    names = ["one"]

    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/models"):
            return httpx2.Response(200, json={"data": [{"id": name} for name in names]})
        return httpx2.Response(404, json={"error": {"message": "no such model"}})

    model = openai_model(URL, http_client=client(handler))
    with pytest.raises(LanguageModelError, match=r"(?s)(It offers: one\..*){3}"):
        model.score("1.", OPTIONS)
    names.append("two")
    with pytest.raises(LanguageModelError, match=r"It offers: one, two\."):
        model.score("1.", OPTIONS)
    assert model.usage.requests == 2 * (3 + 1)


def test_a_server_that_can_do_nothing_says_why_for_each_way() -> None:
    with pytest.raises(LanguageModelError) as error:
        openai_model(URL, http_client=client(Server())).score("1.", OPTIONS)
    for kind in ("openai-completions", "openai-chat", "openai-structured"):
        assert f"{kind}: " in str(error.value)
    assert str(error.value).count("no such endpoint") == 3


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_server_that_is_unavailable_is_not_taken_for_one_that_cannot(status: int) -> None:
    refusing = answering({"error": {}}, status, **{"retry-after-ms": "1"})
    server = Server(refusing, ChatServer(WORTH), RankingServer())
    model = openai_model(URL, http_client=client(server))
    with pytest.raises(ModelUnavailableError):
        model.score("1.", OPTIONS)
    assert not any("/chat/" in path for path in server.paths)
    server.completions = EchoServer()
    model.score("1.", OPTIONS)  # and is asked again the next time
    assert "by CompletionsModel" in repr(model)


def test_generating_finds_the_way_too() -> None:
    model = openai_model(URL, http_client=client(Server(EchoServer())))
    assert isinstance(model, AutomaticModel)
    assert model.generate("1.") == " on"


def writing(letters: Handler) -> Handler:
    """A chat that also goes on with a text."""
    on = answering({"choices": [{"message": {"content": " on"}}]})
    return lambda request: (letters if "top_logprobs" in sent(request) else on)(request)


@pytest.mark.parametrize(
    ("server", "way"),
    [
        (Server(EchoServer()), "CompletionsModel"),
        (Server(None, writing(ChatServer(WORTH))), "ChatModel"),
        (Server(None, writing(answering({"error": {}}, 400)), RankingServer()), "StructuredModel"),
    ],
)
def test_finding_the_way_and_generating_share_one_deadline(
    server: Server, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, begun = openai_model(URL, http_client=client(server)), list[Deadline]()
    begin = model.connection.begin
    monkeypatch.setattr(model.connection, "begin", lambda: begun.append(begin()) or begun[-1])
    for count in (1, 2):
        assert model.generate("1.") == " on"  # type: ignore[attr-defined]
        assert f"by {way}" in repr(model) and len(begun) == count


@pytest.mark.parametrize(
    ("spec", "kind", "made", "name"),
    [
        ("gpt-6-luna", "auto", DecisionsModel, "openai-decisions:gpt-6-luna"),
        ("https://api.openai.com/v1#gpt-6-luna", "auto", DecisionsModel, None),
        ("gpt-5", "auto", AutomaticModel, "openai:gpt-5"),
        ("http://127.0.0.1:9/v1#gpt-6-luna", "auto", AutomaticModel, "http://127.0.0.1:9/v1#gpt-6-luna"),
        (URL, "decisions", DecisionsModel, f"openai-decisions:{URL}"),
        (URL, "completions", CompletionsModel, f"openai-completions:{URL}"),
        (URL, "chat", ChatModel, f"openai-chat:{URL}"),
        (URL, "structured", StructuredModel, f"openai-structured:{URL}"),
    ],
)
def test_kinds(spec: str, kind: str, made: type, name: str | None) -> None:
    model = openai_model(spec, kind)
    assert type(model) is made
    assert name is None or model.name == name
    assert model.name.endswith(spec)


def test_an_unknown_kind() -> None:
    with pytest.raises(UnknownNameError, match="completions"):
        openai_model(URL, "completion")
