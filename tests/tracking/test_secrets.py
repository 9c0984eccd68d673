"""What may be a secret is found in a patch wherever it stands, and what is none is not. None here is real."""

import string
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.tracking.secrets import find_secret
from workspaces import ROOT

LETTERS = string.ascii_letters + string.digits
# Put together here, so that no tool takes this file for a leak.
SECRETS = {
    "-----BEGIN RSA " + "PRIVATE KEY-----": "a private key",
    "key = 'AKIA" + "A" * 16 + "'": "an AWS access key",
    "ghp_" + "a1" * 18: "a GitHub token",
    "github_pat_" + "a1" * 15: "a GitHub token",
    "glpat-" + "a1" * 10: "a GitLab token",
    "xoxb-" + "1234567890-abc": "a Slack token",
    "hf_" + "a1" * 17: "a Hugging Face token",
    "sk-" + "proj-" + "a1" * 20: "an API key",
    "eyJ" + "a1" * 9 + ".eyJ" + "b2" * 20 + ".c": "a JSON web token",
    "headers = {'Authorization': 'Bearer " + "a1" * 9 + "'}": "a header that authorizes",
    "url: https://me:" + "hunter22@example.org/table.csv": "a password in an address",
    "url = 's3.example.org/a.csv?X-Amz-Signature=" + "a1" * 16 + "'": "a signed address",
    "password = 'hunter22'": "a password or key",
    'api_key: str = "hunter22"': "a password or key",
    '{"client_secret": "hunter22"}': "a password or key",
    'setenv("DB_PASSWORD", "hunter22")': "a password or key",
    "TOKEN = 'abcdef123456'": "a token",
    "DB_PASS = 'hunter22xyz'": "a password or key",
    'password = """hunter22"""': "a password or key",
    "passphrase = 'open the door now'": "a password or key",
    "pwd = ('hunter22xyz')": "a password or key",
    "add_argument('--password', default='hunter22')": "a password or key",
    "add_argument('--password', help='of the store', default='hunter22')": "a password or key",
    "setdefault('X_TOKEN', 'abcdef123456789')": "a token",
    "url = 'https://" + "a1" * 10 + "@example.org'": "a token in an address",
    "curl -s -u me:" + "hunter22 https://example.org": "a password",
}
SETTINGS = [
    "password: hunter22",
    "  API_KEY=hunter22  # mine",
    "run --api-key hunter22 --fast",
    "run --pass='hunter22'",
    "token = abc123def456",
    "export DB_PASS=hunter22",
    "pass: hunter22",
    "credentials: hunter22",
    "password: correct horse battery",
    "password: a,b;c#d12",
    "curl -u me:hunter22",
    "password = hunter22 ; c",
    '"password": 12345678',
]
HARMLESS = [
    "tokens = tokenizer.encode(text)",
    "max_tokens: 24           # texts are cut after these",
    "UNKNOWN_TOKEN = '<unknown>'",
    'columns = ["token", "frequency", "share"]',
    "password = os.environ['PASSWORD']",
    "password: $PASSWORD",
    "password: ${PASSWORD}",
    "password: null   # that of the store",
    'password: ""   # that of the store',
    '{"password": null, "user": "me"}',
    "password:  # none, as it is in the keyring",
    "bypass = 'layer'",
    "bypass: the layer before",
    "passes: 3",
    "run --passes 3 --fast",
    "curl -u me:$PASSWORD https://example.org",
    "for batch in batches: pass  # nothing to do",
    "url: https://example.org:8080/a@b/table.csv",
    "https://me:$PASSWORD@example.org",
    "git@github.com:me/headlines.git",
    "key = 'model.cell'",
]


def make_patch(line: str, file: str = "src/new.py", sign: str = "+") -> bytes:
    """Return a patch with the line at 12 of its file, in a version before or after, or in both."""
    old, new = (1, 2) if sign == "+" else (2, 1) if sign == "-" else (2, 2)
    head = (
        f"diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n@@ -11,{old} +11,{new} @@ def before():\n first\n"
    )
    return f"{head}{sign}{line}\n".encode()


