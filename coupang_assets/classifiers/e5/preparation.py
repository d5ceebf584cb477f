"""From a training table and options to a network that can be trained.

Belongs here: the tokenizer, the plan, the network with its weights. Does not: the loop (`training`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import ibis.expr.types as ir
import torch

from coupang_assets.classifiers.e5 import network as networks
from coupang_assets.classifiers.e5 import planner, vocabulary, weights
from coupang_assets.classifiers.e5.hierarchy import Tree
from coupang_assets.classifiers.e5.options import E5Options
from coupang_assets.classifiers.protocol import TITLE
from coupang_assets.errors import CoupangAssetsError

_TEXTS = 8192


@dataclass(frozen=True)
class Prepared:
    """What a training begins with.

    Attributes:
        definition: of the tokenizer that goes with the network.
    """

    network: networks.CategoryNetwork
    definition: str
    plan: planner.Plan


def prepare(texts: ir.Table, tree: Tree, options: E5Options, seed: int) -> Prepared:
    """The network of the plan, on its device, with the weights it starts from.

    Args:
        texts: ep_title; those the vocabulary must do justice to.

    Raises:
        CoupangAssetsError: weights are missing, nothing fits, or the wanted device is not there.
    """
    source = weights.find(options.weights)
    device = chosen_device(options)
    kept: list[int] | None = None
    if source.folder is None:
        definition = vocabulary.train_definition(_texts(texts), source.shape.vocabulary)
        shape = source.shape.with_vocabulary(vocabulary.size(definition))
        trimmed, smaller = None, definition
    else:
        shape = source.shape
        definition = vocabulary.load_definition(source.folder / "tokenizer.json")
        smaller, kept = vocabulary.trim(definition, vocabulary.batches(_texts(texts)))
        trimmed = len(kept)
    if options.length > shape.positions - 2:
        raise CoupangAssetsError(
            f"The model reads at most {shape.positions - 2} tokens, not {options.length}.",
            "Set a smaller COUPANG_E5__LENGTH.",
        )
    load = planner.Load(
        options.batch, options.length, len(tree.leaves) + len(tree.tops), fused_attention=device.type == "cuda"
    )
    budget = int(options.memory_gib * planner.GIB)
    plan = planner.plan(shape, load, budget, precision=_precision(device), trimmed_vocabulary=trimmed)
    torch.manual_seed(seed)
    with torch.device(device):
        network = networks.CategoryNetwork(plan.shape, tree)
    if source.pretrained:
        weights.load_encoder(source, network.encoder, kept if plan.means.trimmed else None)
    apply(network, plan.means)
    return Prepared(network.to(device), smaller if plan.means.trimmed else definition, plan)


def apply(network: networks.CategoryNetwork, means: planner.Means) -> None:
    """Make the network what the plan says."""
    if means.frozen_embeddings:
        network.encoder.embeddings.word_embeddings.requires_grad_(False)
    if means.lora:
        networks.add_low_rank(network)
    if means.checkpointing:
        network.encoder.activation_checkpointing_enable({"use_reentrant": False})


def chosen_device(options: E5Options) -> torch.device:
    """The device to train on, held to the memory it may use.

    Raises:
        CoupangAssetsError: a GPU is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if options.device == "cuda" and not available:
        raise CoupangAssetsError("There is no CUDA device.", "Set COUPANG_E5__DEVICE to auto or cpu.")
    if options.device == "cpu" or not available:
        return torch.device("cpu")
    share = options.memory_gib * planner.GIB / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, share))
    return torch.device("cuda")


def _precision(device: torch.device) -> planner.Precision:
    if device.type == "cpu":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def _texts(table: ir.Table) -> Iterator[str]:
    for batch in table.select(TITLE).order_by(TITLE).to_pyarrow_batches(chunk_size=_TEXTS):
        yield from batch.column(TITLE).to_pylist()
