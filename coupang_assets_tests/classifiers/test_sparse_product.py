"""Dense products of sparse matrices."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

from coupang_assets.classifiers.sparse_product import dense_product


@pytest.mark.parametrize("rows", [0, 1, 128, 700])
@pytest.mark.parametrize("columns", [1, 40])
def test_is_scipys_product_to_the_last_digit(rows: int, columns: int) -> None:
    rng = np.random.default_rng(rows)
    left = csr_matrix(random_array((rows, 300), density=0.1, rng=rng, dtype=np.float32))
    right = csr_matrix(random_array((300, columns), density=0.2, rng=rng, dtype=np.float32))
    assert np.array_equal(dense_product(left, right), (left @ right).toarray())
    left.data[:] = 1
    assert np.array_equal(dense_product(left, right), (left @ right).toarray())


def test_empty_rows_of_either_side_are_zeros() -> None:
    left = csr_matrix(np.array([[0, 0], [1, 2]], np.float32))
    right = csr_matrix(np.array([[0, 0, 0], [0, 3, 0]], np.float32))
    assert dense_product(left, right).tolist() == [[0, 0, 0], [0, 6, 0]]
