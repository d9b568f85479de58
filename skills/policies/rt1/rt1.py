"""RT-1 (Brohan et al. 2022, arXiv:2212.06817): the network, its losses, and its tokens kept from step to step.

    image, sentence  -> FiLM EfficientNet -> 9x9x512 -> TokenLearner -> 8 tokens
    6 images         -> 48 tokens -> causal transformer, 8 layers -> 11 dimensions x 256 bins

Several cameras' tokens of a step stand one after the other; one tokenizer serves them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from saycan.action import ACTION_SIZE, TERMINATE
from saycan.errors import BadInputError
from saycan.skills.pointing import pointing_loss
from saycan.skills.policies.network import Inputs, Targets
from saycan.skills.policies.rt1.bins import BINS, around, from_bins
from saycan.skills.policies.rt1.token_learner import TokenLearner
from saycan.skills.policies.rt1.tokenizer import FilmEfficientNet, build_tokenizer
from saycan.skills.policies.rt1.transformer import CausalTransformer


class RT1(nn.Module):
    """The policy network of RT-1; `RT1.paper` has its size, `RT1.small` one that trains on a laptop.

    What differs from the paper, each by an argument: several cameras, proprioception, tokens that carry coordinates,
    the pointing loss, blurred targets. What differs throughout: only the newest step's action is trained, since
    `Targets` hold no other.

    Args:
        cameras: Names in `Inputs.images`, in the order of their tokens.
        text: E, numbers of the sentence embedding.
        state: P, numbers of proprioception, one token a step more; 0 does without, as the paper does.
        history: T.
        chunk: C; 1 in the paper.
        backbone: The image tokenizer, one of `saycan.skills.policies.rt1.tokenizer.BACKBONES`.
        image: Side in pixels to which images are resized; None leaves them as they are.
        width: D of all tokens.
        tokens: S, tokens of an image.
        layers: Of the transformer.
        heads: In a layer.
        head: Numbers in a head.
        hidden: Width inside a feed-forward part; None makes it one linear layer, which gives the paper's 19 M.
        dropout: In the transformer.
        place: Whether an image's tokens carry the coordinates of what they look at.
        bins: Of an action's dimension.
        spread: Standard deviation in bins by which the action to be learned is blurred over its neighbours; 0 in the
            paper. To the plain cross-entropy the next bin is as wrong as the farthest, which takes the paper's amount
            of data to overcome.
        pointing: Weight of the pointing loss on each camera's first token, where targets carry points; 0 leaves it out.
        history_gradient: Whether gradients reach the tokens of older images. Off saves much of the time of training:
            the same weights learn from the newest image.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        text: int,
        state: int = 0,
        history: int = 6,
        chunk: int = 1,
        backbone: str = "efficientnet_b3",
        image: int | None = 300,
        width: int = 512,
        tokens: int = 8,
        layers: int = 8,
        heads: int = 8,
        head: int = 128,
        hidden: int | None = None,
        dropout: float = 0.1,
        place: bool = False,
        bins: int = BINS,
        spread: float = 0.0,
        pointing: float = 0.0,
        history_gradient: bool = True,
    ) -> None:
        super().__init__()
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        self._config = given | {"cameras": list(cameras)}
        self.cameras, self.history, self.chunk, self.bins = tuple(cameras), history, chunk, bins
        self.spread, self.pointing, self.history_gradient = spread, pointing, history_gradient
        self.tokenizer = build_tokenizer(backbone, text, width, image)
        self.learner = TokenLearner(width, tokens, place=place)
        self.proprioception = nn.Linear(state, width) if state else None
        self.step_tokens = len(self.cameras) * tokens + (1 if state else 0)
        self.transformer = CausalTransformer(
            width, layers, heads, head, history, self.step_tokens, chunk * ACTION_SIZE, hidden, dropout
        )
        self.logits = nn.Linear(width, bins)

    @classmethod
    def paper(
        cls,
        cameras: Sequence[str] = ("head",),
        text: int = 512,
        weights: str | Path | None = None,
        **changes: Any,
    ) -> Self:
        """The paper's sizes: 35 M parameters with one camera and a sentence embedding of 512 numbers.

        Args:
            cameras: As for the class.
            text: As for the class.
            weights: A file of ImageNet weights in torchvision's format; None starts at random.
            changes: Any of the class's arguments.
        """
        network = cls(cameras, text, **changes)
        if weights is not None:
            if not isinstance(network.tokenizer, FilmEfficientNet):
                raise BadInputError("weights are for an EfficientNet; the backbone is another. Leave one of them out.")
            network.tokenizer.load_imagenet(weights)
        return network

    @classmethod
    def small(cls, cameras: Sequence[str], text: int, state: int, **changes: Any) -> Self:
        """About a million parameters, for 64x64 images on two processor cores; arguments as for the class."""
        sizes: dict[str, Any] = {
            "history": 3,
            "backbone": "small",
            "image": None,
            "width": 128,
            "layers": 3,
            "heads": 4,
            "head": 32,
            "hidden": 256,
            "place": True,
            "spread": 8.0,
            "pointing": 1.0,
            "history_gradient": False,
        }
        return cls(cameras, text, state, **(sizes | changes))

    def config(self) -> dict[str, Any]:
        """Plain JSON values from which `RT1(**config)` builds the same network."""
        return dict(self._config)

    def tokens(self, inputs: Inputs) -> Tensor:
        """The tokens of each step, for any number of steps; a step's tokens depend on that step alone.

        At run time, those of older steps can be kept as long as the sentence stays (the paper, section 5.1); `Window`
        does so.

        Args:
            inputs: With any T.

        Returns:
            (B, T, S', D) for S' = cameras * S, and one more with proprioception.
        """
        return self._tokens(inputs)[0]

    def predict(self, tokens: Tensor) -> Tensor:
        """(B, history, S', D), from `tokens`, to logits (B, C, A, bins)."""
        answers, _ = self.transformer(tokens)
        logits: Tensor = self.logits(answers)
        return logits.view(len(logits), self.chunk, ACTION_SIZE, self.bins)

    def losses(self, inputs: Inputs, targets: Targets) -> dict[str, Tensor]:
        """Cross-entropy of the bins over the actions within the episode ("action"), and "pointing"."""
        tokens, maps = self._tokens(inputs)
        logits = self.predict(tokens).float()
        wanted = around(targets.actions, self.spread, self.bins)  # (B, C, A, bins)
        entropy = -(wanted * logits.log_softmax(-1)).sum(-1)
        # A period that terminates moves nothing: what else is commanded in it says nothing.
        counted = targets.mask[..., None].expand_as(entropy).clone()
        counted[..., :TERMINATE] *= targets.actions[..., TERMINATE, None] < 0
        found = {"action": (entropy * counted).sum() / counted.sum().clamp(min=1)}
        seen = [pointing_loss(maps[name][:, 0], points) for name, points in targets.points.items() if name in maps]
        if self.pointing and seen:
            found["pointing"] = self.pointing * torch.stack(seen).sum()
        return found

    def actions(self, inputs: Inputs) -> Tensor:
        """(B, C, A) float32 in [-1, 1]: the middle of the likeliest bin in each dimension."""
        return self.choose(self.tokens(inputs))

    def looks_at(self, inputs: Inputs) -> dict[str, Tensor]:
        """Each camera's map (B, h, w) of its first token, logarithms."""
        return {name: maps[:, 0] for name, maps in self._tokens(inputs)[1].items()}

    def window(self, stride: int = 1) -> Window:
        """For acting step by step: the same actions, each image looked at once."""
        return Window(self, stride)

    def choose(self, tokens: Tensor) -> Tensor:
        """As `actions`, from tokens (B, history, S', D)."""
        return from_bins(self.predict(tokens).argmax(-1), self.bins)

    def _tokens(self, inputs: Inputs) -> tuple[Tensor, dict[str, Tensor]]:
        """Tokens (B, T, S', D), and each camera's maps of the newest step (B, S, h, w)."""
        images = torch.stack([inputs.images[name] for name in self.cameras], dim=2)  # (B, T, cameras, 3, H, W)
        newest, maps = self._look(images[:, -1:], inputs.text)
        parts = [newest]
        if images.shape[1] > 1:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.history_gradient):
                parts.insert(0, self._look(images[:, :-1], inputs.text)[0])
        tokens = torch.cat(parts, dim=1)
        if self.proprioception is not None:
            tokens = torch.cat([tokens, self.proprioception(inputs.state)[:, :, None]], dim=2)
        return tokens, {name: maps[:, -1, i] for i, name in enumerate(self.cameras)}

    def _look(self, images: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, cameras, 3, H, W) to tokens (B, T, cameras * S, D) and maps (B, T, cameras, S, h, w)."""
        shape = images.shape[:3]
        sentences = text[:, None].expand(-1, shape[1] * shape[2], -1).flatten(0, 1)
        tokens, maps = self.learner(self.tokenizer(images.flatten(0, 2), sentences))
        return tokens.unflatten(0, shape).flatten(2, 3), maps.unflatten(0, shape)


class Window:
    """RT-1 at run time: each image becomes tokens once, and the tokens of the last T steps are kept.

    Brohan et al. (section 5.1) give 1.7 times the speed for it. As long as fewer than T steps have passed, the first
    stands for those before it.

    Args:
        network: In evaluation mode.
        stride: Calls between two observations of the history, as in the data that it was trained on.
    """

    def __init__(self, network: RT1, stride: int = 1) -> None:
        self.network, self.stride = network, stride
        self._kept: list[Tensor] = []

    def reset(self) -> None:
        """Forget all steps; call it when an episode or another sentence begins."""
        self._kept = []

    @torch.inference_mode()
    def actions(self, inputs: Inputs) -> Tensor:
        """The actions after one more step.

        Args:
            inputs: Of any T; the newest step alone is looked at.

        Returns:
            (B, C, A) float32 in [-1, 1].
        """
        newest = replace(
            inputs, images={name: x[:, -1:] for name, x in inputs.images.items()}, state=inputs.state[:, -1:]
        )
        tokens = self.network.tokens(newest)
        length = (self.network.history - 1) * self.stride + 1
        self._kept = [*(self._kept or [tokens] * length), tokens][-length:]
        return self.network.choose(torch.cat(self._kept[:: self.stride], dim=1))
