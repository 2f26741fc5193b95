"""Mail to a real server."""

import ssl
from pathlib import Path

import pytest
from tests.fixtures.http_servers import serving
from tests.fixtures.parts import missing
from tests.fixtures.post_office import PostOffice
from tests.fixtures.raw import certificate_in

from remuda.outbound.http import OutboundError
from remuda.outbound.mail import Encryption, Mailer, MailServer

NOON = 1_700_000_000.0


def mailer(port: int, encryption: Encryption = Encryption.NONE, **values) -> Mailer:
    server = {"user": "", "password": "", "sender": "remuda@gate.test", "timeout_s": 5.0} | values
    return Mailer(MailServer("127.0.0.1", port, encryption, **server))


async def send(one: Mailer) -> None:
    await one.send("ops@example.org", "Ärger: n", "It is\nslow\n", message_id="msg_1", now=NOON)


async def test_a_mail():
    async with PostOffice() as office:
        await send(mailer(office.port))
        mail = await office.got(1)
    assert (mail.sender, mail.to, mail.user) == ("remuda@gate.test", ["ops@example.org"], "")
    message = mail.message
    assert (message["Subject"], message["Message-ID"]) == ("Ärger: n", "<msg_1@gate.test>")
    assert (message["Date"].datetime.timestamp(), message["Auto-Submitted"]) == (NOON, "auto-generated")
    assert mail.text.replace("\r\n", "\n") == "It is\nslow\n"


@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
async def test_encrypted_and_logged_in(tmp_path: Path, encryption: Encryption):
    certificate = certificate_in(tmp_path)
    if certificate is None:
        missing("openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    kind = "tls" if encryption is Encryption.TLS else "starttls"
    async with PostOffice(**{kind: context}, password="s3cret") as office:
        known = {"certificates": str(certificate), "user": "me"}
        await send(mailer(office.port, encryption, password="s3cret", **known))
        mail = await office.got(1)
        assert (mail.user, mail.is_encrypted) == ("me", True)
        with pytest.raises(OutboundError, match="535") as refused:
            await send(mailer(office.port, encryption, password="wrong", **known))
        assert "wrong" not in str(refused.value)
        with pytest.raises(OutboundError):  # a certificate that nobody vouches for
            await send(mailer(office.port, encryption, user="me", password="s3cret"))
    assert len(office.seen) == 1


async def test_a_server_without_encryption_is_told_nothing_where_it_must_have_it():
    async with PostOffice() as office:
        with pytest.raises(OutboundError):
            await send(mailer(office.port, Encryption.STARTTLS))
    assert office.seen == []


async def test_what_the_server_says():
    async with PostOffice() as office:
        office.answers = ["451 come again later"]
        with pytest.raises(OutboundError, match="answers 451 come again later") as refused:
            await send(mailer(office.port))
    assert refused.value.status == 451


async def test_nobody_there_and_nobody_who_speaks():
    async with PostOffice() as office:
        pass
    with pytest.raises(OutboundError):
        await send(mailer(office.port))
    async with serving(None) as silent:
        with pytest.raises(OutboundError, match=r"does not answer within 0\.1 s"):
            await send(mailer(silent.port, timeout_s=0.1))
