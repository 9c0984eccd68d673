"""Where the pictures of digits come from, and how many levels of grey they have."""

from dataclasses import dataclass
from urllib.parse import quote

MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
LEVELS = {"digits": 16, "mnist": 255}  # the value of the darkest point


@dataclass(frozen=True)
class PictureSource:
    """A file of MNIST; its MD5 is that of the content, unpacked, as mirrors pack it anew."""

    name: str
    unpacked_md5: str

    def locate(self, base: str) -> str:
        """Return where the file is, below an address or a folder."""
        return f"{base.rstrip('/')}/{quote(self.name) if '://' in base else self.name}"


SOURCES = (
    PictureSource("train-images-idx3-ubyte.gz", "6bbc9ace898e44ae57da46a324031adb"),
    PictureSource("train-labels-idx1-ubyte.gz", "a25bea736e30d166cdddb491f175f624"),
    PictureSource("t10k-images-idx3-ubyte.gz", "2646ac647ad5339dbf082846283269ea"),
    PictureSource("t10k-labels-idx1-ubyte.gz", "27ae3e4e09519cfbb04c329615203637"),
)
