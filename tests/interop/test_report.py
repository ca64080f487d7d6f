"""The HTML report in headless Chromium: no console message, no request, nothing wider than a phone."""
import json
import re
import shutil
import socket
import subprocess
import threading

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")

HOSTILE = "<script>document.title='owned'</script><img src=http://127.0.0.1:9/x>\x1b[31m\"'&"


@pytest.fixture
def page(limbeck, llama_folder, tmp_path):
    task = tmp_path / "task"
    task.mkdir()
    (task / "task.yaml").write_text(
        "name: %s\nkind: classification\nlabels: [yes, no, %s]\n" % (json.dumps(HOSTILE), json.dumps(HOSTILE)))
    rows = [{"input": f"{HOSTILE} {i}", "output": ["yes", "no", HOSTILE][i % 3]} for i in range(12)]
    for name in ("train", "test"):
        (task / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = tmp_path / "report.html"
    limbeck("compare", f"{HOSTILE.replace('=', '')}={llama_folder}", llama_folder, "--task", task, "--bits", "8",
            "--cache", tmp_path / "cache", "--no-speed", "--html", report, "--threads", 1)
    assert report.stat().st_size < 1_000_000
    return report


def chromium(page, tmp_path, *flags):
    return subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run", "--enable-logging=stderr",
         f"--user-data-dir={tmp_path / 'profile'}", *flags, page.as_uri()],
        capture_output=True, text=True, timeout=120)


def test_no_script_runs_and_nothing_is_logged(page, tmp_path):
    done = chromium(page, tmp_path, "--dump-dom")
    assert "CONSOLE" not in done.stderr, done.stderr
    assert "owned" in done.stdout and "<title>owned" not in done.stdout
    assert not re.search(r"<(script|img)", done.stdout)
    assert "\x1b" not in page.read_text()


def test_no_request_is_made(page, tmp_path):
    requests, server = [], socket.create_server(("127.0.0.1", 0))

    def listen():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            requests.append(connection.recv(4096).decode("latin-1").split("\r\n")[0])
            connection.close()

    threading.Thread(target=listen, daemon=True).start()
    chromium(page, tmp_path, "--dump-dom", f"--proxy-server=http://127.0.0.1:{server.getsockname()[1]}",
             "--proxy-bypass-list=<-loopback>")
    server.close()
    # Chromium itself may look for its maker's servers; the page must not ask for anything.
    assert not [line for line in requests if "127.0.0.1" in line], requests


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(page, tmp_path, dark):
    frame = tmp_path / "frame.html"
    frame.write_text(f'<body style="margin:0"><iframe src="{page.name}" width=375 height=3000></iframe>')
    shot = tmp_path / "shot.png"
    flags = ["--blink-settings=preferredColorScheme=0"] if dark else []
    chromium(frame, tmp_path, f"--screenshot={shot}", "--window-size=500,3000", *flags)
    assert shot.stat().st_size > 10_000
    # No section is wider than the window: wide tables scroll inside their own region.
    dom = chromium(page, tmp_path, "--dump-dom").stdout
    assert dom.count("<table>") == dom.count('class="scroll"')
