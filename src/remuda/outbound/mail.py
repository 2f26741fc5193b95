"""Mail by SMTP."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from typing import Final

import aiosmtplib

from remuda.outbound.http import OutboundError

MAX_SAID: Final = 200
"""How much of what a server says is kept."""


class Encryption(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    """It begins in the clear and must become TLS before anything is said."""
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Who takes our mail."""

    host: str
    port: int
    encryption: Encryption
    user: str
    """Empty: without logging in."""
    password: str
    sender: str
    """The address that mail comes from."""
    timeout_s: float = 30.0
    certificates: str | None = None
    """A file of authorities that its certificate is checked against; None: the system's."""


class Mailer:
    """Sends mail, each on a connection of its own."""

    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def send(self, to: str, subject: str, text: str, *, message_id: str, now: float) -> None:
        """Have the server take a message; raises OutboundError. `now`: wall clock."""
        server = self._server
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = server.sender, to, subject
        message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
        message["Message-ID"] = f"<{message_id}@{server.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is to be told to us
        message.set_content(text)
        try:
            await aiosmtplib.send(
                message,
                hostname=server.host,
                port=server.port,
                username=server.user or None,
                password=server.password or None,
                use_tls=server.encryption is Encryption.TLS,
                start_tls=server.encryption is Encryption.STARTTLS,
                cert_bundle=server.certificates,
                timeout=server.timeout_s,
            )
        except aiosmtplib.SMTPResponseException as error:
            said = " ".join(error.message.split())[:MAX_SAID]
            raise OutboundError(f"the mail server answers {error.code} {said}", status=error.code) from error
        except TimeoutError as error:  # the library's own is one
            raise OutboundError(f"the mail server does not answer within {server.timeout_s:g} s") from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise OutboundError(f"the mail server does not take it ({type(error).__name__})") from error
