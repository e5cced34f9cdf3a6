"""Starts the installed `pykafka-core` on a free port, asks for ApiVersions over a raw socket, and stops it by SIGTERM.

Needs nothing but the standard library, so that it can judge a wheel in an empty environment; cibuildwheel runs it for
each wheel it builds.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20
API_VERSIONS_KEY = 18
CORRELATION_ID = 7


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError(f"connection closed after {len(received)} of {size} bytes")
        received += part
    return received


def ask_api_versions(connection: socket.socket) -> dict[int, tuple[int, int]]:
    """ApiVersions v0: header v1 with a null client id, empty body. Returns the version range of each API key."""
    request = struct.pack(">hhih", API_VERSIONS_KEY, 0, CORRELATION_ID, -1)
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", receive(connection, 4))
    answer = receive(connection, size)
    correlation_id, error_code, count = struct.unpack_from(">ihi", answer)
    if correlation_id != CORRELATION_ID or error_code != 0 or size != 10 + 6 * count:
        raise ValueError(f"not an ApiVersions v0 answer: {answer[:64].hex(' ')}")
    return {key: (low, high) for key, low, high in struct.iter_unpack(">hhh", answer[10:])}


def first_answer(process: subprocess.Popen[bytes], port: int) -> dict[int, tuple[int, int]]:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=START_TIMEOUT_S) as connection:
                return ask_api_versions(connection)
        except ConnectionRefusedError:
            if process.poll() is not None:
                raise RuntimeError(f"the broker ended with status {process.returncode} before it listened") from None
            if time.monotonic() > deadline:
                raise TimeoutError(f"no listener on port {port} after {START_TIMEOUT_S} s") from None
            time.sleep(0.002)


def main() -> int:
    command = Path(sysconfig.get_path("scripts")) / "pykafka-core"
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        log = Path(folder) / "broker.log"
        began = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    command, "start",
                    "--override", f"listeners=PLAINTEXT://127.0.0.1:{port}",
                    "--override", f"log.dirs={folder}/data",
                ],
                stdout=output, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, "PYTHONSAFEPATH": "1"},
            )  # fmt: skip
        try:
            versions = first_answer(process, port)
            elapsed_ms = (time.monotonic() - began) * 1000
            process.send_signal(signal.SIGTERM)
            status = process.wait(STOP_TIMEOUT_S)
            if status != 0:
                raise RuntimeError(f"the broker ended with status {status} after SIGTERM")
        except Exception:
            print(log.read_text(errors="replace"), file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()
    for key, name in {0: "Produce", 1: "Fetch", 3: "Metadata", API_VERSIONS_KEY: "ApiVersions"}.items():
        if key not in versions:
            raise ValueError(f"{name} is missing from the {len(versions)} APIs served")
    print(f"{command.name}: {len(versions)} APIs, first answer {elapsed_ms:.0f} ms after exec, stopped with status 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
