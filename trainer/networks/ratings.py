"""The networks for ratings: the dot product of two tastes, or a few dense layers over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from audit.errors import raise_violations
from trainer.setting_checks import share_violations, whole_violations, width_violations


@dataclass(frozen=True, slots=True, kw_only=True)
class DotSettings:
    """Shape of the dot product with bias.

    Parameters
    ----------
    factors
        Numbers by which a user, and an item, is described; at least 1.

    Raises
    ------
    InputError
        If a setting is out of range.

    Examples
    --------
    >>> DotSettings().factors
    50
    """

    architecture: ClassVar[str] = "ratings_dot"

    factors: int = 50

    def __post_init__(self) -> None:
        raise_violations(whole_violations({"factors": self.factors}))


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingsNetSettings:
    """Shape of the network over the two embeddings.

    Parameters
    ----------
    users, items
        Numbers by which a user and an item is described; at least 1.
    hidden
        Width of each hidden layer.
    dropout
        Share of hidden values left out in training, in [0, 1).

    Raises
    ------
    InputError
        If a setting is out of range.

    Examples
    --------
    >>> RatingsNetSettings(hidden=[64]).hidden, RatingsNetSettings().users
    ((64,), 50)
    """

    architecture: ClassVar[str] = "ratings_net"

    users: int = 50
    items: int = 50
    hidden: Sequence[int] = (100, 50)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        violations = width_violations("hidden", self.hidden)
        violations += whole_violations({"users": self.users, "items": self.items})
        raise_violations(violations + share_violations({"dropout": self.dropout}))
        object.__setattr__(self, "hidden", tuple(self.hidden))


class TasteEmbedding(nn.Module):
    """What is learnt of each user or item; of an unknown one, code 0, the mean of all that were learnt.

    The mean is taken in prediction only, over the codes from 1 on, each counted once. Row 0 of the table is zero and
    is never taught, since no train row is unknown.

    Parameters
    ----------
    number
        How many are known.
    width
        Numbers that describe one.

    Examples
    --------
    >>> tastes = TasteEmbedding(2, width=1).eval()
    >>> _ = tastes.table.weight.data.copy_(torch.tensor([[0.0], [1.0], [4.0]]))
    >>> tastes(torch.tensor([0, 2])).flatten().tolist()
    [2.5, 4.0]
    """

    def __init__(self, number: int, *, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(number + 1, width)
        nn.init.normal_(self.table.weight, std=0.01)
        with torch.no_grad():
            self.table.weight[0] = 0.0

    def forward(self, codes: Tensor) -> Tensor:
        """Return shape (n, width) from codes of shape (n,)."""
        known: Tensor = self.table(codes)
        if self.training:
            return known
        return torch.where(codes.unsqueeze(-1) == 0, self.table.weight[1:].mean(dim=0), known)


class DotBias(nn.Module):
    """Taste of the user times nature of the item, and what either adds by itself: ``p_u . q_i + b_u + b_i + b``.

    The biases stand beside the factors in one table each, so that a batch costs two look-ups.

    Parameters
    ----------
    n_users, n_items
        How many are known.
    settings
        Number of factors.
    start
        What is answered before anything is learnt, on the scale of the network's output.

    Notes
    -----
    Koren, Bell & Volinsky, "Matrix factorization techniques for recommender systems" (2009),
    doi:10.1109/MC.2009.263, equation 4.

    Examples
    --------
    >>> model = DotBias(n_users=3, n_items=2, settings=DotSettings(factors=4), start=0.5).eval()
    >>> _ = model.users.table.weight.data.zero_(), model.items.table.weight.data.zero_()
    >>> model(torch.tensor([1, 0]), torch.tensor([2, 2])).tolist()
    [[0.5], [0.5]]
    """

    def __init__(self, *, n_users: int, n_items: int, settings: DotSettings, start: float) -> None:
        super().__init__()
        self.users = TasteEmbedding(n_users, width=settings.factors + 1)
        self.items = TasteEmbedding(n_items, width=settings.factors + 1)
        self.bias = nn.Parameter(torch.tensor([start]))

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Return shape (n, 1) from codes of shape (n,)."""
        user, item = self.users(users), self.items(items)
        match = (user[:, 1:] * item[:, 1:]).sum(dim=-1)
        answer: Tensor = match + user[:, 0] + item[:, 0] + self.bias
        return answer.unsqueeze(-1)


class RatingsNet(nn.Module):
    """The two embeddings side by side, and a few dense layers over them.

    Parameters
    ----------
    n_users, n_items
        How many are known.
    settings
        Widths of embeddings and layers.
    start
        What is answered before anything is learnt, on the scale of the network's output.

    Notes
    -----
    He, Liao, Zhang, Nie, Hu & Chua, "Neural collaborative filtering" (2017), arXiv:1708.05031, section 3.3.

    Examples
    --------
    >>> model = RatingsNet(n_users=3, n_items=2, settings=RatingsNetSettings(users=4, items=3, hidden=(5,)), start=0.0)
    >>> model.dense[0].in_features, model(torch.tensor([1, 0]), torch.tensor([2, 2])).shape
    (7, torch.Size([2, 1]))
    """

    def __init__(self, *, n_users: int, n_items: int, settings: RatingsNetSettings, start: float) -> None:
        super().__init__()
        self.users = TasteEmbedding(n_users, width=settings.users)
        self.items = TasteEmbedding(n_items, width=settings.items)
        width = settings.users + settings.items
        layers: list[nn.Module] = []
        for size in settings.hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(settings.dropout)]
            width = size
        last = nn.Linear(width, 1)
        nn.init.constant_(last.bias, start)
        self.dense = nn.Sequential(*layers, last)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Return shape (n, 1) from codes of shape (n,)."""
        answer: Tensor = self.dense(torch.cat([self.users(users), self.items(items)], dim=-1))
        return answer
