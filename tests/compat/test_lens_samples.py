"""Document S3, rows 117-147: its samples, as they are written there, against a gateway with a real engine.

Only the place is changed: they say localhost:5000. Their model, llama2, is another name of the tiny one here.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.compat.test_document_samples import SAMPLES, program, ran
from tests.fixtures.process import RemudaProcess, remuda_serve, until

SAID = "Hello, how are you?"

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemudaProcess]:
    """One for all samples, that has answered something."""
    aliases = json.dumps({"llama2": "remuda-tiny"})
    with remuda_serve(tmp_path_factory.mktemp("data"), REMUDA_MODELS__ALIASES=aliases) as running:
        body = {"model": "llama2", "messages": [{"role": "user", "content": SAID}], "max_tokens": 8}
        answer = httpx.post(f"{running.url}/proxy/v1/chat/completions", json=body, trust_env=False, timeout=60)
        assert answer.status_code == 200
        logs = f"{running.url}/api/logs"
        until(lambda: httpx.get(logs, trust_env=False).json()["logs"], "it is in the journal")
        yield running


def sample(name: str, gateway: RemudaProcess) -> str:
    return (SAMPLES / name).read_text().replace("localhost:5000", gateway.url.removeprefix("http://"))


def test_python(gateway: RemudaProcess, tmp_path: Path) -> None:
    script = tmp_path / "lens.py"
    more = """
print(client.create_alert_rule("Slow", "latency", 3000, "gt")["message"])
print(client.export_logs(format="csv").decode().splitlines()[0])
"""
    script.write_text(sample("lens_python.txt", gateway) + more)
    total, made, columns = ran(sys.executable, script).splitlines()
    assert int(total.removeprefix("Total requests: ")) >= 1
    assert made == "Alert rule created successfully"
    assert columns.startswith("timestamp,model_name,latency_ms,")


def test_javascript(gateway: RemudaProcess, tmp_path: Path) -> None:
    script = tmp_path / "lens.mjs"
    more = """
console.log((await client.createAlertRule("Short", "tokens_per_second", 1, "lt")).message);
const logs = JSON.parse(await (await client.exportLogs()).text());
console.log(logs[logs.length - 1].input_text);
"""
    script.write_text(sample("lens_javascript.txt", gateway) + more)
    said = ran(program("node"), script).splitlines()
    assert min(said) == "Alert rule created successfully"
    assert SAID in said
    assert any(line.startswith("Total requests: ") for line in said)


def test_curl(gateway: RemudaProcess, tmp_path: Path) -> None:
    program("curl")
    script = tmp_path / "lens.sh"
    script.write_text(sample("lens_curl.txt", gateway).replace("curl ", "curl -sS --fail-with-body --noproxy '*' "))
    ended = subprocess.run(
        [program("bash"), "-e", str(script)], capture_output=True, text=True, timeout=90, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert '"Alert rule created successfully"' in ended.stdout
    with (tmp_path / "llm_logs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["input_text_preview"] == SAID
    for name in ("llm_logs.json", "test_export.json"):
        entries = json.loads((tmp_path / name).read_text())
        assert entries[-1]["input_text"] == SAID
        assert entries[-1]["output_text"] is not None
