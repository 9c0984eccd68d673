"""How a stage or a command reports errors, and that no message shows a password."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unroll.base.errors import DEBUG, InputError, hide_password, make_printable
from unroll.cli import main as cli
from unroll.inference import classifier as inference

SCHEMES = st.sampled_from(["https", "ftp", "s3", "postgresql+psycopg2", "HTTP"])
# Around any text, so that it is not found elsewhere by chance. The first is the user, the second the password.
SECRETS = st.tuples(st.text(max_size=8), st.text(max_size=8)).map(lambda pair: f"SEC{pair[0]}RET:SEC{pair[1]}RET")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_request_to_stop_ends_a_stage_in_one_line(name: str) -> None:
    # Where the tests run in the background, the shell has them ignore Ctrl-C; a stage that a person runs does not.
    listen = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    stop = f"lambda: os.kill(os.getpid(), signal.{name})"
    command = f"import os, signal; {listen}; from unroll.base.process import run_stage; run_stage({stop})"
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


def run_failing_stage(error: str, **environment: str) -> tuple[int, list[str]]:
    """Run a stage that raises an error; return its exit code and what it says."""
    imports = "from unroll.base.errors import InputError\nfrom unroll.base.process import run_stage"
    command = f"{imports}\ndef main(): raise {error}\nrun_stage(main)"
    variables = os.environ | {DEBUG: ""} | environment
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, env=variables)
    return result.returncode, result.stderr.splitlines()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("InputError('a is b:\\n expected c')", "a is b: expected c"),
        ("InputError('\\x1b[2J\\u202e\\udcff')", r"\x1b[2J\u202e\udcff"),
        ("PermissionError(13, 'Permission denied', 'a.csv')", "a.csv: Permission denied"),
        ("OSError(28, 'No space left on device')", "No space left on device"),
        ("MemoryError('Unable to allocate 7 TiB')", "not enough memory: Unable to allocate 7 TiB"),
    ],
)
def test_what_is_no_bug_ends_a_stage_in_one_line_but_not_for_who_searches_its_cause(error: str, message: str) -> None:
    assert run_failing_stage(error) == (1, [f"error: {message}"])
    code, lines = run_failing_stage(error, **{DEBUG: "1"})
    assert (code, lines[0]) == (1, "Traceback (most recent call last):")


def test_a_bug_ends_a_stage_in_its_traceback() -> None:
    code, lines = run_failing_stage("TypeError('of no use')")
    assert (code, lines[0], lines[-1]) == (1, "Traceback (most recent call last):", "TypeError: of no use")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("models/ is missing"), "models/ is missing"),
        (
            TypeError("of\n no \x1b use"),
            r"this is a bug: TypeError: of no \x1b use; run again with --debug to see where",
        ),
        (KeyError(), "this is a bug: KeyError: ; run again with --debug to see where"),
    ],
)
def test_whatever_ends_a_command_is_told_in_one_line_and_where_with_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, message: str
) -> None:
    def fail(folder: Path) -> None:
        raise error

    monkeypatch.setattr(inference, "load_classifier", fail)
    monkeypatch.setenv(DEBUG, "")
    monkeypatch.setattr(sys, "argv", ["unroll", "predict", "a text"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code, capsys.readouterr().err) == (1, f"error: {message}\n")
    monkeypatch.setattr(sys, "argv", ["unroll", "--debug", "predict", "a text"])
    with pytest.raises(type(error)):
        cli.main()


def test_a_long_message_is_cut_in_the_middle() -> None:
    _, (line,) = run_failing_stage("InputError('first ' + 'x' * 10**6 + ' last')")
    assert len(line) == len("error: ") + 1000 and line.startswith("error: first") and line.endswith("last")


def test_people_can_read_what_is_printed() -> None:
    text = "Ärger, 日本\u3000語, می\u200cخواهم, 👩\u200d👧"
    assert make_printable(text) == text
    assert make_printable("a\x1b[31m\n\x9b\u2028") == r"a\x1b[31m\n\x9b\u2028"
