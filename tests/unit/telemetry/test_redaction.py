"""No key survives; ordinary words do."""

import json
import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from remuda.core.keys import DISPLAY_CHARS, secret_from
from remuda.telemetry.redaction import HIDDEN, is_secret_name, redact, redactor

SECRET = "S3cr3tValue-0123456789"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: basic {SECRET}",
        f"Bearer bearer {SECRET}",
        f"Authorization: Basic basic {SECRET}",
        f"password: X-API-Key: {SECRET}",
        f"password=api_key={SECRET}",
        f"Proxy-Authorization={SECRET}",
        f"got header 'authorization': 'Bearer {SECRET}'",
        f"[(b'authorization', b'Bearer {SECRET}')]",
        f"[(b'x-api-key', b'{SECRET}')]",
        f"X-API-Key: {SECRET}",
        f"x-goog-api-key:{SECRET}",
        f"GET /v1/socket?api_key={SECRET}&x=1 HTTP/1.1",
        f"GET /v1/socket?x=1&api_key%3D{SECRET}",
        f"GET /ws?token={SECRET}&key={SECRET} HTTP/1.1",
        f"OPENAI_API_KEY={SECRET}",
        f"API_KEYS={SECRET},{SECRET}",
        f"upstreamApiKey: {SECRET}",
        f'{{"api_key": "{SECRET}"}}',
        json.dumps(json.dumps({"api_key": SECRET, "n": 1})),
        json.dumps({"password": f'a"b {SECRET}'}),
        f"{{'password': '{SECRET}'}}",
        f"password = '{SECRET} with spaces {SECRET}",
        f"client_secret: {SECRET}",
        f"HF_TOKEN={SECRET}",
        f"postgresql://remuda:{SECRET}@db.example/remuda",
        f"cannot reach https://me:p@ss/{SECRET}@host:8080/v1",
        f"redis://:{SECRET}@cache:6379/0",
        f"Cookie: theme=dark; session={SECRET}",
        f"hf_{SECRET.replace('-', '')}",
        f"ghp_{SECRET.replace('-', '')}",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    cleaned = redact(text)
    assert SECRET not in cleaned
    assert SECRET.replace("-", "") not in cleaned
    assert HIDDEN in cleaned
    assert redact(cleaned) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "request req_0011223344556677 failed inside the gateway",
        "task task-4f2a9c1e77d0 of model llama-3-70b-instruct is at risk-level 3",
        "12 completion_tokens, max_tokens=64, tokens: 7",
        "upstream http://127.0.0.1:8080/v1/chat/completions answered 500",
        "http://[::1]:8080/mail@example.org is slow",
        "http://host:8080/users/me@example.org",
        "send it as `Authorization: Bearer <key>` or `X-API-Key: <key>`",
        "key rmd_abcdef is revoked",
        "the password has expired",
        "key_id=key_17 monkey=1",
        "",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


TOKEN = st.text(string.ascii_letters + string.digits + "-_", min_size=16, max_size=80)
AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None)
@given(AROUND, st.binary(min_size=16, max_size=32), AROUND)
def test_no_key_of_ours_survives_wherever_it_stands(before: str, chance: bytes, after: str) -> None:
    secret = secret_from(chance)
    assume(secret[DISPLAY_CHARS:] not in before + after)
    cleaned = redact(before + secret + after)
    assert secret[DISPLAY_CHARS:] not in cleaned


@settings(deadline=None)
@given(
    st.text(string.digits + string.ascii_uppercase + string.punctuation + string.whitespace, max_size=20), TOKEN, AROUND
)
def test_no_key_of_openai_survives(before: str, token: str, after: str) -> None:
    assert f"sk-{token}" not in redact(f"{before}sk-{token}{after}")


@settings(deadline=None)
@given(AROUND, st.sampled_from(["Bearer ", "BEARER  ", "api_key=", "X-API-Key: ", '"password": "', "eyJ"]), TOKEN)
def test_nothing_survives_behind_the_name_of_a_secret(before: str, sign: str, token: str) -> None:
    assume(token not in before)
    text = f"{before} {sign}{token}" + (f".{token}.{token}" if sign == "eyJ" else "")
    assert token not in redact(text)


@settings(deadline=None)
@given(AROUND, TOKEN, AROUND)
def test_no_known_secret_survives(before: str, token: str, after: str) -> None:
    assume(token not in before + after)
    assert token not in redactor([token, "", "short"])(before + token + after)


def test_a_known_secret_that_begins_another_takes_nothing_from_it() -> None:
    assert redactor(["abcdef", "abcdef-ghi"])("x abcdef-ghi y") == f"x {HIDDEN} y"


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("api_key", True),
        ("X-API-Key", True),
        ("OPENAI_API_KEY", True),
        ("password", True),
        ("Set-Cookie", True),
        ("token", True),
        ("key_id", False),
        ("completion_tokens", False),
        ("request_id", False),
    ],
)
def test_names_of_secrets(name: str, is_secret: bool) -> None:
    assert is_secret_name(name) is is_secret
