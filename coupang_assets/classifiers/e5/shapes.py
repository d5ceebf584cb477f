"""Shapes of XLM-RoBERTa encoders and how many parameters they have.

Belongs here: arithmetic of shapes, without torch. Does not: memory (`planner`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

# First pieces of every XLM-RoBERTa vocabulary, in this order.
BEGIN, PAD, END, UNKNOWN = range(4)


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """An encoder's shape.

    Attributes:
        vocabulary: rows of the token embedding.
        hidden: width.
        layers: transformer layers.
        heads: attention heads of a layer.
        inner: width of the feed-forward network.
        positions: rows of the position embedding; two more than the longest input has tokens.
    """

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    inner: int
    positions: int = 514

    @property
    def embedding_parameters(self) -> int:
        """Of the token embedding, the part that trimming the vocabulary makes smaller."""
        return self.vocabulary * self.hidden

    @property
    def linear_parameters(self) -> int:
        """Weights of the layers' matrices, which mixed precision keeps a second, shorter copy of."""
        return self.layers * (4 * self.hidden**2 + 2 * self.hidden * self.inner)

    @property
    def vector_parameters(self) -> int:
        """Biases and normalisations, position and type embeddings."""
        of_layers = self.layers * (4 * self.hidden + self.inner + self.hidden + 4 * self.hidden)
        return of_layers + (self.positions + 1 + 2) * self.hidden

    @property
    def parameters(self) -> int:
        return self.embedding_parameters + self.linear_parameters + self.vector_parameters

    def with_vocabulary(self, vocabulary: int) -> EncoderShape:
        """The same encoder with another number of pieces."""
        return replace(self, vocabulary=vocabulary)


E5_SHAPES: Mapping[str, EncoderShape] = {
    "intfloat/multilingual-e5-small": EncoderShape(250_037, 384, 12, 12, 1536, 512),
    "intfloat/multilingual-e5-base": EncoderShape(250_002, 768, 12, 12, 3072),
    "intfloat/multilingual-e5-large": EncoderShape(250_002, 1024, 24, 16, 4096),
}
UNTRAINED = "untrained"
# Learns a few thousand titles from nothing in minutes on two cores.
UNTRAINED_SHAPE = EncoderShape(6_000, 128, 2, 4, 512, 130)
