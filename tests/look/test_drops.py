"""Examples of dropped rows; which ones there are, and beside which others, tests/look/test_page.py shows."""

import numpy as np

from unroll.look.drops import choose_rows


def test_of_many_rows_a_few_are_chosen_always_the_same() -> None:
    chosen = choose_rows(np.arange(100, 1100), 5)
    assert len(set(chosen)) == 5 and chosen == sorted(chosen) and set(chosen) <= set(range(100, 1100))
    assert chosen == choose_rows(np.arange(100, 1100), 5)
    assert choose_rows(np.array([3, 8]), 5) == [3, 8]
