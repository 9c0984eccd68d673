"""Numbers as people write them, and the figures that they may be."""

from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.results.numbers import read_number


@given(st.floats(-1, 1), st.integers(1, 6), st.sampled_from((ROUND_HALF_UP, ROUND_HALF_DOWN)))
def test_a_figure_is_found_by_any_number_of_its_digits(value: float, digits: int, rounding: str) -> None:
    figure = round(value, 6)  # as in metrics files
    share = Decimal(str(figure)).quantize(Decimal(1).scaleb(-digits), rounding)
    assert read_number(f"{share:f}").fits(figure)
    percentage = (Decimal(str(figure)) * 100).quantize(Decimal(1).scaleb(-digits), rounding)
    assert read_number(f"{percentage:f}%").fits(figure)
    if abs(percentage) > 1:
        assert read_number(f"{percentage:f}").fits(figure)


@given(st.integers(-(10**6), 10**6), st.integers(1, 6), st.sampled_from((-0.51, 0.51)))
def test_a_figure_that_rounds_to_another_number_is_not_found(units: int, digits: int, off: float) -> None:
    number = Decimal(units).scaleb(-digits)
    figure = float((Decimal(units) + Decimal(str(off))).scaleb(-digits))
    assert read_number(f"{number:f}").fits(float(number))
    if abs(number) <= 1:
        assert not read_number(f"{number:f}").fits(figure)


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_is_itself_alone(number: int) -> None:
    for text in (str(number), f"{number:,}"):
        assert read_number(text).fits(number)
        assert not any(read_number(text).fits(number + off) for off in (-1, -0.4, 0.4, 1))


@pytest.mark.parametrize("text", ["0.8791", "+.8791", " 0.87910 ", "87.91%", "87.91 %", "87.91", "8.791e-1"])
def test_all_these_are_one_number(text: str) -> None:
    assert read_number(text).fits(0.8791)
    assert not read_number(text).fits(0.88)


def test_signs_and_what_is_no_figure() -> None:
    assert read_number("−0.0229").fits(-0.022868) and read_number("-0.0229").fits(-0.022868)
    assert not read_number("0.0229").fits(-0.022868)
    assert not any(read_number("0.5").fits(figure) for figure in (float("nan"), float("inf"), 10**400))
    for text in ("", "main", "1.2.3", "0x10", "nan", "1e999999", "٣", "%", "-", "9" * 99):
        assert read_number(text) is None
