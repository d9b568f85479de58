"""Completions with echo: the exact log-probability of every option, on servers that give back the prompt's tokens.

vLLM and llama-cpp-python's server do; OpenAI's own no longer does. Each option costs the whole prompt, unless the
server keeps what it has computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from saycan.errors import LanguageModelError
from saycan.planners.deadline import Deadline
from saycan.planners.openai.body import Body
from saycan.planners.openai.connection import Connection, ConnectionOptions, Send
from saycan.planners.openai.echo import Echo, shared_tokens
from saycan.planners.openai.model import GeneratingModel
from saycan.planners.openai.statuses import UnsupportedError
from saycan.planners.stops import before

_PROBE = "The"  # short: some servers need a second for each token
_AGREEMENT = 0.5  # nats between two ways of asking for one log-probability; low-precision arithmetic differs by less


class CompletionsModel(GeneratingModel):
    """Scores by /completions with echo and logprobs; exact.

    Before the first question it asks twice about a short text, once as generated and once as echoed, and refuses a
    server where the two differ: one that attaches log-probabilities to the wrong tokens looks right otherwise.

    Args:
        spec, options: See `ServedModel`.
        batch: How many texts one request holds at most, where the server takes several.
    """

    kind = "openai-completions"

    def __init__(self, spec: str | Connection, *, batch: int = 16, **options: Unpack[ConnectionOptions]) -> None:
        super().__init__(spec, **options)
        self._batch = batch
        self._prepared = False
        self._last: tuple[str, tuple[str, ...], NDArray[np.int64]] | None = None

    @property
    def approximation(self) -> str:
        """Empty: nothing is lost."""
        return ""

    def prepare(self, deadline: Deadline) -> None:
        """Find out whether echo comes with log-probabilities, of the right tokens, and for several texts at once."""
        if self._prepared:
            return
        first = self.connection.ask(
            self._send(self.connection.model(deadline), _PROBE, echo=False), deadline, trying=True
        )
        generated = first.at("choices", 0)
        told = generated.at("logprobs", "token_logprobs", 0)
        if told.missing:
            raise UnsupportedError(f"{self.name} returns no log-probabilities with a completion")
        (word,) = self._echoes(deadline, [_PROBE + generated.at("text").text()], trying=True)
        # The echo can be compared where the generated token is still a token of its own in it.
        if len(word.tokens) > 1 and word.tokens[-1] == generated.at("logprobs", "tokens", 0).value:
            difference = abs(told.log_probability() - word.log_probabilities[-1].log_probability())
            if difference > _AGREEMENT:
                raise UnsupportedError(
                    f"{self.name} gives a token {difference:.2f} nats more or less when it is echoed than when it is "
                    "generated, so its echo cannot be trusted; use openai-chat"
                )
        if self._batch > 1 and not self._takes_lists(deadline):
            self._batch = 1
        self._prepared = True

    def _takes_lists(self, deadline: Deadline) -> bool:
        """Whether one request may hold several texts."""
        send = self._send(self.connection.model(deadline), [_PROBE, f"{_PROBE}n"], echo=True)
        try:
            choices = list(self.connection.ask(send, deadline, trying=True).at("choices"))
        except UnsupportedError:
            return False
        return len(choices) == 2

    def score_within(self, prompt: str, options: Sequence[str], deadline: Deadline) -> NDArray[np.float64]:
        """(N,) float64, log p(option | prompt) in nats, up to what `saycan.planners.openai.echo` says."""
        self.prepare(deadline)
        echoes = self._echoes(deadline, [prompt + option for option in options])
        shared = shared_tokens(echoes, len(prompt))
        if not shared:
            raise LanguageModelError(
                f"{self.name} has no token to begin with that all options share; give it a prompt that is not empty"
            )
        self._last = prompt, tuple(options), np.array([max(1, len(echo.tokens) - shared) for echo in echoes])
        return np.array([echo.own(shared) for echo in echoes])

    def lengths(self, prompt: str, options: Sequence[str]) -> NDArray[np.int64]:
        """(N,) int64, see `saycan.language.TokenCounter`; asks the server unless these were the last it scored."""
        distinct = tuple(dict.fromkeys(options))
        if not distinct:
            return np.zeros(0, dtype=np.int64)
        if self._last is None or self._last[:2] != (prompt, distinct):
            self.score(prompt, distinct)
        assert self._last is not None
        counts = dict(zip(distinct, self._last[2], strict=True))
        return np.array([counts[option] for option in options], dtype=np.int64)

    def generate_within(self, prompt: str, max_tokens: int, stop: Sequence[str], deadline: Deadline) -> str:
        """How the model goes on with a text."""
        model = self.connection.model(deadline)
        body = self.connection.ask(
            lambda client: client.completions.with_streaming_response.create(
                model=model, prompt=prompt, max_tokens=max_tokens, stop=list(stop) or None, temperature=0.0
            ),
            deadline,
        )
        return before(body.at("choices", 0, "text").text(), stop)

    def _echoes(self, deadline: Deadline, texts: Sequence[str], *, trying: bool = False) -> list[Echo]:
        model, batch = self.connection.model(deadline), 1 if trying else self._batch
        parts = [list(texts[start : start + batch]) for start in range(0, len(texts), batch)]
        sends = [self._send(model, part if len(part) > 1 else part[0], echo=True) for part in parts]
        bodies = self.connection.ask_all(sends, deadline, trying=trying)
        return [echo for body, part in zip(bodies, parts, strict=True) for echo in _read(body, part)]

    def _send(self, model: str, prompt: str | list[str], *, echo: bool) -> Send:
        # One token more than is needed: to llama-cpp-python's server 0 means "up to the end of the context".
        return lambda client: client.completions.with_streaming_response.create(
            model=model, prompt=prompt, max_tokens=1, temperature=0.0, logprobs=1, echo=echo
        )


def _read(body: Body, texts: Sequence[str]) -> list[Echo]:
    """The echoes of one request, in the order of its texts: answers may come in any order."""
    choices = list(body.at("choices"))
    if len(choices) != len(texts):
        raise body.at("choices").wrong(f"a list of {len(texts)}, one for each text")
    placed = {choice.at("index").value: choice for choice in choices} if len(choices) > 1 else {0: choices[0]}
    if set(placed) != set(range(len(texts))):
        raise body.at("choices").wrong("numbered by `index` from 0 on")
    return [Echo.read(placed[index], text) for index, text in enumerate(texts)]
