from ipaddress import ip_network

import pytest

from remuda.core.faults import (
    ExpiredCredential,
    Forbidden,
    ForeignOrigin,
    InvalidCredential,
    InvalidToken,
    MissingCredential,
)
from remuda.core.keys import LOCAL_CALLER, Key, KeyRing, Scope, digest_of
from remuda.core.users import Users
from remuda.gateway.authenticate import Gatekeeper, credential_of, session_of
from remuda.gateway.tokens import Tokens
from tests.fixtures.asgi import SIGNING_KEY, count_up, user

LOCAL = ("127.0.0.1", 50000)
ELSEWHERE = ("203.0.113.9", 50000)
HERE = (b"host", b"127.0.0.1:7368")


def key(secret: bytes, *scopes: Scope, expires_at: float | None = None) -> Key:
    return Key("key_1", "a key", digest_of(secret), "rmd_", frozenset(scopes), 0.0, expires_at=expires_at)


def keeper(*keys: Key, keyless: bool = True, trusted: tuple[str, ...] = ()) -> Gatekeeper:
    made = Gatekeeper(
        keyless_allowed=keyless, wall=lambda: 100.0, trusted_proxies=[ip_network(text) for text in trusted]
    )
    made.ring = KeyRing(keys)
    return made


def bearer(secret: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"example.org"), (b"authorization", b"Bearer " + secret)]


@pytest.mark.parametrize(
    ("headers", "query", "found"),
    [
        ([], b"", None),
        ([(b"authorization", b"Bearer abc")], b"", b"abc"),
        ([(b"authorization", b"bearer  abc ")], b"", b"abc"),
        ([(b"authorization", b"Basic abc")], b"", None),
        ([(b"x-api-key", b" abc ")], b"", b"abc"),
        ([(b"x-api-key", b"two"), (b"authorization", b"Bearer one")], b"", b"one"),
        ([], b"a=1&api_key=a%2Bb+c", b"a+b c"),
        ([(b"x-api-key", b"head")], b"api_key=query", b"head"),
    ],
)
def test_credential_is_found_wherever_it_may_stand(headers, query, found):
    assert credential_of(dict(headers), query) == found


@pytest.mark.parametrize(
    ("cookie", "found"),
    [
        (None, None),
        (b"", None),
        (b"remuda-session=abc", b"abc"),
        (b"a=1; remuda-session=a=c ; b=2", b"a=c"),
        (b"remuda-session=", None),
        (b"xremuda-session=abc;remuda-session", None),
    ],
)
def test_the_session_cookie_is_found(cookie, found):
    assert session_of({} if cookie is None else {b"cookie": cookie}) == found


THERE = (b"host", b"gate.example:7368")
OWN_PAGE = [
    [(b"sec-fetch-site", b"same-origin")],
    [(b"origin", b"https://Gate.example:7368")],
    [(b"origin", b"null"), (b"sec-fetch-site", b"same-origin")],
]
OTHER_PAGE = [
    [],
    [(b"origin", b"https://gate.example:9999")],
    [(b"origin", b"null")],
    [(b"origin", b"")],
    [(b"sec-fetch-site", b"same-site"), (b"origin", b"https://gate.example:7368")],
    [(b"sec-fetch-site", b"cross-site")],
    [(b"sec-fetch-site", b"none")],
]


@pytest.mark.parametrize("more", OWN_PAGE)
def test_a_session_cookie_does_for_pages_of_the_gateway(more):
    headers = [THERE, (b"cookie", b"remuda-session=right"), *more]
    assert keeper(key(b"right", Scope.INFERENCE)).admit(headers, ELSEWHERE, Scope.INFERENCE).key_id == "key_1"


@pytest.mark.parametrize("more", OTHER_PAGE)
def test_with_a_session_cookie_other_pages_only_read(more):
    headers = [THERE, (b"cookie", b"remuda-session=right"), *more]
    admits = keeper(key(b"right", Scope.READ))
    with pytest.raises(ForeignOrigin):
        admits.admit(headers, ELSEWHERE, Scope.READ)
    assert admits.admit(headers, ELSEWHERE, Scope.READ, is_reading=True).key_id == "key_1"


