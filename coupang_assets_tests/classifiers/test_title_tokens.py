"""Array operations behind titles' tokens."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from coupang_assets.classifiers.title_tokens import ascending


@given(numpy_st.arrays(np.int64, st.integers(0, 50), elements=st.integers(-3, 2**62)))
def test_ascending_is_every_number_once_in_order(numbers: np.ndarray) -> None:
    assert ascending(numbers).tolist() == sorted(set(numbers.tolist()))
