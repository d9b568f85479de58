import math

import torch

from saycan.skills.pointing import log_softmax, pointing_loss


def test_the_loss_is_least_where_the_map_lies_on_the_point() -> None:
    points = torch.tensor([[0.75, -0.25, 1.0]])  # right, a little above the middle: cell (row 1, column 3) of 4x4
    losses = torch.zeros(4, 4)
    for row in range(4):
        for column in range(4):
            logits = torch.zeros(1, 4, 4)
            logits[0, row, column] = 5
            losses[row, column] = pointing_loss(logits.flatten(1).log_softmax(1).view(1, 4, 4), points)
    assert divmod(int(losses.argmin()), 4) == (1, 3)
    assert torch.isclose(losses[1, 3], torch.tensor(math.log(1 + 15 * math.exp(-5))), atol=1e-5)


def test_a_point_between_cells_is_shared_by_them() -> None:
    logits = torch.full((1, 2, 2), -1e9)
    logits[0, 0] = math.log(0.5)  # all weight on the upper row
    assert torch.isclose(pointing_loss(logits, torch.tensor([[0.0, -1.0, 1.0]])), torch.tensor(math.log(2)))


def test_goals_outside_the_picture_do_not_count() -> None:
    maps = torch.randn(2, 4, 4).flatten(1).log_softmax(1).view(2, 4, 4)
    points = torch.tensor([[0.1, 0.2, 1.0], [0.9, 0.9, 0.0]])
    assert torch.isclose(pointing_loss(maps, points), pointing_loss(maps[:1], points[:1]))
    assert pointing_loss(maps, points * torch.tensor([1.0, 1.0, 0.0])) == 0


def test_on_the_very_edge_it_belongs_to_the_cell_in_the_corner() -> None:
    sure = torch.full((1, 4, 4), -30.0)
    sure[0, 3, 0] = 0.0
    assert pointing_loss(log_softmax(sure), torch.tensor([[-1.0, 1.0, 1.0]])) < 1e-5