def test_a_session_cookie_is_the_last_place():
    headers = [THERE, (b"cookie", b"remuda-session=wrong"), (b"authorization", b"Bearer right")]
    admits = keeper(key(b"right", Scope.READ))
    assert admits.admit(headers, ELSEWHERE, Scope.READ).key_id == "key_1", "a page may say its origin or not"
    assert admits.admit(headers[:2], ELSEWHERE, Scope.READ, b"api_key=right").key_id == "key_1"
    with pytest.raises(InvalidCredential):
        admits.admit(headers[:2], ELSEWHERE, Scope.READ, is_reading=True)


def test_key_is_checked_for_its_scope():  # row 58
    admits = keeper(key(b"right", Scope.INFERENCE))
    assert admits.admit(bearer(b"right"), ELSEWHERE, Scope.INFERENCE).key_id == "key_1"
    assert admits.admit(bearer(b"right"), ELSEWHERE, Scope.READ, also=Scope.INFERENCE).key_id == "key_1"
    with pytest.raises(Forbidden):
        admits.admit(bearer(b"right"), ELSEWHERE, Scope.READ)
    with pytest.raises(InvalidCredential):
        admits.admit(bearer(b"wrong"), LOCAL, Scope.INFERENCE)
    with pytest.raises(MissingCredential):
        admits.admit([HERE], LOCAL, Scope.INFERENCE)


def test_expired_key_is_told_apart():
    with pytest.raises(ExpiredCredential):
        keeper(key(b"old", Scope.ADMIN, expires_at=99.0)).admit(bearer(b"old"), LOCAL, Scope.READ)


@pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1:7368", b"[::1]:7368", b"LOCALHOST:1", b"app.localhost"])
def test_local_program_needs_no_key_while_none_exists(host):
    assert keeper().admit([(b"host", host)], LOCAL, Scope.MANAGE) is LOCAL_CALLER
    assert keeper().admit([(b"host", host)], None, Scope.MANAGE) is LOCAL_CALLER, "a unix socket is this machine's"


def test_dummy_key_is_not_looked_at_while_none_exists():
    assert keeper().admit([HERE, (b"authorization", b"Bearer none")], LOCAL, Scope.READ) is LOCAL_CALLER


@pytest.mark.parametrize(
    "host", [b"example.org", b"127.0.0.1.example.org", b"", b"[2001:db8::1]:80", b"127.0.0.1@example.org"]
)
def test_foreign_host_is_refused_without_a_key(host):
    with pytest.raises(ForeignOrigin):
        keeper().admit([(b"host", host)], LOCAL, Scope.READ)


@pytest.mark.parametrize("origin", [b"https://example.org", b"null", b"http://[", b""])
def test_foreign_page_is_refused_without_a_key(origin):
    with pytest.raises(ForeignOrigin):
        keeper().admit([HERE, (b"origin", origin)], LOCAL, Scope.READ)


def test_local_page_is_served_without_a_key():
    assert keeper().admit([HERE, (b"origin", b"http://localhost:5173")], LOCAL, Scope.READ) is LOCAL_CALLER


def test_other_machine_needs_a_key():
    with pytest.raises(MissingCredential):
        keeper().admit([HERE], ELSEWHERE, Scope.READ)
    with pytest.raises(MissingCredential):
        keeper(keyless=False).admit([HERE], LOCAL, Scope.READ)


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"forwarded", b"x-real-ip"])
def test_what_came_through_an_unknown_proxy_needs_a_key(name):
    with pytest.raises(MissingCredential, match="proxy"):
        keeper().admit([HERE, (name, b"127.0.0.1")], LOCAL, Scope.READ)
    with pytest.raises(MissingCredential, match="proxy"):
        keeper().admit([(name, b"127.0.0.1"), HERE], None, Scope.READ)


