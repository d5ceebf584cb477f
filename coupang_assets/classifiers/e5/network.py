"""The network: an XLM-RoBERTa encoder, the mean of its tokens, and a head for each level of categories.

Belongs here: the module and its loss. Does not: how it is trained (`training`), its files (`model_file`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import XLMRobertaConfig, XLMRobertaModel

from coupang_assets.classifiers.e5.hierarchy import Tree
from coupang_assets.classifiers.e5.planner import LORA_RANK
from coupang_assets.classifiers.e5.shapes import PAD, EncoderShape

# Weight of the top category's loss beside the leaf's.
_TOP_WEIGHT = 0.3


class CategoryNetwork(nn.Module):
    """Logits of leaves.

    With a hierarchy a leaf's logit is its own plus the log probability of its top category, so that both levels are
    learned together and whatever is predicted is a valid path.
    """

    parent: Tensor

    def __init__(self, shape: EncoderShape, tree: Tree) -> None:
        super().__init__()
        self.encoder = XLMRobertaModel(
            XLMRobertaConfig(
                vocab_size=shape.vocabulary, hidden_size=shape.hidden, num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads, intermediate_size=shape.inner, type_vocab_size=1,
                max_position_embeddings=shape.positions, pad_token_id=PAD, use_cache=False, layer_norm_eps=1e-5,
            ),
            add_pooling_layer=False,
        )  # fmt: skip
        self.dropout = nn.Dropout(0.1)
        self.leaf = nn.Linear(shape.hidden, len(tree.leaves))
        self.top = nn.Linear(shape.hidden, len(tree.tops)) if tree.tops else None
        self.register_buffer("parent", torch.tensor(tree.parent, dtype=torch.long), persistent=False)
        for head in (self.leaf, self.top):
            if head is not None:
                nn.init.normal_(head.weight, std=0.02)
                nn.init.zeros_(head.bias)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Logits, texts by leaves, from tokens and mask (1: a token, 0: padding), texts by length."""
        return self.scores(tokens, mask)[0]

    def scores(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of leaves, and of top categories where there is a hierarchy."""
        hidden = self.encoder(
            tokens,
            attention_mask=self._attention_mask(mask),
            position_ids=torch.cumsum(mask, 1) * mask + PAD,
            token_type_ids=torch.zeros_like(tokens),
        ).last_hidden_state
        weight = mask[:, :, None].to(hidden.dtype)
        pooled = self.dropout((hidden * weight).sum(1) / weight.sum(1))
        leaf = self.leaf(pooled).float()
        if self.top is None:
            return leaf, None
        top = self.top(pooled).float()
        return leaf + torch.log_softmax(top, 1)[:, self.parent], top

    def _attention_mask(self, mask: Tensor) -> Tensor:
        attended = mask.bool()[:, None, None, :]
        if self.encoder.config._attn_implementation != "eager":
            return attended
        # Written out, attention adds its mask, which a 4-dimensional one is expected to be ready for.
        nothing = torch.zeros((), dtype=self.encoder.dtype, device=mask.device)
        return torch.where(attended, nothing, torch.finfo(self.encoder.dtype).min)

    def loss(self, tokens: Tensor, mask: Tensor, leaf: Tensor) -> Tensor:
        """Mean cross-entropy of the leaves, and of their top categories."""
        of_leaf, of_top = self.scores(tokens, mask)
        loss = nn.functional.cross_entropy(of_leaf, leaf)
        if of_top is not None:
            loss = loss + _TOP_WEIGHT * nn.functional.cross_entropy(of_top, self.parent[leaf])
        return loss


class LowRank(nn.Module):
    """A linear layer that stays as it is, and a trained addition of low rank to it (LoRA, Hu et al. 2021)."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.down = nn.Linear(linear.in_features, LORA_RANK, bias=False)
        self.up = nn.Linear(LORA_RANK, linear.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.up(self.down(x))

    def merged(self) -> nn.Linear:
        """One ordinary layer that computes the same."""
        with torch.no_grad():
            self.linear.weight += self.up.weight @ self.down.weight
        return self.linear


def add_low_rank(network: CategoryNetwork) -> None:
    """Freeze the encoder and put low-rank additions to its layers' matrices."""
    network.encoder.requires_grad_(False)
    for parent in list(network.encoder.encoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, LowRank(child))


def merge_low_rank(network: CategoryNetwork) -> None:
    """Take the additions into the matrices, so that the network has its ordinary form."""
    for parent in list(network.encoder.encoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LowRank):
                setattr(parent, name, child.merged())
