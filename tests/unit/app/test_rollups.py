"""For how long rollups are kept."""

from remuda.app.rollups import bare_parts, kept_s
from remuda.app.settings import InsightSettings


def test_days_become_seconds():
    assert kept_s(InsightSettings(keep_hours_days=0)) == {60: 172_800, 300: 604_800, 3600: 0, 86_400: 0}


def test_without_anything_behind_it_there_is_something_to_describe():
    assert bare_parts()