@pytest.mark.parametrize(
    ("forwarded", "is_served"),
    [
        ([b"127.0.0.1"], True),
        ([b"198.51.100.7, 127.0.0.1"], False),
        ([b"127.0.0.1, 198.51.100.7"], False),
        ([b"127.0.0.1", b"198.51.100.7"], False),
        ([b"unknown"], False),
        ([], False),
    ],
    ids=["local", "claimed", "foreign", "two headers", "no address", "no header"],
)
def test_trusted_proxy_says_who_is_local(forwarded, is_served):
    headers = [HERE, *((b"x-forwarded-for", value) for value in forwarded)]
    admits = keeper(trusted=("127.0.0.1",))
    if is_served:
        assert admits.admit(headers, LOCAL, Scope.READ) is LOCAL_CALLER
    else:
        with pytest.raises(MissingCredential):
            admits.admit(headers, LOCAL, Scope.READ)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (None, b"198.51.100.7", None),
        (ELSEWHERE, b"198.51.100.7", "203.0.113.9"),
        (("10.0.0.1", 1), b"198.51.100.7", "198.51.100.7"),
        (("::ffff:10.0.0.1", 1), b"198.51.100.7", "198.51.100.7"),
        (("10.0.0.1", 1), b"192.0.2.1, 198.51.100.7:4711, 10.0.0.2", "198.51.100.7"),
        (("10.0.0.1", 1), b"[2001:db8::5]:443", "2001:db8::5"),
        (("10.0.0.1", 1), b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (("10.0.0.1", 1), b"198.51.100.7, what", None),
        (("10.0.0.1", 1), b"", None),
    ],
)
def test_client_is_the_last_address_that_no_trusted_proxy_has(peer, forwarded, client):
    assert keeper(trusted=("10.0.0.0/8",)).client_of([(b"x-forwarded-for", forwarded)], peer) == client


@pytest.mark.parametrize(
    ("peer", "said", "scheme"),
    [
        (("10.0.0.1", 1), b"https", "https"),
        (("10.0.0.1", 1), b"javascript", "http"),
        (ELSEWHERE, b"https", "http"),
        (None, b"https", "http"),
    ],
)
def test_scheme_is_believed_of_trusted_proxies_only(peer, said, scheme):
    assert keeper(trusted=("10.0.0.0/8",)).scheme_of([(b"x-forwarded-proto", said)], peer, "http") == scheme


def test_token_of_a_user_does_in_place_of_a_key():
    tokens = Tokens(lambda: SIGNING_KEY, lambda: 100.0, count_up())
    ann = user("ann", Scope.INFERENCE)
    tokens.users = Users([ann])
    admits = Gatekeeper(keyless_allowed=True, wall=lambda: 100.0, tokens=tokens)
    admits.has_had_keys = True
    access = tokens.pair(ann).access.encode()
    assert admits.admit(bearer(access), ELSEWHERE, Scope.INFERENCE) == ann.caller
    assert admits.admit([HERE, (b"x-api-key", access)], ELSEWHERE, Scope.READ, also=Scope.INFERENCE) == ann.caller
    with pytest.raises(Forbidden, match="the user lacks the scope 'manage'") as refused:
        admits.admit(bearer(access), ELSEWHERE, Scope.MANAGE)
    assert refused.value.key_id == "user:ann"
    for wrong, kind in ((access[:-2], InvalidToken), (b"rmd_wrong", InvalidCredential), (b"a.b.c", InvalidCredential)):
        with pytest.raises(InvalidCredential) as caught:
            admits.admit(bearer(wrong), ELSEWHERE, Scope.INFERENCE)
        assert type(caught.value) is kind
    with pytest.raises(InvalidCredential):
        keeper(key(b"right", Scope.ADMIN)).admit(bearer(access), ELSEWHERE, Scope.READ)


def test_keys_come_first():
    tokens = Tokens(lambda: SIGNING_KEY, lambda: 100.0, count_up())
    odd = b"eyJ.looks.like-a-token"
    admits = Gatekeeper(keyless_allowed=True, wall=lambda: 100.0, tokens=tokens)
    admits.ring = KeyRing([key(odd, Scope.READ)])
    assert admits.admit(bearer(odd), ELSEWHERE, Scope.READ).key_id == "key_1"
