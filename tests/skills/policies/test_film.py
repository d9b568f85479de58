import torch

from saycan.skills.policies.film import FiLM


def test_film_starts_as_the_identity_whatever_the_sentence() -> None:
    x = torch.randn(3, 5, 4, 4)
    assert torch.equal(FiLM(7, 5)(x, torch.randn(3, 7)), x)


def test_film_scales_and_shifts_each_channel_by_its_own_sentence() -> None:
    film = FiLM(1, 2)
    with torch.no_grad():
        film.project.weight.copy_(torch.tensor([[1.0], [0.0], [0.0], [5.0]]))  # gamma of channel 0, beta of channel 1
    shifted = film(torch.ones(2, 2, 3, 3), torch.tensor([[0.0], [2.0]]))
    assert torch.equal(shifted[0], torch.ones(2, 3, 3))
    assert torch.equal(shifted[1, 0], torch.full((3, 3), 3.0))  # (1 + 2) * 1
    assert torch.equal(shifted[1, 1], torch.full((3, 3), 11.0))  # 1 + 5 * 2


def test_film_learns_from_its_first_step() -> None:
    film = FiLM(3, 2)
    film(torch.randn(4, 2, 3, 3), torch.randn(4, 3)).square().sum().backward()
    assert film.project.weight.grad is not None and film.project.weight.grad.abs().sum() > 0
