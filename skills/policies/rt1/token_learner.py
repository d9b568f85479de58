"""TokenLearner: a few tokens that stand for a whole feature map (Ryoo et al. 2021, arXiv:2106.11297)."""

from __future__ import annotations

from torch import Tensor, nn

from saycan.skills.pointing import coordinates


class TokenLearner(nn.Module):
    """token_s = sum_i softmax_i(m_s(x_i)) x_i: each token is a mean over the map, weighted by a map of its own.

    The variant 1.1, which RT-1 uses: the maps come from a small perceptron on each place's layer-normalised features.

    With `place` on, a token also learns where its map looks: the mean coordinates under the map, projected and added.
    The paper's network has to read them out of the features, into which they come through the padding; a small network
    that must move a hand to what it sees is better told (spatial softmax; Levine et al. 2016, arXiv:1504.00702).

    Args:
        width: D, numbers of a feature and of a token.
        tokens: S, how many tokens.
        hidden: Width of the perceptron's hidden layer.
        place: Whether tokens carry the coordinates of what they look at.
    """

    def __init__(self, width: int, tokens: int, hidden: int = 64, place: bool = False) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, tokens))
        self.place = nn.Linear(2, width) if place else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Summarise a feature map.

        Args:
            x: (N, D, H, W).

        Returns:
            Tokens (N, S, D), and the logarithms of the weights, (N, S, H, W), which sum to one over H and W.
        """
        height, width = x.shape[-2:]
        places = x.flatten(2).transpose(1, 2)  # (N, H W, D)
        logarithms = self.maps(places).transpose(1, 2).float().log_softmax(-1)  # (N, S, H W)
        weights = logarithms.exp().to(x.dtype)
        tokens = weights @ places  # (N, S, D)
        if self.place is not None:
            tokens = tokens + self.place(weights @ coordinates(height, width, x))
        return tokens, logarithms.unflatten(-1, (height, width))
