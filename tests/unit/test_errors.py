"""How a stage ends when it does not end well, and that no message tells a password."""

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unroll.errors import InputError, hide_password

SCHEMES = st.sampled_from(["https", "ftp", "s3", "postgresql+psycopg2", "HTTP"])
# Around any text, so that it is not found elsewhere by chance. The first is the user, the second the password.
SECRETS = st.tuples(st.text(max_size=8), st.text(max_size=8)).map(lambda pair: f"SEC{pair[0]}RET:SEC{pair[1]}RET")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_request_to_stop_ends_a_stage_in_one_line(name: str) -> None:
    # Where the tests run in the background, the shell has them ignore Ctrl-C; a stage that a person runs does not.
    listen = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    stop = f"lambda: os.kill(os.getpid(), signal.{name})"
    command = f"import os, signal; {listen}; from unroll.errors import run_stage; run_stage({stop})"
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "interrupted\n")


@given(SCHEMES, SECRETS, st.text(max_size=8), st.text(max_size=8))
@example("https", "SEC@RET:SEC/R ET'\"\n?#RET", "", "")
@example("https", "SECRET:SECa:/bRET", "x", "?y@z")
def test_no_message_tells_a_password(scheme: str, secret: str, before: str, after: str) -> None:
    for address in (f"{scheme}://{secret}@host/a.csv", f"{scheme}:/{secret}@host"):
        for text in (address, repr(address), f"{before} {address!r}{after}"):
            for hidden in (hide_password(text), str(InputError(text)), hide_password(hide_password(text))):
                assert "SEC" not in hidden and "RET" not in hidden


@given(st.text(st.characters(exclude_characters="'\"", exclude_categories=["Z", "C"]), max_size=8))
def test_no_message_tells_what_a_query_holds(value: str) -> None:
    for address in (f"https://host/a.csv?token=SEC{value}RET", f"https://me@host/a?x=@&X-Amz-Signature=SEC{value}RET"):
        for text in (address, f"{address} does not exist", f"{address!r} does not exist"):
            assert "SEC" not in hide_password(text) and "RET" not in hide_password(text)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://me:secret@host:80/a.csv", "https://…@host:80/a.csv"),
        ("postgresql://me:p@ss/word@host/db", "postgresql://…@host/db"),
        ("'https://host/a.csv?x=1&y=2' is not", "'https://host/a.csv?…' is not"),
        ("https://me@host/?a=1", "https://…@host/?…"),
        ("https://host/a.csv and https://host/b", "https://host/a.csv and https://host/b"),
        ("sqlite:////home/me/mlflow.db", "sqlite:////home/me/mlflow.db"),
        ("data.url: /home/me@work/a.csv is there?", "data.url: /home/me@work/a.csv is there?"),
    ],
)
def test_what_is_left_of_an_address(text: str, hidden: str) -> None:
    assert hide_password(text) == hidden == hide_password(hidden)
