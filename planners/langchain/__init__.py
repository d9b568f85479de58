"""Say with any model of langchain-core: a chat model, or a decision model where it has them (1.8 and newer)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from saycan.errors import BadInputError
from saycan.planners.langchain.chat import ChatModel, Method
from saycan.planners.langchain.decisions import DecisionModel

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["ChatModel", "DecisionModel", "LangChainModel", "Method"]


def LangChainModel(
    model: BaseChatModel | Any, *, method: str = Method.AUTO, seconds: float = 30.0
) -> ChatModel | DecisionModel:
    """A `saycan.language.LanguageModel` of a model of langchain-core.

    Args:
        model: A `BaseChatModel` or a `BaseDecisionModel`.
        method: How a chat model is asked: "auto", "logprobs", "structured" or "text" (`Method`). A decision model
            takes "auto" alone.
        seconds: Deadline of one call of `score` or `generate`, all its requests together.

    Raises:
        BadInputError: It is neither, or there is no such method.
    """
    from langchain_core.language_models import BaseChatModel

    if isinstance(model, BaseChatModel):
        return ChatModel(model, method=method, seconds=seconds)
    decision_model = _decision_model_class()
    if decision_model is not None and isinstance(model, decision_model):
        if method != Method.AUTO:
            raise BadInputError(f"a decision model is asked in one way only; leave out method={method!r}")
        return DecisionModel(model, seconds=seconds)
    raise BadInputError(
        f"LangChainModel takes a BaseChatModel or a BaseDecisionModel of langchain-core, found {type(model).__name__}. "
        "Pass the model itself, not a chain or a binding of it"
        + ("" if decision_model else ". The langchain-core that is installed has no decision models; 1.8 does")
    )


def _decision_model_class() -> type | None:
    """`BaseDecisionModel`, or None where langchain-core is older than 1.8."""
    try:
        found: type = importlib.import_module("langchain_core.decisions").BaseDecisionModel
    except ModuleNotFoundError:
        return None
    return found
