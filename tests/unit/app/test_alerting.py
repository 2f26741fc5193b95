"""For how long replicas have been down."""

from remuda.app.alerting import DownTimes, channels_of, mailer_of
from remuda.app.settings import AlertSettings, MailSettings
from remuda.fleet.replica import ReplicaState
from remuda.testing.clock import FakeClock
from tests.fixtures.asgi import replica


async def test_from_the_moment_on_in_which_somebody_looked():
    clock = FakeClock()
    times = DownTimes(clock)
    up, down = replica("up"), replica("down", state=ReplicaState.STANDBY)
    drained = replica("drained", state=ReplicaState.DRAINING)
    assert times.read([up, down, drained]) == {"up-1": 0.0, "down-1": 0.0, "drained-1": 0.0}
    await clock.advance(5.0)
    up.slots.total = 0  # nobody gets a slot: its breaker is open
    assert times.read([up, down]) == {"up-1": 0.0, "down-1": 5.0}
    await clock.advance(1.0)
    down.state = ReplicaState.ACTIVE
    assert times.read([up, down]) == {"up-1": 1.0, "down-1": 0.0}
    assert times.read([]) == {}


def test_channels():
    alerts = AlertSettings(webhooks=[{"name": "ops", "url": "https://h/x"}], mail=["a@h", "b@h"])
    assert channels_of(alerts) == {"ops": ("https://h/x",), "mail": ("mailto:a@h", "mailto:b@h")}
    assert channels_of(AlertSettings()) == {}


def test_who_takes_our_mail():
    assert mailer_of(MailSettings()) is None
    assert mailer_of(MailSettings(host="h", password="s")) is not None
