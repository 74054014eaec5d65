"""The network for tables: embeddings of categories and words, waves of numbers, and a few dense layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from audit.errors import raise_violations
from trainer.setting_checks import above_zero_violations, share_violations, whole_violations, width_violations


@dataclass(frozen=True, slots=True, kw_only=True)
class MLPSettings:
    """Shape of the tabular network.

    Parameters
    ----------
    hidden
        Width of each hidden layer.
    embedding
        Numbers by which a category is described; a word of a text has four times as many.
    frequencies, sigma, periodic
        Waves per numeric column, the spread of their initial frequencies, and the numbers made of them.
    dropout
        Share of hidden values left out in training, in [0, 1).

    Raises
    ------
    InputError
        If a setting is of another type or out of range; all are listed.

    Examples
    --------
    >>> MLPSettings(hidden=[64, 64]).hidden, MLPSettings().dropout
    ((64, 64), 0.25)
    """

    architecture: ClassVar[str] = "tabular_mlp"

    hidden: Sequence[int] = (256, 256)
    embedding: int = 8
    frequencies: int = 48
    sigma: float = 4.0
    periodic: int = 16
    dropout: float = 0.25

    def __post_init__(self) -> None:
        violations = width_violations("hidden", self.hidden)
        if not violations:
            object.__setattr__(self, "hidden", tuple(self.hidden))
        sizes = {"embedding": self.embedding, "frequencies": self.frequencies, "periodic": self.periodic}
        violations += whole_violations(sizes) + above_zero_violations({"sigma": self.sigma})
        raise_violations(violations + share_violations({"dropout": self.dropout}))


class TabularMLP(nn.Module):
    """Codes, floats and words in, one logit per class out: embeddings, waves, and a few dense layers.

    There is no batch normalisation: an answer never depends on who else is in the batch, a batch of one is allowed,
    and training and prediction compute the same thing.

    Parameters
    ----------
    n_codes
        Number of codes of each code column.
    n_numeric
        Number of numeric columns.
    n_classes
        Number of classes.
    settings
        Shape of the network.
    texts
        Number of word codes and of words per row, of each text column.

    Examples
    --------
    >>> model = TabularMLP(n_codes=(3, 4), n_numeric=1, n_classes=2, settings=MLPSettings(hidden=(8,)))
    >>> model(torch.tensor([[0, 3]], dtype=torch.uint8), torch.zeros(1, 1)).shape
    torch.Size([1, 2])
    """

    def __init__(
        self,
        *,
        n_codes: Sequence[int],
        n_numeric: int,
        n_classes: int,
        settings: MLPSettings,
        texts: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        self.categories = OffsetEmbedding(n_codes, width=settings.embedding) if n_codes else None
        self.waves = PeriodicEmbedding(n_numeric, settings=settings) if n_numeric else None
        self.lengths = [length for _, length in texts]
        per_word = 4 * settings.embedding
        self.bags = nn.ModuleList(WordBag(n_words, width=per_word) for n_words, _ in texts)
        width = len(n_codes) * settings.embedding + n_numeric * (settings.periodic + 1) + len(texts) * per_word
        layers: list[nn.Module] = []
        for size in settings.hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(settings.dropout)]
            width = size
        self.dense = nn.Sequential(*layers, nn.Linear(width, n_classes))

    def forward(self, codes: Tensor, numerics: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Return logits, shape (n_rows, n_classes)."""
        parts: list[Tensor] = []
        if self.categories is not None:
            parts.append(self.categories(codes))
        if self.waves is not None:
            parts += [numerics, self.waves(numerics)]
        if tokens is not None:
            columns = torch.split(tokens, self.lengths, dim=1)
            parts += [bag(column) for bag, column in zip(self.bags, columns, strict=True)]
        logits: Tensor = self.dense(torch.cat(parts, dim=1))
        return logits


