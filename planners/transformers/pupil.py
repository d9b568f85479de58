"""A language model with a low-rank adapter that learns, and helpers: processes that take a share of its lessons."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from saycan.errors import BadInputError, MissingPartError
from saycan.planners.lessons.lesson import lessons
from saycan.planners.prompt import Prompt
from saycan.planners.transformers.adapter import ABOUT, WEIGHTS, scale_of
from saycan.planners.transformers.head import LEAST, OutputHead
from saycan.planners.transformers.loading import load
from saycan.planners.transformers.network import CausalNetwork
from saycan.planners.transformers.samples import Sample, Samples
from saycan.torchvision import cure_torchvision

PROMPT = "adapted"
TOGETHER = 6
"""Lessons for one robot that go through the model side by side, so that what they share is computed once."""

_SCALE = 2.0  # alpha / r of every adapter, whatever its rank
_TILE = 8192  # tokens of the vocabulary whose logits are in memory at once


@dataclass(frozen=True)
class Course:
    """What is taught to what.

    Attributes:
        model: Folder or hub name of the language model.
        rank: Of the adapter's matrices.
        seed: Of their first values.
        device: "cpu", "cuda" or None: CUDA where there is one.
        start: Folder of an adapter to go on from.
    """

    model: str
    rank: int = 16
    seed: int = 0
    device: str | None = None
    start: str | None = None


class Pupil:
    """The model, its adapter, and what a lesson changes in it.

    Raises:
        MissingPartError: peft is not installed, or there is no such model or adapter.
        BadInputError: A rank below 1, a model that cannot read lessons side by side, one whose logits have a bias, a
            scale or a cap, or an adapter of another kind.
    """

    def __init__(self, course: Course) -> None:
        cure_torchvision()  # peft imports every model that transformers has
        try:
            from peft import LoraConfig, get_peft_model
        except ModuleNotFoundError as error:
            if error.name != "peft":
                raise
            raise MissingPartError(
                "training a planner needs peft: python -m pip install 'saycan-robotics[train,gemma]'"
            ) from error
        if course.rank < 1:
            raise BadInputError(f"an adapter's rank is at least 1, found {course.rank}; 16 is the default")
        model, tokens, self.device = load(course.model, "auto", course.device)
        self._network = CausalNetwork(model, self.device)
        if not self._network.is_plain:
            raise BadInputError(
                f"{course.model} cannot be told who sees whom or what stands where, which lessons side by side need; "
                "take another model, such as Gemma 3, Llama or Qwen"
            )
        head = OutputHead(model)
        if not head.is_plain:
            raise BadInputError(
                f"{course.model} adds a bias to its logits, scales or caps them, which the loss of lessons does not "
                "know; take a model whose logits are its output embeddings times the hidden state and nothing else, "
                "such as Gemma 3, Llama or Qwen"
            )
        model.requires_grad_(False)
        torch.manual_seed(course.seed)
        self._config = LoraConfig(
            r=course.rank, lora_alpha=int(_SCALE * course.rank), lora_dropout=0.0, target_modules="all-linear",
            task_type="CAUSAL_LM",
        )  # fmt: skip
        with warnings.catch_warnings():  # about what peft itself does
            warnings.simplefilter("ignore")
            adapted = get_peft_model(model, self._config)
        self._config.base_model_name_or_path = Path(course.model).name
        self.adapter = Adapter({name: value for name, value in adapted.named_parameters() if value.requires_grad})
        if course.start is not None:
            self.adapter.read(Path(course.start))
        self._head = head.weight
        self.samples = Samples(tokens, Prompt.load(PROMPT))
        self._coarse: Callable[[], AbstractContextManager[Any]] = nullcontext
        if model.dtype == torch.bfloat16:
            self._coarse = partial(_coarse, adapted, self.device)

    def loss(self, sample: Sample) -> Tensor:
        """Sum of -log p over a sample's targets."""
        with self._coarse():
            states = self._network.feed(sample.tokens, sample.positions, sample.positions, sample.visible, keep=False)[
                sample.targets - 1
            ]
        wanted = torch.from_numpy(sample.tokens[sample.targets]).to(self.device)
        total: Tensor = FrozenHead.apply(states, wanted, self._head)  # type: ignore[no-untyped-call]
        return total

    def study(self, numbers: Sequence[int]) -> tuple[float, int, Tensor]:
        """Loss, targets and gradient (P,), each summed over the lessons of some robots.

        One robot's are forgotten before the next one's are read: a CPU has less memory to go through.
        """
        total, count, slope = 0.0, 0, torch.zeros_like(self.adapter.flat())
        for number in numbers:
            sample = self.samples.of(lessons(number, TOGETHER))
            loss = self.loss(sample)
            found = torch.autograd.grad(loss, tuple(self.adapter.values))
            slope += torch.cat([part.reshape(-1) for part in found])
            total, count = total + loss.item(), count + len(sample.targets)
        return total, count, slope

    def save(self, adapter: Adapter, folder: Path) -> Path:
        """In peft's format, with the name of the prompt; bfloat16, for the product of two such matrices is small."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        self._config.inference_mode = True
        self._config.save_pretrained(str(folder))
        tensors = {
            name: value.detach().cpu().to(torch.bfloat16).contiguous()
            for name, value in zip(adapter.names, adapter.values, strict=True)
        }
        save_file(tensors, folder / WEIGHTS, {"format": "pt", "prompt": PROMPT})
        return folder


class Adapter(nn.Module):
    """The trained parameters of a model alone, so that they are what is averaged and saved.

    Args:
        parameters: Name in the model to parameter; shared with it.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        super().__init__()
        self.names = tuple(name.replace(".default", "") for name in parameters)  # as peft keeps them
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

    def flat(self) -> Tensor:
        """(P,) all values."""
        return torch.cat([value.detach().reshape(-1) for value in self.values])

    def fill(self, flat: Tensor) -> None:
        """Take all values from (P,)."""
        start = 0
        for value in self.values:
            value.data.copy_(flat[start : start + value.numel()].view_as(value))
            start += value.numel()

    def read(self, folder: Path) -> None:
        """Take the values of a saved adapter. Raises MissingPartError, BadInputError."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors = load_file(folder / WEIGHTS)
            scale = scale_of(json.loads((folder / ABOUT).read_text(encoding="utf-8")))
            if scale != _SCALE:
                raise ValueError(f"its alpha / r is {scale:g}, and {_SCALE:g} is what is trained with here")
            for name, value in zip(self.names, self.values, strict=True):
                if tensors[name].shape != value.shape:
                    raise ValueError(f"{name} is {tuple(tensors[name].shape)} there and {tuple(value.shape)} here")
                value.data.copy_(tensors[name])
        except FileNotFoundError as error:
            raise MissingPartError(
                f"no adapter to start from in {str(folder)!r}: it takes {ABOUT} and {WEIGHTS}"
            ) from error
        except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadInputError(
                f"the adapter in {str(folder)!r} does not fit this model and rank: {type(error).__name__} {error}. "
                "Start from one that `saycan train planner` made of this model with this rank, or from none"
            ) from error


class FrozenHead(torch.autograd.Function):
    """Sum of -log p(target | hidden state) over a vocabulary whose logits are never all in memory.

    The head is not trained, so its gradient for the hidden states is known as soon as the logits are: (the sum over
    tokens t of p(t) W_t) - W_target. The vocabulary is gone through once, in tiles that stay in the processor's cache,
    with exp(logit - logit of the target) for p until its sum is known. Right for a plain head alone
    (`OutputHead.is_plain`).
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
        """The sum, for (N, D) states, (N,) targets and (V, D) weight."""
        states, own = states.to(weight.dtype), weight[targets].float()
        logits = (states.float() * own).sum(dim=-1).to(weight.dtype).float()  # rounded as those that it is summed with
        normalisers, means = FrozenHead._gone_through(states, weight, logits)
        if not bool(normalisers.isfinite().all()):  # a target that is less likely than exp can say
            highest = torch.stack([(states @ tile.T).amax(dim=-1) for tile in torch.split(weight, _TILE)]).amax(dim=0)
            normalisers, means = FrozenHead._gone_through(states, weight, highest.float())
        ctx.save_for_backward(means - own)
        return (normalisers - logits).sum()

    @staticmethod
    def _gone_through(states: Tensor, weight: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) log sum over the vocabulary of exp(logit), and (N, D) the mean of the vocabulary's rows under p."""
        totals = torch.zeros(len(states), device=states.device)
        means = torch.zeros(states.shape, device=states.device)
        for tile in torch.split(weight, _TILE):
            chances = (states @ tile.T).float().sub_(reference[:, None]).clamp_(min=LEAST).exp_()
            totals += chances.sum(dim=-1)
            means += chances.to(weight.dtype) @ tile
        return reference + totals.log(), means / totals[:, None]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """For the states alone."""
        (slopes,) = ctx.saved_tensors
        return slopes * gradient, None, None


