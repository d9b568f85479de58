"""Chat models of langchain-core that answer as they are told, built on its own base classes."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

USAGE = {
    "input_tokens": 100,
    "output_tokens": 3,
    "total_tokens": 103,
    "input_token_details": {"cache_read": 60},
}


class TextModel(BaseChatModel):
    """Answers with what a function makes of the question: a text, a message, or an error to raise."""

    answer: Callable[..., Any]
    model_name: str = "fake"
    asked: list[str] = Field(default_factory=list)
    given: list[dict[str, Any]] = Field(default_factory=list)

    def _generate(self, messages: list[BaseMessage], stop=None, run_manager=None, **kwargs: Any) -> ChatResult:
        self.asked.append(messages[-1].text)
        self.given.append(kwargs)
        found = self.answer(messages[-1].text)
        if isinstance(found, Exception):
            raise found
        message = found if isinstance(found, AIMessage) else AIMessage(found, usage_metadata=USAGE)
        return ChatResult(generations=[ChatGeneration(message=message)])

    @property
    def _llm_type(self) -> str:
        return "fake"


class ToolModel(TextModel):
    """One that calls tools."""

    def bind_tools(self, tools, *, tool_choice=None, **kwargs: Any):
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice)


class LetterModel(TextModel):
    """One with the settings of langchain-openai's; it prefers options by their weights."""

    logprobs: bool | None = None
    top_logprobs: int | None = None
    answer: Callable[..., Any] = str
    weights: dict[str, float] = Field(default_factory=dict)
    returned: int = 20
    lock: Any = None

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.lock = threading.Lock()

    def _generate(self, messages: list[BaseMessage], stop=None, run_manager=None, **kwargs: Any) -> ChatResult:
        question = messages[-1].text
        with self.lock:
            self.asked.append(question)
            self.given.append(kwargs)
        listed = re.findall(r"^([A-T])\. (.+)$", question, re.MULTILINE)
        weights = {letter: self.weights[label] for letter, label in listed}
        total = sum(weights.values())
        likeliest = sorted(weights.items(), key=lambda pair: -pair[1])
        tokens = [{"token": letter, "logprob": math.log(weight / total)} for letter, weight in likeliest]
        entry = {**tokens[0], "top_logprobs": tokens[: self.returned]}
        message = AIMessage(
            tokens[0]["token"], response_metadata={"logprobs": {"content": [entry]}}, usage_metadata=USAGE
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def tool_call(name: str, **arguments: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": "1"}], usage_metadata=USAGE)


def ranking(*pairs: tuple[str, float]) -> AIMessage:
    """The tool call in which a model names options with their probabilities."""
    return tool_call("NextStep", ranking=[{"option": option, "probability": p} for option, p in pairs])
