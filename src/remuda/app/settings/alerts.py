"""Who is told when something is amiss, and who takes our mail."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from remuda.app.settings.kinds import Host, Location, Name, Networks, Port, Seconds, Secret, Whole, Word
from remuda.app.settings.section import Section

MAIL: Final = "mail"
"""The channel's name."""
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")


def _mail_address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value[:40]!r} is no mail address such as ops@example.org")
    return value


def _web_address(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("http://", "https://")):
        raise ValueError("a webhook's URL is http(s)://host[:port][/path]")
    return value


MailAddress = Annotated[Word, AfterValidator(_mail_address)]
WebhookUrl = Annotated[Secret, AfterValidator(_web_address)]
"""Secret, since whoever knows it can send there too."""


class AlertWebhookSettings(Section):
    """A webhook that is told of alerts."""

    name: Name
    """By which rules name it in `channels`."""
    url: WebhookUrl
    """Where messages go. Best written as `${NAME}`, so that it stands in the environment and not in the file."""


class AlertSettings(Section):
    """What is watched for, by rules that `/api/alerts/rules` keeps, and who is told."""

    cooldown_s: Annotated[Seconds, Field(ge=1, le=2_592_000)] = 300
    """How long after an event a rule makes no other, where the rule does not say it."""
    retention_days: Annotated[Whole, Field(ge=0, le=36_500)] = 90
    """Events that were over before so many days are deleted, and who was told of them; 0 keeps events for ever."""
    webhooks: Annotated[tuple[AlertWebhookSettings, ...], Field(max_length=100)] = ()
    """Webhooks that are told, each a channel of its name. They are signed with `tasks.webhook_secret` and tried as often as those of tasks, and go to public addresses unless `webhook_allow_private` opens others."""  # noqa: E501
    webhook_allow_private: Networks = ()
    """Private networks that they may go to, as `[10.0.0.0/8]`; `true` for all of them, this machine included."""
    mail: Annotated[tuple[MailAddress, ...], Field(max_length=100)] = ()
    """Addresses that are told by mail; together the channel `mail`. Needs `mail.host`."""

    @field_validator("webhooks")
    @classmethod
    def _told_apart(cls, value: tuple[AlertWebhookSettings, ...]) -> tuple[AlertWebhookSettings, ...]:
        names = [webhook.name for webhook in value]
        for name in names:
            if name == MAIL or names.count(name) > 1:
                raise ValueError(f"the name {name!r} stands for another channel already")
        return value


class MailSettings(Section):
    """Who takes our mail, which tells of alerts."""

    host: Host | None = None
    """The mail server. Default: no mail is sent."""
    port: Port = 587
    """Where it listens."""
    encryption: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls`: the connection must become encrypted before anything is said (port 587); `tls`: it is from the start (port 465); `none`: never."""  # noqa: E501
    user: Word = ""
    """Who logs in there; empty: nobody."""
    password: Secret | None = None
    """Best written as `${NAME}`, so that it stands in the environment and not in the file."""
    sender: MailAddress = "remuda@localhost"
    """The address that mail comes from."""
    ca_file: Location | None = None
    """Certificates (PEM) to trust for it instead of the system's."""
    timeout_s: Annotated[Seconds, Field(gt=0, le=300)] = 30
    """How long it may take over one mail."""

    @field_validator("password")
    @classmethod
    def _is_encrypted(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("encryption") == "none":
            raise ValueError("a password is not sent without encryption")
        return value
