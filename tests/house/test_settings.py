"""A setting that nothing reads is a promise that nobody keeps."""

import ast

from remuda.app.settings import Settings, leaves
from tests.house.tree import SOURCE, check_exceptions, modules, tree_of

ONLY_LOOKING = ("app/checks/", "app/cli/", "app/settings/")
"""What checks, shows and sets settings does not make them do anything; properties in model.py hand them on."""


def test_every_setting_is_read_by_something():
    read = {
        node.attr
        for module in modules()
        if not module.as_posix().startswith(ONLY_LOOKING) or module.name == "model.py"
        for node in ast.walk(tree_of(SOURCE / module))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    upstream = Settings.model_json_schema()["$defs"]["UpstreamSettings"]["properties"]
    names = [".".join(map(str, leaf.loc)) for leaf in leaves()] + [f"upstreams.{key}" for key in upstream]
    unread = [name for name in names if name.rpartition(".")[2] not in read]
    check_exceptions("unread_settings", unread, "these settings can be set and change nothing")
