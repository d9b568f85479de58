"""Servers that answer from a table, behind the SDK's own client: no socket is opened."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2
import numpy as np

URL = "http://127.0.0.1:9/v1#tiny"
KEY = "sk-proj-abcdef0123456789wxyz"

Handler = Callable[[httpx2.Request], httpx2.Response]


def client(handler: Handler) -> httpx2.Client:
    return httpx2.Client(transport=httpx2.MockTransport(handler))


def sent(request: httpx2.Request) -> dict[str, Any]:
    return json.loads(request.content) if request.content else {}


def answering(body: Any, status: int = 200, **headers: str) -> Handler:
    return lambda request: httpx2.Response(status, json=body, headers=headers)


def usage(tokens_in: int = 10, tokens_out: int = 1, cached: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


class EchoServer:
    """Completions with echo over a toy model: a token costs its length in nats, the first of a text nothing known.

    Args:
        tokens: Cuts a text into its tokens.
        lists: Whether one request may hold several texts.
        begin: A token written out before every text, as vLLM does.
        change: Changes the finished answer.
    """

    def __init__(
        self,
        tokens: Callable[[str], list[str]] = lambda text: re.findall(r" ?[^ ]+| ", text),
        *,
        lists: bool = True,
        begin: str = "",
        change: Callable[[dict[str, Any]], Any] = lambda body: body,
    ) -> None:
        self.tokens, self.lists, self.begin, self.change = tokens, lists, begin, change
        self.requests: list[dict[str, Any]] = []

    @staticmethod
    def log_probability(token: str) -> float:
        return -0.5 * len(token)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/completions") or "/chat/" in request.url.path:
            return httpx2.Response(404, json={"error": {"message": "no such endpoint"}})
        body = sent(request)
        self.requests.append(body)
        texts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        if len(texts) > 1 and not self.lists:
            return httpx2.Response(500, json={"error": {"message": ""}})
        choices = [self.choice(index, text, body) for index, text in enumerate(texts)]
        answer = self.change({"choices": choices[::-1], "usage": usage(4 * len(texts))})
        return httpx2.Response(200, content=json.dumps(answer))  # as servers do: with NaN, which JSON does not have

    def choice(self, index: int, text: str, body: dict[str, Any]) -> dict[str, Any]:
        new = [" on"]
        shown = ([self.begin] if self.begin else []) + self.tokens(text) + new if body.get("echo") else new
        logs: list[float | None] = [self.log_probability(token) for token in shown]
        if body.get("echo"):
            logs[0] = None
        starts = np.cumsum([0, *(len(token) for token in shown)])[:-1]
        return {
            "index": index,
            "text": (text if body.get("echo") else "") + new[0],
            "finish_reason": "length",
            "logprobs": {
                "tokens": shown,
                "token_logprobs": logs,
                "top_logprobs": None,
                "text_offset": [int(start) for start in starts],
            },
        }


class ChatServer:
    """Chat with labels over a known distribution and a known liking for places.

    Args:
        worth: Log-probability of each option among all.
        liking: By place, what the model adds to whatever stands there.
        most: The largest top_logprobs that it takes.
    """

    def __init__(
        self, worth: Mapping[str, float], liking: Sequence[float] = (), *, most: int = 20, bare: bool = True
    ) -> None:
        self.worth, self.liking, self.most, self.bare = worth, liking, most, bare
        self.requests: list[dict[str, Any]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/chat/completions"):
            return httpx2.Response(404, json={"error": {"message": "no such endpoint"}})
        body = sent(request)
        self.requests.append(body)
        if body["top_logprobs"] > self.most:
            return httpx2.Response(400, json={"error": {"message": "top_logprobs is too large"}})
        listed = re.findall(r"^([A-Z])\. (.*)$", body["messages"][-1]["content"], flags=re.MULTILINE)
        logs = np.array([self.worth.get(option, 0.0) for _, option in listed])
        logs = logs + np.resize(np.array(self.liking or [0.0]), len(logs))
        logs -= np.logaddexp.reduce(logs)
        top = [{"token": label, "logprob": float(log)} for (label, _), log in zip(listed, logs, strict=True)]
        others = [{"token": f"word{number}", "logprob": -30.0 - number} for number in range(20)]
        content = [{"token": "A", "logprob": -1.0, "top_logprobs": (top + others)[: body["top_logprobs"]]}]
        return httpx2.Response(
            200,
            json={
                "choices": [{"index": 0, "message": {"content": "A"}, "logprobs": {"content": content}}],
                "usage": usage(100, 1, 60),
            },
        )


class DecisionServer:
    """Decisions over a known distribution; `refuses` holds values whose questions are declined."""

    def __init__(self, worth: Mapping[str, float], refuses: Sequence[str] = ()) -> None:
        self.worth, self.refuses = worth, set(refuses)
        self.requests: list[dict[str, Any]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        assert request.url.path.endswith("/decisions")
        body = sent(request)
        self.requests.append(body)
        return httpx2.Response(
            200,
            json={
                "answers": [self.answer(question) for question in body["questions"]],
                "model": body["model"],
                "usage": {
                    "input_tokens": 400,
                    "input_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 0},
                    "output_tokens": 2,
                    "output_tokens_details": {"reasoning_tokens": 0},
                    "total_tokens": 402,
                },
            },
        )

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        values = [choice["value"] for choice in question["choices"]]
        assert 2 <= len(set(values)) == len(values) <= 255
        if not self.refuses.isdisjoint(values):
            return {"type": "refusal", "name": question["name"]}
        weights = np.exp([self.worth[value] for value in values])
        probabilities = weights / weights.sum()
        entries = [
            {"value": value, "probability": float(probability)}
            for value, probability in zip(values, probabilities, strict=True)
        ]
        best = max(entries, key=lambda entry: entry["probability"])
        return {
            "type": "choice",
            "name": question["name"],
            "choice": best["value"],
            "confidence": best["probability"],
            "probabilities": entries[::-1],
        }
