"""What is sent of a node, read and checked."""

from ipaddress import IPv6Address
from typing import Any

import msgspec

from remuda.core.faults import InvalidRequest
from remuda.core.node import Node
from remuda.dialects.kit.bodies import malformed
from remuda.dialects.nodes.herd import Herd
from remuda.dialects.nodes.schemas import NodeWrite

UNSET = msgspec.UNSET


def decoded(kind: type[Any], body: bytes) -> Any:
    """`body` as a `kind`; raises InvalidRequest naming the field that is wrong, InvalidJson."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        sentence, _, place = str(error).partition(" - at `$")
        name = place.strip("`").lstrip(".").partition(".")[0].partition("[")[0]
        raise InvalidRequest(sentence, parameter=name or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, body) from None


def url_of(sent: NodeWrite, before: str | None) -> str | None:
    """The URL that is meant, None where nothing is said of it. `before`: that of the node that is changed."""
    if sent.url is not UNSET:
        return sent.url
    if sent.address is UNSET:
        if sent.port is UNSET or before is None:
            return None
        raise InvalidRequest("a port is changed together with its address", parameter="port")
    address = sent.address.strip()
    if _is_bare_ipv6(address):  # as the answer shows it
        address = f"[{address}]"
    if "://" not in address:
        address = f"http://{address}"
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    # As S4 has it, a port in the address comes before the field; unlike there, it stands after the host, not the path.
    if isinstance(sent.port, int) and ":" not in host.rpartition("]")[2]:
        if not 0 < sent.port < 65_536:
            raise InvalidRequest("a port is a number from 1 to 65535", parameter="port", received=sent.port)
        address = f"{scheme}://{host}:{sent.port}{slash}{path}"
    return address


async def add(herd: Herd, sent: NodeWrite) -> Node:
    """A new node; raises InvalidRequest, and what the store raises."""
    url = url_of(sent, None)
    if url is None:
        raise InvalidRequest("This field is required.", parameter="address")
    try:
        return await herd.add(
            url, **_fields(sent), api_key=_or(sent.api_key, ""), api_key_env=_or(sent.api_key_env, "")
        )
    except ValueError as error:
        raise InvalidRequest(str(error), parameter=_field_of(str(error))) from None


async def change(herd: Herd, node_id: int, sent: NodeWrite, before: str) -> Node | None:
    """The node with what was sent of it changed; None where it is gone. Raises as `add`."""
    changes = _fields(sent)
    if (url := url_of(sent, before)) is not None:
        changes["url"] = url
    try:
        if sent.api_key is not UNSET or sent.api_key_env is not UNSET:
            changes["credential"] = herd.kept_credential(_or(sent.api_key, ""), _or(sent.api_key_env, ""))
        return await herd.change(node_id, **changes)
    except ValueError as error:
        raise InvalidRequest(str(error), parameter=_field_of(str(error))) from None


def _fields(sent: NodeWrite) -> dict[str, Any]:
    said = {"name": sent.name, "kind": sent.kind, "slots": sent.slots, "weight": sent.weight}
    fields = {name: value for name, value in said.items() if value is not UNSET}
    if sent.active is not UNSET:
        fields["is_drained"] = not sent.active
    return fields


def _is_bare_ipv6(address: str) -> bool:
    try:
        IPv6Address(address)
    except ValueError:
        return False
    return True


def _or(value: Any, otherwise: str) -> str:
    return otherwise if value is UNSET else value


def _field_of(sentence: str) -> str:
    """Which field a sentence of refusal is about."""
    for word, field in (("node's name", "name"), ("slots", "slots"), ("weight", "weight"), ("key", "api_key")):
        if word in sentence:
            return field
    return "api_key_env" if "variable" in sentence else "address"
