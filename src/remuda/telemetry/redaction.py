"""Takes out of a text whatever looks like a credential. Errs on the side of taking out too much."""

import re
from collections.abc import Callable, Iterable
from typing import Final

HIDDEN: Final = "***"

Redact = Callable[[str], str]

# Names after which a secret stands, whatever comes before them (`OPENAI_API_KEY`, `x-api-key`, `upstreamApiKey`): in
# headers, query strings, JSON, YAML, variables and Python's repr of any of them.
_NAMES: Final = (
    r"authorization|"
    r"(?:api|access|secret|private)[_-]?keys?|"
    r"(?:access|refresh|auth|hf|session|id)[_-]?tokens?|"
    r"secrets?|passwords?|passwd|passphrases?|"
    r"(?<=[?&])(?:token|key)"  # bare, these words are common; in a query string they are credentials
)
_SECRET_NAME = re.compile(rf"(?:{_NAMES}|cookie|\Atoken)\Z", re.IGNORECASE)

# What stands between such a name and its value: `: `, `=`, `": "`, `', b'`, also with its quotes escaped.
_BETWEEN: Final = r"""(?:\\*["'`])?\s{0,8}(?:[:=]|,(?=\s{0,8}b?\\*["'])|%3[aAdD])\s{0,8}(?:b(?=\\*["']))?"""
# A quoted value ends with its own quote (an escaped one, where its first was escaped) or where the text was cut.
_VALUE: Final = (
    r"""(?P<open1>\\+")(?:[^"\\]|\\(?!["\\])[\s\S])*(?P<close1>\\+"|\\?\Z)|"""
    r"""(?P<open2>")(?:[^"\\]|\\[\s\S])*(?P<close2>"|\\?\Z)|"""
    r"""(?P<open3>\\+')(?:[^'\\]|\\(?!['\\])[\s\S])*(?P<close3>\\+'|\\?\Z)|"""
    r"""(?P<open4>')(?:[^'\\]|\\[\s\S])*(?P<close4>'|\\?\Z)|"""
    # A bare one is neither a scheme nor the name of the next secret: `password: X-API-Key: ...` is about the latter.
    r"""(?P<open5>(?:(?:bearer|basic|digest|token|negotiate)\s{1,8}){0,4})"""
    rf"""(?!(?:bearer|basic|digest|token|negotiate)(?:\s|\Z)|[^\s"'<>&]{{0,32}}?(?:{_NAMES})\\*["']?[:=])"""
    r"""[^\s"'<>&]+(?P<close5>)"""
)


def _with_value_hidden(found: re.Match[str]) -> str:
    groups = found.groupdict(default="")
    opened = "".join(groups[f"open{n}"] for n in range(1, 6))
    closed = "".join(groups[f"close{n}"] for n in range(1, 6))
    return f"{groups['head']}{opened}{HIDDEN}{closed}"


def _without_jwt(run: re.Match[str]) -> str:
    head, _, _ = run[0].partition("eyJ")
    return head + HIDDEN if len(head) < len(run[0]) else run[0]


_RULES: Final[tuple[tuple[tuple[str, ...], re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    # What a text in small letters must hold for the pattern to be worth a try; the pattern; what it becomes.
    #
    # https://user:secret@host. A port is no password; where an @ follows one, it belongs to the path.
    (
        ("://",),
        re.compile(r"(://[^\s:/@\[]{0,256}:)(?!\d{1,5}(?:[/?#\s\"']|\Z))[^\s]{1,1024}@"),
        rf"\1{HIDDEN}@",
    ),
    (
        ("authorization", "key", "token", "secret", "passw", "passphrase"),
        re.compile(rf"(?P<head>(?:{_NAMES}){_BETWEEN})(?:{_VALUE})", re.IGNORECASE),
        _with_value_hidden,
    ),
    # All of a cookie line: any of its values may be a session.
    (("cookie",), re.compile(rf"""(cookie{_BETWEEN}["']?)[^\r\n"']+""", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        ("bearer",),
        re.compile(r"""(?<![a-z])((?:bearer(?:\s{1,8}|%20|\+)){1,4})[^\s"'`,;<>]+""", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    # Ours; the first six characters (what `keys list` shows) may stand alone.
    (("rmd_",), re.compile(r"rmd_[A-Za-z0-9_-]{7,}"), HIDDEN),
    # OpenAI's and its kin. `task-...` and `risk-...` are words: no small letter may stand before.
    (("sk-",), re.compile(r"(?<![a-z])sk-[A-Za-z0-9_-]{6,}"), HIDDEN),
    (
        ("hf_", "gsk_", "xai-", "ghp_", "github_pat_"),
        re.compile(r"(?<![a-z])(?:hf_|gsk_|xai-|ghp_|github_pat_)[A-Za-z0-9_-]{12,}"),
        HIDDEN,
    ),
    # JSON Web Tokens: `{"` in base 64 is `eyJ`. Whole runs are looked at, so that the time stays linear.
    (("eyj",), re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{11,}\.[A-Za-z0-9_.-]+"), _without_jwt),
)


def redact(text: str) -> str:
    """`text` with `***` in place of keys, tokens and passwords."""
    lowered = text.lower()
    for signs, pattern, replacement in _RULES:
        if any(sign in lowered for sign in signs):
            text = pattern.sub(replacement, text)
    return text


def is_secret_name(name: str) -> bool:
    """Whether a field called `name` holds a secret, whatever it looks like."""
    return _SECRET_NAME.search(name) is not None


def redactor(secrets: Iterable[str] = ()) -> Redact:
    """As `redact`, and takes out each of `secrets` too: those known here, whatever they look like. Secrets shorter than
    six characters are left out: they would tear ordinary words apart, and hide nothing."""
    known = sorted({secret for secret in secrets if len(secret) >= 6}, key=len, reverse=True)
    if not known:
        return redact
    literal = re.compile("|".join(re.escape(secret) for secret in known))

    def with_known(text: str) -> str:
        return redact(literal.sub(HIDDEN, text))

    return with_known
