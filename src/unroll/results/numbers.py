"""A number as somebody wrote it, and the figures that it may be."""

import re
from dataclasses import dataclass
from decimal import Decimal

WRITTEN = re.compile(r"[-+]?(\d[\d,]{0,30}(\.\d{0,30})?|\.\d{1,30})(e[-+]?\d{1,2})?%?", re.I | re.ASCII)


@dataclass(frozen=True)
class Number:
    """The ranges of figures that are written so; both ends belong to them."""

    ranges: tuple[tuple[Decimal, Decimal], ...]

    def fits(self, figure: float) -> bool:
        """Whether the figure, rounded to the digits that were written, is this number."""
        return any(
            float(low) - 1e-9 * abs(float(low)) <= figure <= float(high) + 1e-9 * abs(float(high))  # fast, not exact
            and low <= Decimal(str(figure)) <= high
            for low, high in self.ranges
        )


def read_number(text: str) -> Number | None:
    """Read `0.8791`, `-0.0229`, `2,880`, `87.91%`, …; None if it is no number.

    It stands for all that rounding to its last digit makes it, whichever way halves are rounded. A whole number, such
    as a number of rows, stands for itself alone. Above 1 and with a point, it may also be a percentage.
    """
    plain = "".join(text.split()).replace("−", "-")
    if not WRITTEN.fullmatch(plain):
        return None
    is_percentage = plain.endswith("%")
    number = Decimal(plain.rstrip("%").replace(",", ""))
    digits = -int(number.as_tuple().exponent)
    half = Decimal(5).scaleb(-digits - 1) if digits > 0 or is_percentage else Decimal(0)
    ends = number - half, number + half
    percentage = ends[0] / 100, ends[1] / 100
    if is_percentage:
        return Number((percentage,))
    return Number((ends, percentage) if digits > 0 and abs(number) > 1 else (ends,))
