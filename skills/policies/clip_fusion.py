"""A vision-language-action policy on CLIP: its towers, a fusion of what they see and are told, an action decoder.

    images   -> CLIP's vision tower -> patch tokens ----------> memory
    sentence -> CLIP's text tower (or another) -> one token \\
    proprioception -----------------------> a token a step   > queries -> fusion over the memory -> tanh -> actions
    one learned question per action of the chunk ----------/

Everything is projected to one width. The fusion is a transformer decoder: the queries look at each other and at all
patches of all cameras and steps. A pointer, one attention map per camera that the sentence alone directs, adds what
the sentence means and where it appears; with `Targets.points` that map is trained directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from saycan.action import ACTION_SIZE, GRIPPER, TERMINATE
from saycan.skills.pointing import coordinates, pointing_loss
from saycan.skills.policies.clip.towers import Clip, build_vision
from saycan.skills.policies.network import Inputs, Targets

_SWITCHES = [GRIPPER, TERMINATE]  # one thing or the other, rarely between
_MOTIONS = [i for i in range(ACTION_SIZE) if i not in _SWITCHES]


class ClipFusion(nn.Module):
    """The policy network; `ClipFusion.small` trains here, `ClipFusion.pretrained` stands on a pretrained CLIP.

    Args:
        cameras: Names in `Inputs.images`.
        text: E, numbers of the sentence embedding; `Clip.text_width` with the text tower's own.
        state: P, numbers of proprioception; 0 does without.
        vision: What describes the vision tower: `VisionTower.config()`.
        history: T.
        chunk: C.
        width: D, to which everything is projected.
        layers: Of the fusion.
        heads: In a layer.
        dropout: In the fusion.
        frozen: Whether the vision tower stays as it is: no gradients, no dropout.
        pointing: Weight of the pointing loss.
        switches: Weight of the cross-entropy of gripper and terminate beside the error of the motions.
        goal: Weight of the error of the goal's place and of the yaw still to turn, where targets carry them.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        text: int,
        state: int,
        vision: Mapping[str, Any],
        history: int = 1,
        chunk: int = 1,
        width: int = 256,
        layers: int = 4,
        heads: int = 8,
        dropout: float = 0.1,
        frozen: bool = True,
        pointing: float = 0.1,
        switches: float = 0.1,
        goal: float = 1.0,
    ) -> None:
        super().__init__()
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        self._config = given | {"cameras": list(cameras), "vision": dict(vision)}
        self.cameras, self.history, self.chunk, self.frozen = tuple(cameras), history, chunk, frozen
        self.weights = {"pointing": pointing, "switches": switches, "goal": goal}
        tower: Any = build_vision(vision)
        self.vision = tower
        self.vision.requires_grad_(not frozen)
        self.see = nn.Linear(self.vision.width, width)
        self.place = nn.Linear(2, width)
        self.told = nn.Linear(text, width)
        self.proprioception = nn.Linear(state, width) if state else None
        self.camera = nn.Parameter(torch.randn(len(self.cameras), width) * 0.02)
        self.step = nn.Parameter(torch.randn(history, width) * 0.02)
        self.questions = nn.Parameter(torch.randn(chunk, width) * 0.02)
        self.pointer = nn.Linear(width, width)
        layer = nn.TransformerDecoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.fusion = nn.TransformerDecoder(layer, layers, norm=nn.LayerNorm(width))
        self.decoder = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, ACTION_SIZE))
        self.goal = nn.Linear(width, 3)  # (x, y, z) m

    @classmethod
    def small(cls, cameras: Sequence[str], text: int, state: int, **changes: Any) -> Self:
        """CLIP's vision transformer in small, from random weights, for 64x64 images; the sentence as it comes.

        A text tower this size would have to learn English from a few hundred phrases; the projected embedding of a
        language model knows it already.

        Args:
            cameras: As for the class.
            text: As for the class.
            state: As for the class.
            changes: Any of the class's arguments.
        """
        vision = {
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": 64,
            "patch_size": 8,
        }
        sizes: dict[str, Any] = {
            "vision": {"kind": "transformers", "vision": vision},
            "width": 128,
            "layers": 3,
            "heads": 4,
            "frozen": False,
        }
        return cls(cameras, text, state, **(sizes | changes))

    @classmethod
    def pretrained(cls, clip: Clip, cameras: Sequence[str], state: int, **changes: Any) -> Self:
        """On the towers of a pretrained CLIP; `Inputs.text` are then `clip.embed_text`'s numbers, standardised.

        The network has the vision tower in it, and saves it with the rest. The text tower stays with `clip`.

        Args:
            clip: Such as `TransformersClip.load("openai/clip-vit-base-patch32")` or
                `OpenClip.load("ViT-B-32", "laion2b_s34b_b79k")`.
            cameras: As for the class.
            state: As for the class.
            changes: Any of the class's arguments.
        """
        network = cls(cameras, clip.text_width, state, clip.vision.config(), **changes)
        tower: Any = clip.vision
        network.vision.load_state_dict(tower.state_dict())
        return network

    def config(self) -> dict[str, Any]:
        """Plain JSON values from which `ClipFusion(**config)` builds the same network, without a hub."""
        return dict(self._config)

    def train(self, mode: bool = True) -> Self:
        """As in torch, except that a frozen tower stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.vision.eval()
        return self

    def losses(self, inputs: Inputs, targets: Targets) -> dict[str, Tensor]:
        """What is minimised.

        "action" is the Huber loss of the motions; "switches" the cross-entropy of gripper and terminate, whose tanh is
        that of a probability, 2 p - 1; "pointing" and "goal" where the targets carry them.
        """
        raw, asked, maps = self._fuse(inputs)
        mask, wanted = targets.mask, targets.actions
        going = mask * (wanted[..., TERMINATE] < 0)  # a period that terminates moves nothing, whatever else it says
        motions = functional.smooth_l1_loss(
            raw[..., _MOTIONS].tanh(), wanted[..., _MOTIONS], reduction="none", beta=0.1
        ).mean(-1)
        switches = functional.binary_cross_entropy_with_logits(
            2 * raw[..., _SWITCHES], (wanted[..., _SWITCHES] + 1) / 2, reduction="none"
        ).mean(-1)
        found = {
            "action": (motions * going).sum() / going.sum().clamp(min=1),
            "switches": self.weights["switches"] * (switches * mask).sum() / mask.sum().clamp(min=1),
        }
        seen = [pointing_loss(maps[name], points) for name, points in targets.points.items() if name in maps]
        if self.weights["pointing"] and seen:
            found["pointing"] = self.weights["pointing"] * torch.stack(seen).sum()
        place = self.goal(asked[:, 0]).float()
        if self.weights["goal"] and targets.goal is not None:
            known = targets.goal.isfinite().all(dim=1).float()  # driving has no goal
            error = functional.l1_loss(place, targets.goal.nan_to_num(), reduction="none").mean(-1)
            found["goal"] = self.weights["goal"] * (error * known).sum() / known.sum().clamp(min=1)
        return found

    def actions(self, inputs: Inputs) -> Tensor:
        """(B, C, A) float32 in [-1, 1]."""
        return self._fuse(inputs)[0].tanh()

    def looks_at(self, inputs: Inputs) -> dict[str, Tensor]:
        """Each camera's pointer (B, h, w), logarithms."""
        return self._fuse(inputs)[2]

    def _fuse(self, inputs: Inputs) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Actions before the tanh (B, C, A), the questions' answers (B, C, D), maps of the newest step (B, h, w)."""
        patches = self._patches(inputs.images)  # (B, T, cameras, K, D)
        batch, steps = patches.shape[:2]
        told = self.told(inputs.text)
        rows, columns = self.vision.grid
        where = coordinates(rows, columns, patches)  # (K, 2)
        scores = torch.einsum("btckd,bd->btck", patches, self.pointer(told)) / patches.shape[-1] ** 0.5
        weights = scores.float().softmax(-1).to(patches.dtype)
        context = self.step[-steps:, None] + self.camera  # (T, cameras, D)
        meant = weights[..., None, :] @ patches  # (B, T, cameras, 1, D)
        meant = meant.squeeze(-2) + self.place(weights @ where) + context
        memory = patches + self.place(where) + context[:, :, None]
        queries = [self.questions.expand(batch, -1, -1), told[:, None], meant.flatten(1, 2)]
        if self.proprioception is not None:
            queries.append(self.proprioception(inputs.state) + self.step[-steps:])
        asked = self.fusion(torch.cat(queries, dim=1), memory.flatten(1, 3))[:, : self.chunk]
        logarithms = scores[:, -1].float().log_softmax(-1).view(batch, -1, rows, columns)
        return self.decoder(asked).float(), asked, {name: logarithms[:, i] for i, name in enumerate(self.cameras)}

    def _patches(self, images: Mapping[str, Tensor]) -> Tensor:
        """Camera name to (B, T, 3, H, W), to (B, T, cameras, K, D)."""
        each = [images[name] for name in self.cameras]
        batch, steps = each[0].shape[:2]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            seen = self.vision(torch.stack(each, dim=2).flatten(0, 2))
        projected: Tensor = self.see(seen)
        return projected.view(batch, steps, len(each), *projected.shape[1:])
