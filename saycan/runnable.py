"""The agent as a part of LangChain: a Runnable from an instruction to a result, or to a stream of steps.

    chain = prompt | AgentRunnable(agent) | parser

Not imported by `import saycan`, for it needs langchain-core as soon as it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, closing
from pathlib import Path
from typing import Any, cast

from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, get_config_list

from saycan.agent import Agent
from saycan.aside import aside
from saycan.errors import BadInputError
from saycan.step import Event, Result, Tick

Request = str | Mapping[str, Any] | PromptValue | BaseMessage | Sequence[BaseMessage]
"""What asks for a run: words, {"instruction": words}, or a prompt whose last message is the instruction."""

_LIMITS = ("max_steps", "max_seconds")


class AgentRunnable(Runnable[Request, Event]):
    """Carries out instructions; callbacks, tags, metadata and run names of a config go to tracers as for any Runnable.

    A chat model that scores the agent's options is traced as a part of the run. `config["configurable"]` may hold
    `max_steps` and `max_seconds`, which then hold for that run in place of the agent's own. Runs are recorded where the
    agent's `record` says.

    There is one robot: the runs of a batch follow one another whatever `max_concurrency` is, and so do those of
    `ainvoke`. A run that is begun in another way while one goes on ends at once as failed.

    Args:
        agent: The agent; it stays its owner's to close.
        ticks: Whether a stream has an event for every control period as well.

    Attributes:
        agent: The agent.
    """

    def __init__(self, agent: Agent, *, ticks: bool = False) -> None:
        self.agent, self.name = agent, "saycan"
        self._ticks = ticks
        # One thread for all that is not to block an event loop: no driver sees a third one, and runs queue up.
        self._aside = ThreadPoolExecutor(1, "saycan-run")

    @property
    def InputType(self) -> Any:
        """For schemas: what is easily written down."""
        return str | dict[str, str]

    @property
    def OutputType(self) -> Any:
        """For schemas: a result holds arrays, which have none."""
        return Any

    def invoke(self, input: Request, config: RunnableConfig | None = None, **_: Any) -> Result:
        """Carry out an instruction.

        Raises as `Agent.run`: for a bad instruction or a missing part before anything moves, and never later.
        """
        limits = _limits(config)
        return cast(Result, self._call_with_config(lambda request: self._run(request, limits), input, config))

    async def ainvoke(self, input: Request, config: RunnableConfig | None = None, **_: Any) -> Result:
        """The same without blocking the event loop. Cancelling the task stops the run and holds the robot."""
        limits = _limits(config)

        async def run(request: Request) -> Event:
            return await aside(self._aside, lambda: self._run(request, limits), self.agent.stop)

        return cast(Result, await self._acall_with_config(run, input, config))

    def stream(self, input: Request, config: RunnableConfig | None = None, **_: Any) -> Iterator[Event]:
        """The run's events, the last one its Result; whoever drains it sets the pace, and closing it holds the robot.

        Raises like `invoke`.
        """
        limits = _limits(config)
        with ExitStack() as open_run:

            def transform(requests: Iterator[Request]) -> Iterator[Event]:
                events = open_run.enter_context(closing(self._events(_last(requests), limits)))
                while (event := self._next(events)) is not None:
                    yield event

            yield from self._transform_stream_with_config(iter([input]), transform, config)

    async def astream(self, input: Request, config: RunnableConfig | None = None, **_: Any) -> AsyncIterator[Event]:
        """The same without blocking the event loop. Cancelling the task, or closing the stream, holds the robot."""
        limits = _limits(config)
        open_run: list[Generator[Event, None, Result]] = []

        async def transform(requests: AsyncIterator[Request]) -> AsyncIterator[Event]:
            request = _last([request async for request in requests])
            open_run.append(await aside(self._aside, lambda: self._events(request, limits), self.agent.stop))
            while (event := await aside(self._aside, lambda: self._next(open_run[0]), self.agent.stop)) is not None:
                yield event

        async def one() -> AsyncIterator[Request]:
            yield input

        try:
            events = cast(AsyncGenerator[Event], self._atransform_stream_with_config(one(), transform, config))
            async with aclosing(events):
                async for event in events:
                    yield event
        finally:
            for run in open_run:
                await aside(self._aside, run.close, self.agent.stop)

    def batch(
        self,
        inputs: list[Request],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **_: Any,
    ) -> list[Event]:
        """One run after another, for there is one robot. Raises KeyboardInterrupt when Ctrl-C has ended one of them."""
        return [found for _, found in self._in_turn(inputs, config, return_exceptions)]

    def batch_as_completed(
        self,
        inputs: Sequence[Request],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **_: Any,
    ) -> Iterator[tuple[int, Event]]:
        """The same, each result with its place as soon as it is there."""
        return self._in_turn(inputs, config, return_exceptions)

    async def abatch(
        self,
        inputs: list[Request],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **_: Any,
    ) -> list[Event]:
        """One run after another without blocking the event loop."""
        return [found async for _, found in self._in_turn_aside(inputs, config, return_exceptions)]

    def abatch_as_completed(
        self,
        inputs: Sequence[Request],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **_: Any,
    ) -> AsyncIterator[tuple[int, Event]]:
        """The same, each result with its place as soon as it is there."""
        return self._in_turn_aside(inputs, config, return_exceptions)

    # One run ---------------------------------------------------------------------------------------------------------

    def _run(self, request: Request, limits: Mapping[str, Any]) -> Result:
        return self.agent.run(instruction_of(request), **limits)

    def _events(self, request: Request, limits: Mapping[str, Any]) -> Generator[Event, None, Result]:
        instruction = instruction_of(request)
        events = self.agent.stream(instruction, **limits)
        return events if self.agent.record is None else self._recorded(self.agent.record, instruction, events)

    def _recorded(
        self, root: str | Path, instruction: str, events: Generator[Event, None, Result]
    ) -> Generator[Event, None, Result]:
        """The same events, recorded from the first one on: a run that was cancelled before has left nothing."""
        from saycan.recorder import Recorder

        return (yield from Recorder(root, instruction, self.agent).watch(events))

    def _next(self, events: Iterator[Event]) -> Event | None:
        """The next event that is shown; None at the end."""
        for event in events:
            if self._ticks or not isinstance(event, Tick):
                return event
        return None

    # Several runs ----------------------------------------------------------------------------------------------------

    def _in_turn(self, inputs: Sequence[Request], config: Any, keep_errors: bool) -> Iterator[tuple[int, Event]]:
        for place, (request, its_config) in enumerate(zip(inputs, _configs(config, inputs), strict=True)):
            try:
                found: Any = _unless_interrupted(self.invoke(request, its_config))
            except Exception as error:
                if not keep_errors:
                    raise
                found = error
            yield place, found

    async def _in_turn_aside(
        self, inputs: Sequence[Request], config: Any, keep_errors: bool
    ) -> AsyncIterator[tuple[int, Event]]:
        for place, (request, its_config) in enumerate(zip(inputs, _configs(config, inputs), strict=True)):
            try:
                found: Any = _unless_interrupted(await self.ainvoke(request, its_config))
            except Exception as error:
                if not keep_errors:
                    raise
                found = error
            yield place, found


def instruction_of(request: Request) -> str:
    """The words of a request. Raises BadInputError when it holds none."""
    if isinstance(request, str):
        return request
    if isinstance(request, PromptValue):
        request = request.to_messages()
    if isinstance(request, BaseMessage):
        return request.text
    if isinstance(request, Mapping) and isinstance(request.get("instruction"), str):
        return cast(str, request["instruction"])
    if isinstance(request, Sequence) and request and isinstance(request[-1], BaseMessage):
        return request[-1].text
    raise BadInputError(
        "an instruction is a text, {'instruction': a text}, a message, or a prompt that ends with one; "
        f"found {str(request)[:80]!r}"
    )


def _limits(config: RunnableConfig | None) -> dict[str, float]:
    """What a config says about how long a run may take. Raises BadInputError."""
    found = {name: value for name, value in ensure_config(config).get("configurable", {}).items() if name in _LIMITS}
    for name, value in found.items():
        if not isinstance(value, int | float) or not value > 0 or (name == "max_steps" and value != int(value)):
            raise BadInputError(f"configurable {name!r} must be a positive number, found {value!r}")
    return found


def _unless_interrupted(result: Result) -> Result:
    """The result; KeyboardInterrupt for one that Ctrl-C has ended, so that no other run follows it."""
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def _configs(config: Any, inputs: Sequence[Request]) -> list[RunnableConfig]:
    return get_config_list(config, len(inputs)) if inputs else []


def _last(requests: Iterator[Request] | list[Request]) -> Request:
    *_, newest = requests
    return newest