class Helpers:
    """Processes with a pupil each, which study with the first one's values; on a CPU two are almost twice as fast.

    Args:
        course: As the first pupil's.
        count: How many, beside the first.
    """

    def __init__(self, course: Course, count: int) -> None:
        context = get_context("spawn")  # a copy of a process whose threads multiply matrices may hang
        threads = max(1, (os.cpu_count() or 1) // (count + 1))
        if count:
            torch.set_num_threads(threads)
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(count):
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, course, threads), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(mine)
            self._processes.append(process)

    def study(self, pupil: Pupil, numbers: Sequence[int]) -> tuple[float, int, Tensor]:
        """As `Pupil.study`, shared among all."""
        crew = len(self._pipes) + 1
        values = pupil.adapter.flat().cpu().numpy() if self._pipes else None
        for place, pipe in enumerate(self._pipes, start=1):
            pipe.send((values, list(numbers[place::crew])))
        total, count, slope = pupil.study(numbers[0::crew])
        for pipe in self._pipes:
            more, targets, found = pipe.recv()
            total, count = total + more, count + targets
            slope += torch.from_numpy(found).to(slope.device)
        return total, count, slope

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(timeout=10.0)
            if process.is_alive():
                process.kill()


@contextmanager
def _coarse(model: Any, device: str) -> Iterator[None]:
    """bfloat16 throughout: peft would turn what enters every matrix of the adapter into float32, and autocast back."""
    from peft.helpers import disable_input_dtype_casting

    with disable_input_dtype_casting(model), torch.autocast(device, torch.bfloat16):
        yield


def _serve(pipe: Connection, course: Course, threads: int) -> None:
    torch.set_num_threads(threads)
    pupil = Pupil(course)
    while True:
        try:
            values, numbers = pipe.recv()
            pupil.adapter.fill(torch.from_numpy(values))
            total, count, slope = pupil.study(numbers)
            pipe.send((total, count, slope.cpu().numpy()))
        except (EOFError, BrokenPipeError, KeyboardInterrupt):  # nobody is there any more
            return