class OffsetEmbedding(nn.Module):
    """All categorical columns in one embedding table: one look-up per batch instead of one per column.

    The rows of code 0 (missing or unseen) start at zero: where no train row teaches them, an unknown category adds
    nothing rather than noise.

    Parameters
    ----------
    n_codes
        Number of codes of each column.
    width
        Numbers per code.

    Examples
    --------
    >>> OffsetEmbedding((3, 4), width=2)(torch.zeros(5, 2, dtype=torch.uint8)).abs().sum().item()
    0.0
    """

    starts: Tensor

    def __init__(self, n_codes: Sequence[int], *, width: int) -> None:
        super().__init__()
        starts = torch.tensor([0, *n_codes[:-1]]).cumsum(0)
        self.register_buffer("starts", starts, persistent=False)
        self.table = nn.Embedding(sum(n_codes), width)
        with torch.no_grad():
            self.table.weight.mul_(width**-0.5)
            self.table.weight[starts] = 0.0

    def forward(self, codes: Tensor) -> Tensor:
        """Return shape (n_rows, n_columns * width)."""
        places = codes + self.starts
        embedded: Tensor = self.table(places)
        return embedded.flatten(1)


class WordBag(nn.Module):
    """The mean embedding of the words of a text, in which padding takes no part: a text without words is zero.

    Parameters
    ----------
    n_words
        Number of word codes; code 0 pads.
    width
        Numbers per word.

    Notes
    -----
    Joulin, Grave, Bojanowski & Mikolov, "Bag of tricks for efficient text classification" (2017), arXiv:1607.01759.
    Written as a look-up and a masked mean, so that it has a fixed shape, can be stacked, and repeats bit by bit on
    every device.

    Examples
    --------
    >>> bag = WordBag(5, width=2)
    >>> bool((bag(torch.tensor([[3, 4]])) == bag(torch.tensor([[3, 4, 0, 0]]))).all())
    True
    """

    def __init__(self, n_words: int, *, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(n_words, width)
        with torch.no_grad():
            self.table.weight.mul_(width**-0.5)

    def forward(self, words: Tensor) -> Tensor:
        """Return shape (n_rows, width) from codes of shape (n_rows, n_words)."""
        known = (words > 0).unsqueeze(-1)
        summed = (self.table(words.long()) * known).sum(dim=1)
        mean: Tensor = summed / known.sum(dim=1).clamp(min=1)
        return mean


class PeriodicEmbedding(nn.Module):
    """Each number as waves of learnt frequencies, mixed by one linear layer that all columns share.

    ``relu(W [sin(2 pi c x), cos(2 pi c x)] + b)`` with frequencies ``c`` of each column, started at random with the
    standard deviation `sigma`.

    Parameters
    ----------
    n_numeric
        Number of numeric columns.
    settings
        Number of waves, spread of frequencies, and width.

    Notes
    -----
    Gorishniy, Rubachev & Babenko, "On embeddings for numerical features in tabular deep learning" (2022),
    arXiv:2203.05556, section 3.3; one linear layer for all columns instead of one each.

    Examples
    --------
    >>> PeriodicEmbedding(3, settings=MLPSettings(periodic=16))(torch.zeros(5, 3)).shape
    torch.Size([5, 48])
    """

    def __init__(self, n_numeric: int, *, settings: MLPSettings) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.empty(n_numeric, settings.frequencies))
        nn.init.trunc_normal_(self.frequency, std=settings.sigma, a=-3 * settings.sigma, b=3 * settings.sigma)
        self.mix = nn.Linear(2 * settings.frequencies, settings.periodic)

    def forward(self, numerics: Tensor) -> Tensor:
        """Return shape (n_rows, n_numeric * width)."""
        angle = 2.0 * torch.pi * self.frequency * numerics.unsqueeze(-1)
        waves = torch.cat([angle.sin(), angle.cos()], dim=-1)
        mixed: Tensor = self.mix(waves).relu()
        return mixed.flatten(1)
