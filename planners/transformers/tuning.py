"""Teaching a language model to plan: a low-rank adapter (LoRA) trained on lessons (`saycan.planners.lessons`).

The loss is that of the words of the steps, which are what Say asks for; what was asked and what went wrong is read, not
learned. Lessons follow from their numbers, each is used once, and the loop is the one that all networks share
(`saycan.training.loop`), so a training that was stopped goes on where it was.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from saycan.errors import BadInputError, MissingPartError
from saycan.planners.lessons.lesson import SETS, Lesson, lessons, validation
from saycan.planners.prompt import Prompt
from saycan.planners.transformers.adapter import WEIGHTS
from saycan.planners.transformers.loading import load
from saycan.planners.transformers.network import CausalNetwork
from saycan.planners.transformers.prefix_tree import common_prefix
from saycan.planners.transformers.tokens import Tokens
from saycan.step import Step
from saycan.torchvision import cure_torchvision
from saycan.training.loop import Progress, Recipe, train

PROMPT = "adapted"
TOGETHER = 4
"""Lessons for one robot that go through the model side by side, so that what they share is computed once."""

HELD = 20
"""Lessons of each validation set whose loss is looked at on the way."""

_FIRST = 1 << 20  # number of the first lesson of a seed: seeds share no lessons
_ROWS = 192  # hidden states that are multiplied with the whole vocabulary at once


@dataclass(frozen=True)
class Sample:
    """Lessons for one robot as tokens: what they share, then one after the other.

    Attributes:
        tokens: (L,) int64.
        positions: (L,) int64: every lesson goes on where what is shared ends.
        owners: (L,) int64, number of the lesson, -1 for what is shared.
        targets: (M,) int64, places in `tokens` that are to be foretold from what stands before them.
    """

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    owners: NDArray[np.int64]
    targets: NDArray[np.int64]

    @property
    def visible(self) -> NDArray[np.bool_]:
        """(L, L), which tokens each token may look at: those before it that are shared or its own lesson's."""
        shared = self.owners[None, :] < 0
        own = self.owners[None, :] == self.owners[:, None]
        return np.asarray(np.tri(len(self.tokens), dtype=bool) & (shared | own))