@pytest.mark.parametrize("sign", ["+", "-", " "])
@pytest.mark.parametrize("line", SECRETS)
def test_each_form_is_found_and_told_without_telling_it(line: str, sign: str) -> None:
    told = find_secret(make_patch(line, sign=sign))
    assert told == f"src/new.py, line 12, looks like {SECRETS[line]}"


@pytest.mark.parametrize("line", SETTINGS)
def test_settings_have_no_quotes(line: str) -> None:
    assert find_secret(make_patch(line, "settings.yaml")).startswith("settings.yaml, line 12, looks like a password")


@pytest.mark.parametrize("file", ["src/new.py", "params.yaml"])
@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_secret(line: str, file: str) -> None:
    assert find_secret(make_patch(line, file)) == ""


@pytest.mark.parametrize(
    "file", [".env", "deploy/.env.local", "server.pem", "keys/id_rsa", "credentials.json", ".netrc", "secrets.yaml"]
)
def test_files_of_secrets_are_known_by_their_names(file: str) -> None:
    assert find_secret(make_patch("nothing", file)) == f"{file} has the name of a file of secrets"
    assert find_secret(make_patch("nothing", f"{file}s/readme.md")) == ""


def test_what_cannot_be_searched_counts_as_one() -> None:
    binary = b"diff --git a/a b.xls b/a b.xls\nnew file mode 100644\nGIT binary patch\nliteral 4\nLcmZQzWMT#Y01f~L\n\n"
    assert find_secret(binary).startswith("a b.xls is no text")
    assert find_secret(make_patch("GIT binary patch")) == ""  # a text that only says so


def test_git_quotes_a_line_above_each_hunk() -> None:
    patch = make_patch("nothing").replace(b"def before():", b"def before(password='hunter22'):")
    assert find_secret(patch) == "src/new.py, line 11, looks like a password or key"


def test_no_file_of_this_repository_that_experiments_change_looks_like_a_secret() -> None:
    """Else no run of theirs could be reproduced."""
    for path in (ROOT / "src").rglob("*.py"):
        if path.name not in ("secrets.py", "addresses.py"):  # which name such forms
            found = [line for line in path.read_text().splitlines() if find_secret(make_patch(line, "src/module.py"))]
            assert found == [], path
    for path in (ROOT / "params.yaml", ROOT / "dvc.yaml", *ROOT.glob("pipelines/*/*.yaml")):
        assert [line for line in path.read_text().splitlines() if find_secret(make_patch(line, "params.yaml"))] == []


@given(
    before=st.text(" ,;()[]{}=", max_size=9),
    secret=st.text(LETTERS, min_size=36, max_size=36),
    after=st.text(" ,;()[]{}'\"", max_size=9),
    lines=st.lists(st.text(LETTERS + " +-@\\", max_size=30), max_size=5),
)
def test_a_token_is_found_among_any_lines(before: str, secret: str, after: str, lines: list[str]) -> None:
    added = [*lines, f"{before}ghp_{secret}{after}"]
    text = "".join(f"+{line}\n" for line in added)
    patch = (
        f"diff --git a/x.py b/x.py\nnew file mode 100644\n--- /dev/null\n+++ b/x.py\n@@ -0,0 +1,{len(added)} @@\n{text}"
    )
    told = find_secret(patch.encode())
    assert told == f"x.py, line {len(added)}, looks like a GitHub token" and secret not in told


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_are_searched(patch: bytes, line: bytes) -> None:
    find_secret(patch)
    find_secret(b"diff --git a/x b/x\n@@ -1,9 +1,9 @@ " + line)


@pytest.mark.parametrize(
    "part",
    [
        *("a", "token=", "password: ", "a://", "eyJ", "x:", "--token ", "pass", "password: a(", "'token', ", "curl "),
        *("'password',", "curl -u ", "a://aaaaaaaaaaaaaaaa"),
    ],
)
def test_the_longest_line_takes_seconds_at_most(part: str) -> None:
    began = process_time()
    find_secret(make_patch(part * (1_000_000 // len(part)), "settings.yaml"))
    assert process_time() - began < 10
