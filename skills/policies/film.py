"""FiLM: a sentence scales and shifts the channels of a feature map (Perez et al. 2018, arXiv:1709.07871)."""

from __future__ import annotations

from torch import Tensor, nn


class FiLM(nn.Module):
    """y = (1 + gamma(text)) * x + beta(text), channel by channel.

    The projection to gamma and beta starts at zero, so the layer starts as the identity. Brohan et al. 2022
    (arXiv:2212.06817, section 5.1) do the same: between the layers of a pretrained network anything else would destroy
    what the network has learned.

    Args:
        text: E, numbers of the sentence embedding.
        channels: C, channels of the feature map.
    """

    def __init__(self, text: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(text, 2 * channels)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        """(N, C, H, W) and (N, E) to (N, C, H, W)."""
        gamma, beta = self.project(text)[:, :, None, None].chunk(2, dim=1)  # each (N, C, 1, 1)
        shifted: Tensor = x * (1 + gamma) + beta
        return shifted