def tune(
    model: str | Path,
    folder: Path,
    recipe: Recipe,
    *,
    rank: int = 16,
    minutes: float | None = None,
    device: str | None = None,
    report: Callable[[Progress], object] = lambda progress: None,
) -> Path:
    """Train an adapter, or go on; returns its folder, "adapter" in `folder`.

    Args:
        model: Folder or hub name of the model.
        folder: Where state, curve and adapter go.
        recipe: `batch` counts lessons.
        rank: Of the adapter's matrices.
        minutes: Stop and save after so long.
        device: "cpu" or "cuda"; CUDA where there is one, if None.
        report: Told how training goes.

    Raises:
        MissingPartError: peft is not installed, or there is no such model.
        BadInputError: What `folder` holds belongs to another adapter.
    """
    cure_torchvision()  # peft imports every model that transformers has
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError as error:
        if error.name != "peft":
            raise
        raise MissingPartError(
            "training a planner needs peft: python -m pip install 'saycan-robotics[train,gemma]'"
        ) from error
    if rank < 1:
        raise BadInputError(f"an adapter's rank is at least 1, found {rank}; 16 is the default")
    base, tokens, device = load(model, "auto", device)
    network = CausalNetwork(base, device)
    if not network.is_plain:
        raise BadInputError(
            f"{model} cannot be told who sees whom, which lessons side by side need; take another model"
        )
    base.requires_grad_(False)
    torch.manual_seed(recipe.seed)
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    config.base_model_name_or_path = Path(model).name
    with warnings.catch_warnings():  # about what peft itself does
        warnings.simplefilter("ignore")
        adapted = get_peft_model(base, config)
    adapter = Adapter({name: value for name, value in adapted.named_parameters() if value.requires_grad})
    head = base.get_output_embeddings().weight
    coarse: Callable[[], AbstractContextManager[Any]] = nullcontext
    if base.dtype == torch.bfloat16:
        coarse = lambda: torch.autocast(device, torch.bfloat16)  # noqa: E731
    samples = Samples(tokens, Prompt.load(PROMPT))
    first = recipe.seed * _FIRST

    def loss(one: Sample) -> Tensor:
        """Sum over a sample's targets."""
        with coarse():
            states = network.read_at_once(one.tokens, one.positions, one.visible)[one.targets - 1]
        wanted = torch.from_numpy(one.tokens[one.targets]).to(device)
        total: Tensor = FrozenHead.apply(states, wanted, head)  # type: ignore[no-untyped-call]
        return total

    def losses(network: nn.Module, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        numbers = rng.integers(_FIRST, size=-(-size // TOGETHER))
        some = [samples.of(lessons(first + int(number), TOGETHER)) for number in numbers]
        return {
            "loss": _piecewise(adapter, [partial(loss, one) for one in some], sum(len(one.targets) for one in some))
        }

    held = {name: [samples.of([one]) for one in validation(name, HELD)] for name in SETS}

    def evaluate(network: nn.Module) -> Mapping[str, float]:
        assert isinstance(network, Adapter)
        with torch.no_grad(), adapter.replaced_by(network):
            return {
                f"held {name}": float(sum(map(loss, some))) / sum(len(one.targets) for one in some)
                for name, some in held.items()
            }

    trained = train(adapter, losses, recipe, folder, evaluate=evaluate, report=report, minutes=minutes, device=device)
    assert isinstance(trained, Adapter)
    return _save(trained, config, folder / "adapter")


class Adapter(nn.Module):
    """The trained parameters of a model alone, so that they are what is averaged and saved.

    Args:
        parameters: Name in the model to parameter; shared with it.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        super().__init__()
        self.names = tuple(parameters)
        self.values = nn.ParameterList(parameters.values())

    @contextmanager
    def replaced_by(self, other: Adapter) -> Iterator[None]:
        """Within this block the model has another adapter's values."""
        kept = [value.detach().clone() for value in self.values]
        try:
            for value, instead in zip(self.values, other.values, strict=True):
                value.data.copy_(instead.data)
            yield
        finally:
            for value, own in zip(self.values, kept, strict=True):
                value.data.copy_(own)


class Samples:
    """Turns lessons into tokens.

    Args:
        tokens: The model's tokenizer.
        prompt: The words around a lesson.
    """

    def __init__(self, tokens: Tokens, prompt: Prompt) -> None:
        self._tokens, self._prompt = tokens, prompt

    def of(self, lessons: Sequence[Lesson]) -> Sample:
        """Lessons of one robot: their tokens, and which of them are words of steps."""
        prompt = self._prompt.about(lessons[0].setting.spoken)
        begin = prompt.render("")  # what all lessons share is found among the tokens
        rows = [self._tokenised(prompt, lesson) for lesson in lessons]
        shared = min(common_prefix(self._tokens.encode([begin])[0], ids) for ids, _ in rows)
        tokens = [*self._tokens.prefix, *rows[0][0][:shared]]
        owners, positions, targets = [-1] * len(tokens), [*range(len(tokens))], []
        start = len(tokens)
        for number, (ids, wanted) in enumerate(rows):
            targets += [len(tokens) + place - shared for place in wanted]
            tokens += ids[shared:]
            owners += [number] * (len(ids) - shared)
            positions += range(start, start + len(ids) - shared)
        return Sample(*(np.array(column, np.int64) for column in (tokens, positions, owners, targets)))

    def _tokenised(self, prompt: Prompt, lesson: Lesson) -> tuple[list[int], list[int]]:
        """A lesson's tokens, and the places of those that are words of its steps."""
        marks: list[tuple[int, int]] = []
        for place, event in enumerate(lesson.memory):
            if isinstance(event, Step):
                start = len(prompt.render(lesson.instruction, lesson.memory[:place]))
                marks.append((start, start + len(prompt.option.format(phrase=event.skill.phrase) + prompt.end)))
        whole = prompt.render(lesson.instruction, lesson.memory)
        spans = self._tokens.spans(whole[: marks[-1][1]])  # without the number of the step after "done"
        wanted = [
            place
            for place, (_, start, stop) in enumerate(spans)
            if any(start < last and stop > first for first, last in marks)
        ]
        return [token for token, _, _ in spans], wanted


class FrozenHead(torch.autograd.Function):
    """Sum of -log p(target | hidden state) over a vocabulary whose logits are never all in memory.

    The head is not trained, so its gradient for the hidden states is known as soon as the logits are, a few rows at a
    time: (softmax(W h) - one hot) W.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
        """The sum, for (N, D) states, (N,) targets and (V, D) weight."""
        states = states.to(weight.dtype)
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        slopes = torch.empty_like(states)
        for start in range(0, len(states), _ROWS):
            some, wanted = states[start : start + _ROWS], targets[start : start + _ROWS]
            logits = (some @ weight.T).float()  # (R, V)
            normaliser = logits.logsumexp(dim=-1)
            total += (normaliser - logits.gather(1, wanted[:, None])[:, 0]).sum()
            chances = logits.sub_(normaliser[:, None]).exp_()
            slopes[start : start + _ROWS] = chances.to(weight.dtype) @ weight - weight[wanted]
        ctx.save_for_backward(slopes)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """For the states alone."""
        (slopes,) = ctx.saved_tensors
        return slopes * gradient.to(slopes.dtype), None, None


def _piecewise(adapter: Adapter, parts: Sequence[Callable[[], Tensor]], count: int) -> Tensor:
    """The sum of some losses divided by `count`, with the gradient of that, made one part at a time.

    What a part needs on its way back is gone before the next one begins: a CPU has less memory to go through.
    """
    parameters = tuple(adapter.values)
    slopes = [torch.zeros_like(value) for value in parameters]
    total = torch.zeros((), device=parameters[0].device)
    for part in parts:
        value = part() / count
        for slope, more in zip(slopes, torch.autograd.grad(value, parameters), strict=True):
            slope.add_(more)
        total += value.detach()
    linear = torch.stack([(value * slope).sum() for value, slope in zip(parameters, slopes, strict=True)]).sum()
    return total + linear - linear.detach()


def _save(adapter: Adapter, config: Any, folder: Path) -> Path:
    """In peft's format, with the name of the prompt; bfloat16, for the product of two such matrices is small."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config.inference_mode = True
    config.save_pretrained(folder)
    tensors = {
        name.replace(".default", ""): value.detach().cpu().to(torch.bfloat16).contiguous()
        for name, value in zip(adapter.names, adapter.values, strict=True)
    }
    save_file(tensors, folder / WEIGHTS, {"format": "pt", "prompt": PROMPT})
    return folder
