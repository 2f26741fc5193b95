"""The document's paths: every route lies below one whose errors are said in its words."""

from remuda.app.insights import bare_parts
from remuda.dialects.observe.routes import PATHS, router


def test_every_route_is_owned():
    paths = [route.path for route in router(bare_parts()).routes]
    assert paths
    for path in paths:
        assert any(path == owned or path.startswith(owned + "/") for owned in PATHS), path
