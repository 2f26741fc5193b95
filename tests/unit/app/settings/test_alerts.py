"""Who is told of alerts."""

import pytest
from pydantic import ValidationError

from remuda.app.settings import AlertSettings, MailSettings, Settings

HOOK = {"name": "ops", "url": "https://h/x?token=s3cret"}


def test_a_webhooks_url_is_a_secret():
    settings = AlertSettings(webhooks=[HOOK])
    assert settings.webhooks[0].url.get_secret_value() == HOOK["url"]
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"webhooks": [HOOK, HOOK]}, "'ops' stands for another channel"),
        ({"webhooks": [HOOK | {"name": "mail"}]}, "'mail' stands for another channel"),
        ({"webhooks": [HOOK | {"url": "ftp://h/"}]}, "a webhook's URL is"),
        ({"mail": ["nobody"]}, "is no mail address"),
        ({"mail": ["a@b\r\nBcc: c@d"]}, "is no mail address"),
        ({"cooldown_s": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_refused(values, says):
    with pytest.raises(ValidationError, match=says):
        AlertSettings(**values)


def test_a_password_is_not_sent_in_the_clear():
    with pytest.raises(ValidationError, match="a password is not sent without encryption"):
        MailSettings(host="h", encryption="none", password="s")
    assert MailSettings(host="h", password="s").encryption == "starttls"


def test_mail_needs_somebody_who_takes_it():
    with pytest.raises(ValidationError, match=r"mail\.host has to say"):
        Settings(alerts={"mail": ["ops@example.org"]})
    assert Settings(alerts={"mail": ["ops@example.org"]}, mail={"host": "h"}).mail.port == 587
