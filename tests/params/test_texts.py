"""params.yaml: what is accepted, and the one-line error for what is not."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from unroll.base.errors import InputError
from unroll.params.common import check_params, flatten_params, read_yaml
from unroll.params.texts import TextParams, read_text_params

DEFAULTS = Path(__file__).parents[2] / "params.yaml"
VALUES = read_yaml(DEFAULTS)


def read_changed(tmp_path: Path, old: str, new: str):
    text = DEFAULTS.read_text()
    assert text.count(old) == 1
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new))
    return read_text_params(path)


def test_the_defaults_are_valid_and_frozen() -> None:
    params = read_text_params(DEFAULTS)
    assert params.data.dataset == "sample"
    with pytest.raises(ValidationError):
        params.model.cell = "rnn"


def test_names_are_those_that_dvc_uses() -> None:
    flat = flatten_params(read_text_params(DEFAULTS))
    assert flat["model.cell"] == "gru"
    assert flat["data.url"] is None
    assert all("." in name for name in flat)


@pytest.mark.parametrize("value", ["1e-3", "0.001", "1"])
def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path, value: str) -> None:
    params = read_changed(tmp_path, "learning_rate: 0.003", f"learning_rate: {value}")
    assert params.train.learning_rate == float(value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cell: gru", "cell: grru", "model.cell = 'grru': expected 'rnn', 'gru' or 'lstm'"),
        ("cell: gru", "cel: gru", "model.cell is missing (and 1 more)"),
        (
            "layers: 1",
            "layers: 1\n  layer: 2",
            "model.layer is not a parameter (did you mean layers?): expected one of cell",
        ),
        ("tracking:", "trakcing:", "tracking is missing"),
        ("hidden_size: 64", "hidden_size: -3", "model.hidden_size = -3: expected greater than or equal to 1"),
        ("hidden_size: 64", "hidden_size: 12.5", "model.hidden_size = 12.5: expected an integer"),
        ("hidden_size: 64", "hidden_size: true", "model.hidden_size = True: expected an integer"),
        ("hidden_size: 64", "hidden_size:", "model.hidden_size = None: expected an integer"),
        ("learning_rate: 0.003", "learning_rate: .nan", "train.learning_rate = nan: expected a finite number"),
        ("learning_rate: 0.003", "learning_rate: fast", "train.learning_rate = 'fast': expected a number"),
        ("bidirectional: true", "bidirectional: 1", "model.bidirectional = 1: expected a boolean"),
        ("  dropout: 0.3", "  dropout: 1.0", "model.dropout = 1.0: expected less than 1"),
        ("train: 0.70", "train: 0.80", "split.train + split.val + split.test = 1.1: expected 1"),
        (
            "dataset: sample",
            "dataset: csv",
            "data.dataset = 'csv' while data.file = 'data/sample' and data.url = '': expected the path or the address",
        ),
        ("  sha256:", "  sha256: abc", "data.sha256 = 'abc': expected 64 hexadecimal digits"),
        (
            "  sha256:",
            f"  sha256: {'a' * 64}",
            "data.sha256 is set while data.file and data.url are not: expected one of them",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_changed(tmp_path, old, new)
    assert str(caught.value).startswith(f"{tmp_path / 'params.yaml'}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["data.url", "data.test_url", "model.embeddings"])
@given(st.sampled_from(["http", "https", "s3"]), st.text(max_size=8), st.text(max_size=8))
@example("https", "", "@/? '\"\n#")
def test_a_password_is_refused_wherever_an_address_can_stand(name: str, scheme: str, user: str, password: str) -> None:
    section, _, key = name.partition(".")
    encoded = f"{scheme}://SEC{quote(user, safe='')}RET:SEC{quote(password, safe='')}RET@host/a.csv"
    # Not encoded, it may be an address of something else; in a list, it is reported as what was found.
    for value in (encoded, f"{scheme}://SEC{user}RET:SEC{password}RET@host/a.csv", [encoded]):
        values = VALUES | {section: VALUES[section] | {key: value}}
        try:
            check_params(values, TextParams, DEFAULTS)
            assert value not in (encoded, [encoded])
        except InputError as error:
            assert str(error).startswith(f"{DEFAULTS}: {name} ")
            assert "SEC" not in str(error) and "RET" not in str(error)


@pytest.mark.parametrize(
    ("address", "accepted"),
    [
        ("https://host/a.csv?version=2&page=1#top", True),
        ("https://host/@scope/a.csv", True),
        ("https://host/a.csv?email=me@example.org", True),
        ("/home/me@work/a.csv", True),
        ("https://token@host/a.csv", False),
        ("https://host/a.csv?x=1&access_token=abc", False),
        ("https://host/a.csv?X-Amz-Algorithm=AWS4&X-Amz-Signature=abc", False),
        ("https://host/a.csv?sv=2024&sig=abc", False),
        ("https://host/a.csv?AWSAccessKeyId=abc", False),
        ("https://host/a.csv?api-key=", False),
    ],
)
def test_addresses_with_a_key_are_refused(tmp_path: Path, address: str, accepted: bool) -> None:
    if accepted:
        assert read_changed(tmp_path, "  embeddings:  ", f"  embeddings: {address} ").model.embeddings == address
        return
    with pytest.raises(InputError) as caught:
        read_changed(tmp_path, "  embeddings:  ", f"  embeddings: {address} ")
    assert "holds a user, a password or a key: expected an address without (~/.netrc keeps" in str(caught.value)
    assert "abc" not in str(caught.value) and "token@" not in str(caught.value)


@pytest.mark.parametrize("address", ["https://host:port/a.csv", "https://[host/a.csv"])
def test_no_whole_address(tmp_path: Path, address: str) -> None:
    with pytest.raises(
        InputError, match=r"model\.embeddings = .*: expected a path, or an address such as https://host"
    ):
        read_changed(tmp_path, "  embeddings:  ", f"  embeddings: {address} ")


def test_the_archive_of_reviews_has_its_own_test_rows(tmp_path: Path) -> None:
    text = (
        DEFAULTS.read_text()
        .replace("dataset: sample", "dataset: imdb")
        .replace("  file: data/sample", "  file: a.tar.gz", 1)
    )
    path = tmp_path / "params.yaml"
    path.write_text(text)
    assert read_text_params(path).data.dataset == "imdb"
    path.write_text(text.replace("  test_file: data/sample", "  test_file: b.tar.gz", 1))
    with pytest.raises(InputError, match=r"data\.test_file = 'b\.tar\.gz': expected none, as imdb's archive has"):
        read_text_params(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected parameters in the form 'name: value'"),
        (b"[1, 2]", "expected parameters in the form 'name: value'"),
        (b"model: 3\n", "is missing"),
        (b"a: [", "is not valid YAML"),
        (b"a: 1\na: 2\n", "is not valid YAML"),
        (b"\xff\xfe\xfa", "is not valid YAML"),
        (b"a: !!python/object/apply:os.system ['true']\n", "is not valid YAML"),
    ],
)
def test_a_file_that_holds_no_parameters(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_text_params(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing: run from a folder that holds a pipeline"):
        read_text_params(tmp_path / "params.yaml")
