"""What messages are called."""

from remuda.core.delivery import message_id


def test_a_messages_id_has_no_full_stop():
    assert message_id("0f-a.b", 7) == "msg_0fab_7"
