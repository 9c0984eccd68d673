"""Looks for what may be a secret in a patch, before the patch leaves this machine.

It finds what has a known form, or a telling name. When in doubt it finds too much: a patch that is withheld costs a
note, a secret on a server costs more.
"""

import re
from collections.abc import Iterator

_NAMES = (
    r"(?:pass(?:word|wd|phrase|code)|(?<![a-z])pass|pwd|secret|credentials?|(?:api|access|account|auth|encryption|private|secret)[_-]?key|"
    r"(?:api|access|auth|bearer|client|refresh)[_-]?token)"
)
_IS = r"['\"]?\]?(?:\s{0,9}:\s{0,9}[\w.\[\]| ]{1,40})?\s{0,9}(?::=|==?|:)\s{0,9}\({0,3}"  # perhaps after a type
_NEXT = r"['\"]\s{0,9},\s{0,9}(?:.{0,200}\bdefault\s{0,9}=\s{0,9})?"  # the next argument, or a later default
_NOT = r"(?![${<])"  # what begins like $NAME or <name> only stands for a secret
_QUOTE = rf"[bfru]{{0,2}}(?:\"\"\"|'''|['\"]){_NOT}"
_USER = r"(?:-[uU]|--(?:proxy-)?user)[ =]{0,3}['\"]?"  # an argument of curl
# What has a known form, and what it is. No quantifier is without a bound: lines may be long.
FORMS = {
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY": "a private key",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b": "an AWS access key",
    r"\bgh[opsur]_[A-Za-z0-9]{36}|\bgithub_pat_\w{22}": "a GitHub token",
    r"\bglpat-[\w-]{20}": "a GitLab token",
    r"\bxox[a-z]-[\w-]{10}|hooks\.slack\.com/services/T": "a Slack token",
    r"\bhf_[A-Za-z0-9]{30}": "a Hugging Face token",
    r"\b[sr]k[-_](?=[\w-]{0,60}\d)[\w-]{20}": "an API key",
    r"\bAIza[\w-]{35}": "a Google API key",
    r"\b(?:npm_[A-Za-z0-9]{36}|pypi-[\w-]{16}|dckr_pat_[\w-]{20}|dapi[0-9a-f]{32})": "an access token",
    r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10}": "a JSON web token",
    r"(?i)\bauthorization['\"]?\s{0,9}[:=,]\s{0,9}['\"]?[a-z]{5,6}\s{1,9}(?![${<])\S{8}": "a header that authorizes",
    rf"\w:/{{1,9}}[^\s/@'\"]{{0,200}}:{_NOT}[^\s/@'\"]{{1,200}}@": "a password in an address",
    r"\w:/{1,9}[\w-]{16,200}@": "a token in an address",
    rf"\bcurl\b.{{0,200}}\s{_USER}[^\s:'\"$<{{]{{0,80}}:{_NOT}[^\s'\"]{{4}}": "a password",
    r"(?i)[?&](?:x-amz-|x-goog-)?(?:sig|signature|token|key)=(?![${<])[\w%.+/-]{16}": "a signed address",
    rf"(?i){_NAMES}(?:{_IS}|{_NEXT}){_QUOTE}[^'\"]{{6}}": "a password or key",
    rf"(?i)token(?:{_IS}|{_NEXT}){_QUOTE}(?=[^\d\s'\"]{{0,60}}\d)[^\s'\"]{{12}}": "a token",
}
# In settings there may be no quotes: `password: hunter22` in YAML, `API_KEY=hunter22` or `--password hunter22` in sh.
# A value may have spaces, but none before a comment; what is no value is `null`, or `name[…]` and `name(…)`.
_NO_VALUE = r"(?!(?:null|none|true|false)\b|[\w.]{1,80}[(\[].{0,200}[)\]])"
_IS_SET = r"['\"]?\s{0,9}(?::=|==?|:)\s{0,9}"
SETTING = (
    rf"(?i){_NAMES}{_IS_SET}{_NOT}{_NO_VALUE}(?![\s#;=>'\"(\[])(?:\S|\s(?![\s#;])){{6}}|"
    rf"token{_IS_SET}{_NOT}[^\s'\"#,;(){{}}\[\]]{{6,300}}\s{{0,99}}(?:#|$)|"
    rf"--[\w-]{{0,20}}(?:{_NAMES}|token)[ =]['\"]?{_NOT}[^\s'\"]{{6}}"
)
_FORMS = [(re.compile(form.encode()), what) for form, what in FORMS.items()]
_SETTING = re.compile(SETTING.encode())
_CODE = (b".py", b".pyi", b".ipynb", b".md", b".rst", b".csv", b".tsv", b".jsonl", b".html", b".js")
FILES = re.compile(
    rb"(?i)(?:.*/)?(?:\.env(?:\.[^/]*|rc)?|[^/]*\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk|env)|id_(?:rsa|dsa|ecdsa|"
    rb"ed25519)|\.?(?:netrc|pgpass|npmrc|pypirc|htpasswd|git-credentials)|(?:aws_)?credentials(?:\.[^/]*)?|"
    rb"secrets?(?:\.(?!py$)[^/]*)?|kubeconfig|config\.local|[^/]*service[_-]?account[^/]*\.json)"
)
_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)", re.DOTALL)
_HEADER = b"diff --git "


def find_secret(patch: bytes) -> str:
    """Return where a patch of Git's holds what may be a secret, and of which kind, but not what; or an empty text.

    All its lines are searched: what was removed, and what stands around the changes, would be sent, too. What cannot be
    searched counts as a secret: a file that Git takes for binary.
    """
    for file, number, line in _walk(patch):
        place = file.decode(errors="replace")
        if number < 0:
            return f"{place} is no text, so it cannot be searched for secrets"
        if number == 0:
            if FILES.fullmatch(line):
                return f"{place} has the name of a file of secrets"
            continue
        for form, what in _FORMS:
            if form.search(line):
                return f"{place}, line {number}, looks like {what}"
        if not file.lower().endswith(_CODE) and _SETTING.search(line):
            return f"{place}, line {number}, looks like a password or key"
    return ""


def _walk(patch: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield file, number and text of each line that the patch quotes; first 0 and the file's name, -1 if it is binary.

    The number is that in the new version, or where it would be.
    """
    file, number, old, new = b"", 0, 0, 0  # old, new: the lines of each version that the hunk still has
    for line in patch.split(b"\n"):
        kind, text = line[:1], line[1:]
        if kind == b"\\":  # "No newline at end of file"
            continue
        if old > 0 or new > 0:
            yield file, number, text
            old -= kind != b"+"
            new -= kind != b"-"
            number += kind != b"-"
        elif line.startswith(_HEADER):
            names = line.removeprefix(_HEADER)  # "a/NAME b/NAME", each perhaps in quotes; none is renamed
            file = names[: len(names) // 2].strip(b'"').removeprefix(b"a/")
            yield file, 0, file
        elif hunk := _HUNK.fullmatch(line):
            old, number, new = int(hunk[1] or 1), max(int(hunk[2]), 1), int(hunk[3] or 1)
            yield file, number, hunk[4]  # a line that stands above, by which Git names the place
        elif line.startswith((b"GIT binary patch", b"Binary files ")):
            yield file, -1, b""
