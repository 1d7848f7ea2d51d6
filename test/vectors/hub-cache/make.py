"""What the cache of Python's `huggingface_hub` (2.4) looks like after it downloaded a small repository from the hub for
tests: `main` and a tag, and `main` again in a process that was killed while a file was on its way.

    HF_HUB_DISABLE_XET=1 python make.py > caches.json
"""

import base64
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import huggingface_hub

ROOT = Path(__file__).parents[3]
ID = "v4kit/cache"
STALLED = "model-00002-of-00002.safetensors"

random.seed(20260424)
LICENSE = "Do what you like.\n" * 3
MAIN = {
    "LICENSE": LICENSE.encode(),
    # The same blob a second time, names that a URL must quote, a file without bytes, one in LFS by name.
    "docs/LICENSE": LICENSE.encode(),
    "docs/read me + more.md": "# Möglich\n".encode(),
    "docs/deep/er/empty.txt": b"",
    "assets/curve.bin": random.randbytes(300),
    "config.json": b'{"model_type": "deepseek_v4"}\n',
    "model-00001-of-00002.safetensors": random.randbytes(2000),
    STALLED: random.randbytes(3000),
}
CHANGED = {"config.json": b'{"model_type": "deepseek_v4", "tagged": true}\n'}
REVISIONS = {"main": MAIN, "v1.0": {**MAIN, **CHANGED}}
LFS = ["assets/curve.bin"]


def write(folder: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return str(folder)


@contextlib.contextmanager
def hub(scratch: Path):
    repository = {
        "folder": write(scratch / "main", REVISIONS["main"]),
        "revisions": {"v1.0": write(scratch / "tag", REVISIONS["v1.0"])},
        "lfs": LFS,
    }
    command = ["node", "--import", "tsx", "test/fixtures/hub-server/main.ts"]
    server = subprocess.Popen(
        [*command, json.dumps({"repositories": {ID: repository}})],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    yield json.loads(server.stdout.readline())
    server.stdin.close()
    server.wait()


def download(addresses: dict, cache: Path, revision: str) -> subprocess.Popen:
    code = "import sys, huggingface_hub as h; h.snapshot_download(sys.argv[1], revision=sys.argv[2], max_workers=1)"
    env = {**os.environ, "HF_ENDPOINT": addresses["hub"], "HF_HUB_CACHE": str(cache), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.Popen([sys.executable, "-c", code, ID, revision], env=env, stderr=subprocess.DEVNULL)


def stall(addresses: dict) -> None:
    rules = [{"on": f"^cdn GET .*{STALLED}", "fault": {"kind": "stall", "atByte": 1000}}]
    request = urllib.request.Request(addresses["control"] + "/faults", json.dumps({"rules": rules}).encode())
    urllib.request.urlopen(request).close()


def has_stalled(addresses: dict) -> bool:
    with urllib.request.urlopen(addresses["control"] + "/log") as log:
        return any("stall" in line["faults"] and line["bytesSent"] == 1000 for line in json.load(log))


def content_of(content: bytes) -> dict:
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


# The first name of a content counts.
FILES = {
    content: f"{revision}/{name}"
    for revision, files in reversed(REVISIONS.items())
    for name, content in reversed(files.items())
}


def describe(folder: Path) -> dict:
    """Every entry below a folder by its path: null for a folder, the target of a link, or the content of a file, where
    that is one of the repository's, named by revision and file."""
    tree = {}
    for path in sorted(folder.rglob("*")):
        # The eight digits that keep two downloads apart are drawn anew in each run.
        name = re.sub(r"\.[0-9a-f]{8}\.incomplete$", ".0123abcd.incomplete", path.relative_to(folder).as_posix())
        if path.is_symlink():
            tree[name] = {"link": os.readlink(path)}
        elif path.is_dir():
            tree[name] = None
        else:
            content = path.read_bytes()
            tree[name] = {"file": FILES[content]} if content and content in FILES else content_of(content)
    return tree


scratch = Path(tempfile.mkdtemp())
with hub(scratch) as addresses:
    for revision in ("main", "v1.0"):
        assert download(addresses, scratch / "complete", revision).wait() == 0
    stall(addresses)
    killed = download(addresses, scratch / "interrupted", "main")
    while not has_stalled(addresses):
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
complete, interrupted = describe(scratch / "complete"), describe(scratch / "interrupted")
shutil.rmtree(scratch)


def table(entries: dict) -> str:
    lines = (f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items())
    return "{\n" + ",\n".join(lines) + "\n }"


members = {
    "madeWith": json.dumps(f"huggingface_hub {huggingface_hub.__version__}"),
    "id": json.dumps(ID),
    "lfs": json.dumps(LFS),
    "main": table({name: content_of(content) for name, content in MAIN.items()}),
    "changedInTag": table({name: content_of(content) for name, content in CHANGED.items()}),
    "complete": table(complete),
    "interrupted": table(interrupted),
}
print("{\n" + ",\n".join(f' "{key}": {value}' for key, value in members.items()) + "\n}")
