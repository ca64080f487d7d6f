"""The clients of bench/serve.sh: serve_load.py NAME=PORT..."""
import concurrent.futures
import http.client
import json
import os
import random
import statistics
import sys
import time

CLIENTS, ROUNDS, REQUESTS, PROMPT, TOKENS = (
    int(os.environ[name]) for name in ("CLIENTS", "ROUNDS", "REQUESTS", "PROMPT", "TOKENS"))
random.seed(1)


def request(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def wait_for(port):
    for _ in range(600):
        try:
            if request(port, "GET", "/health")[0] == 200:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.1)
    sys.exit(f"no server at port {port}")


def complete(port):
    """A prompt that no cache knows; the seconds it took."""
    body = {"model": "any", "prompt": [random.randrange(300, 3000) for _ in range(PROMPT)], "max_tokens": TOKENS,
            "temperature": 0, "ignore_eos": True}
    begin = time.monotonic()
    status, reply = request(port, "POST", "/v1/completions", body)
    if status != 200 or reply["usage"]["completion_tokens"] != TOKENS:
        sys.exit(f"port {port}: {status} {json.dumps(reply)[:500]}")
    return time.monotonic() - begin


def measure(port):
    """Generated tokens/s of all clients together, and the median seconds of a request."""
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        seconds = list(pool.map(lambda _: complete(port), range(REQUESTS)))
    return REQUESTS * TOKENS / (time.monotonic() - begin), statistics.median(seconds)


def cell(values, digits=1):
    return " ".join((f"{statistics.median(values):,.{digits}f}", f"({min(values):,.{digits}f}-{max(values):,.{digits}f})"))


servers = {name: int(port) for name, port in (word.split("=") for word in sys.argv[1:])}
for port in servers.values():
    wait_for(port)
    complete(port)
rounds = [{name: measure(port) for name, port in servers.items()} for _ in range(ROUNDS)]
print("| server | generated tokens/s | seconds a request |\n|---|---:|---:|")
for name in servers:
    print(f"| {name} | {cell([r[name][0] for r in rounds])} | {cell([r[name][1] for r in rounds])} |")
if len(servers) == 2:
    first, second = servers
    print(f"\n{first} / {second}, by round: {cell([r[first][0] / r[second][0] for r in rounds], 2)}")
