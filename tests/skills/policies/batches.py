"""Random observations and targets for policy networks."""

import torch

from saycan.skills.policies.network import Inputs, Targets

CAMERAS = ("head", "wrist")
STATE, TEXT = 5, 16


def batch(
    size: int = 2, history: int = 1, chunk: int = 1, side: int = 64, seed: int = 0, text: int = TEXT
) -> tuple[Inputs, Targets]:
    g = torch.Generator().manual_seed(seed)
    inputs = Inputs(
        images={
            name: torch.randint(0, 256, (size, history, 3, side, side), dtype=torch.uint8, generator=g)
            for name in CAMERAS
        },
        state=torch.randn(size, history, STATE, generator=g),
        text=torch.randn(size, text, generator=g),
    )
    actions = torch.rand(size, chunk, 11, generator=g) * 2 - 1
    actions[..., 6] = actions[..., 6].sign()
    actions[..., 10] = -1  # terminate: go on
    points = {
        name: torch.cat([torch.rand(size, 2, generator=g) * 2 - 1, torch.ones(size, 1)], dim=1) for name in CAMERAS
    }
    return inputs, Targets(actions, torch.ones(size, chunk), points, torch.randn(size, 3, generator=g))


def overfit(network: torch.nn.Module, inputs: Inputs, targets: Targets, steps: int, rate: float = 3e-3) -> None:
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], rate)
    network.train()
    for _ in range(steps):
        loss = torch.stack(list(network.losses(inputs, targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
