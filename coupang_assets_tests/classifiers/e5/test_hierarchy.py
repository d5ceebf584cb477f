"""Two levels of categories: the tree, and a network that can only say valid paths."""

from __future__ import annotations

import pytest
import torch

from coupang_assets.classifiers.e5.hierarchy import Tree, pairs_to_tree
from coupang_assets.classifiers.e5.network import CategoryNetwork
from coupang_assets.classifiers.e5.shapes import EncoderShape
from coupang_assets.errors import CoupangAssetsError

SHAPE = EncoderShape(50, 16, 1, 2, 32, 20)


def test_leaves_and_tops_are_sorted_and_each_leaf_has_its_top() -> None:
    tree = Tree.of(["b", "a", "c"], {"a": "y", "b": "x", "c": "y"})
    assert tree.leaves == ("a", "b", "c")
    assert tree.tops == ("x", "y")
    assert tree.top_of() == {"a": "y", "b": "x", "c": "y"}


@pytest.mark.parametrize("top_of", [None, {"a": "x", "b": "x"}])
def test_without_two_tops_the_model_is_flat(top_of: dict[str, str] | None) -> None:
    assert Tree.of(["a", "b"], top_of).tops == ()


def test_a_leaf_without_top_is_named() -> None:
    with pytest.raises(CoupangAssetsError, match="no top category: b"):
        Tree.of(["a", "b"], {"a": "x"})


def test_a_leaf_under_two_tops_is_refused() -> None:
    with pytest.raises(CoupangAssetsError, match="a is under two top categories, x and y"):
        pairs_to_tree([("a", "x"), ("b", "x"), ("a", "y")])


def test_rows_without_top_make_a_flat_tree() -> None:
    assert pairs_to_tree([("a", "x"), ("b", None)]) == Tree(("a", "b"))


def test_an_impossible_top_takes_its_leaves_with_it() -> None:
    torch.manual_seed(0)
    network = CategoryNetwork(SHAPE, Tree.of("abcd", {"a": "x", "b": "x", "c": "y", "d": "y"})).eval()
    assert network.top is not None
    with torch.no_grad():
        network.top.bias.copy_(torch.tensor([0.0, -50.0]))
        logits = network(torch.tensor([[0, 7, 8, 2]]), torch.ones(1, 4, dtype=torch.long))
    assert torch.softmax(logits, 1)[0, 2:].sum() < 1e-6


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    network = CategoryNetwork(SHAPE, Tree(("a", "b"))).eval()
    alone = network(torch.tensor([[0, 7, 2]]), torch.ones(1, 3, dtype=torch.long))
    padded = network(torch.tensor([[0, 7, 2, 1, 1]]), torch.tensor([[1, 1, 1, 0, 0]]))
    torch.testing.assert_close(alone, padded, rtol=0, atol=1e-6)
