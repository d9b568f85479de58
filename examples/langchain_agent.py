"""A tool-calling model that uses a robot: python examples/langchain_agent.py langchain_openai:ChatOpenAI "tidy up"."""

import importlib
import sys
from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool

from saycan import Agent
from saycan.tools import skill_tools

RULES = """You have a robot. Its tools do one thing at a time and tell you how it went. Something has to be found before
it can be picked up, and picked up before it can be put anywhere. Where a tool fails, try another way, and do not claim
what did not succeed. Answer in a sentence when the request is fulfilled, or when it cannot be."""


def work(model: BaseChatModel, tools: Sequence[BaseTool], request: str, most: int = 20) -> list[BaseMessage]:
    """The whole conversation, from the request to the answer; at most `most` calls of the model."""
    by_name = {tool.name: tool for tool in tools}
    bound = model.bind_tools(tools)
    messages: list[BaseMessage] = [SystemMessage(RULES), HumanMessage(request)]
    for _ in range(most):
        answer = bound.invoke(messages)
        messages.append(answer)
        if not answer.tool_calls:
            return messages
        for call in answer.tool_calls:
            if call["name"] in by_name:
                messages.append(by_name[call["name"]].invoke(call))
            else:
                unknown = f"There is no tool {call['name']!r}; there is {', '.join(by_name)}."
                messages.append(ToolMessage(unknown, tool_call_id=call["id"], status="error"))
    return [*messages, AIMessage(f"I gave up after {most} answers.")]


if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    with Agent("kitchen", record=None) as agent:
        model = getattr(importlib.import_module(module), name)()
        for message in work(model, skill_tools(agent), sys.argv[2]):
            print(f"{message.type}: {message.text or getattr(message, 'tool_calls', '')}")
