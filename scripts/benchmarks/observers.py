"""What looking at the gateway costs: traces, viewers of the admin page, scrapes. Like the scenarios of `scenarios`.

They compare states of one running gateway (`slices`) at a steady load that leaves its core some room; the gateway has a core for itself.
"""

import glob
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import slices
from .stand import Stand

ROOM = 'buffer = 500000\nbuffer_bytes = "1 GiB"'
TRACES = '\n[telemetry.traces]\nendpoint = "{}"\nsample = {}\n'
# Pushes a second by pushes per call.
RATES = {1: 30_000, 10: 100_000, 100: 160_000}


class Sink(BaseHTTPRequestHandler):
    """Takes spans and forgets them."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def sink():
    """Starts a receiver of traces in this process; returns it and its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/v1/traces"


def reload_traces(stand, endpoint, sample):
    """Changes receiver and share, and waits until that counts."""
    path = f"{stand.dir.name}/config.toml"
    config = open(path, encoding="utf-8").read()
    wanted = re.sub(r'endpoint = "[^"]*"\nsample = \S+\n', f'endpoint = "{endpoint}"\nsample = {sample}\n', config)
    if wanted == config:
        return
    with open(path, "w", encoding="utf-8") as file:
        file.write(wanted)
    done = stand.state()["reloads"]["done"]
    stand.gateway.child.send_signal(signal.SIGHUP)
    while stand.state()["reloads"]["done"] == done:
        time.sleep(0.02)


def under_load(stand, batch, seconds):
    """Starts a steady load, gateway and rest on cores of their own; returns what undoes that."""
    undo = slices.spread(stand.gateway)
    stand.load("--rate", str(RATES[batch]), "--for", f"{seconds + 5:.0f}s", "--batch", str(batch), "--connections", "8")
    time.sleep(3)
    return undo


def traces(quick, batch):
    """Off, on at a share of 0, at 1 % and at 10 %; a tenth of what 10 % cost is a second, sharper witness for 1 %."""
    blocks, seconds, guard = (1, 0.5, 1.1) if quick else (5, 1.6, 1.1)
    server, url = sink()
    stand = Stand(collector=ROOM + TRACES.format("", 0.01), route="connections = 8")
    shares = {"off": ("", 0.01), "zero": (url, 0), "one": (url, 0.01), "ten": (url, 0.1)}
    states = {name: lambda to=to: reload_traces(stand, *to) for name, to in shares.items()}
    undo = under_load(stand, batch, blocks * len(states) * 2 * (seconds + guard + 0.3))
    results = slices.alternate(stand, states, blocks, seconds, guard)
    stand.loaders[-1].kill()
    undo()
    spans = stand.settle()["telemetry"]["traces"]
    server.shutdown()
    figures = {"gateway_cpu_us_per_push_off": slices.middle(results, "off", "cpu_us_per_push"), "cores_off": slices.middle(results, "off", "cores")}
    for state in ("zero", "one", "ten"):
        cost = slices.change(results, state, "off", "cpu_us_per_push")
        figures |= {f"{state}_costs_percent{word}": value for word, value in zip(("", "_low", "_high"), cost)}
    figures |= {
        "a_tenth_of_ten_percent": figures["ten_costs_percent"] / 10,
        "one_p99_more_percent": slices.change(results, "one", "off", "p99_ms")[0],
        "spans_exported": spans["exported"],
        "spans_dropped": spans["dropped"],
    }
    return figures, stand.close()


def tracing_1(quick):
    """Traces with export to a local sink, one push per call: CPU time per push against traces off, in slices within one process."""
    return traces(quick, 1)


def tracing_10(quick):
    """The same, 10 pushes per call."""
    return traces(quick, 10)


def tracing_100(quick):
    """The same, 100 pushes per call."""
    return traces(quick, 100)


def counted(stand, count, batch, program):
    """Returns the instructions per push, and spans per push, of so many pushes under callgrind."""
    pid = str(stand.gateway.child.pid)

    def control(*words):
        subprocess.run(["callgrind_control", *words, pid], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    first = stand.state()
    control("--zero")
    control("--instr=on")
    stand.loaded(stand.load("--max", "--count", str(count), "--batch", str(batch), "--connections", "2", "--timeout", "60s"))
    # Each look costs instructions too: few of them.
    time.sleep(1.5)
    while (last := stand.state())["telemetry"]["traces"]["queued"] or last["ledger"]["delivered"] < last["ledger"]["accepted"]:
        time.sleep(1)
    time.sleep(1)
    control("--instr=off")
    control("--dump")
    last, newest = stand.state(), max(glob.glob(f"{program}*"), key=os.path.getmtime)
    with open(newest, encoding="utf-8") as file:
        used = int(re.findall(r"^(?:totals|summary): (\d+)", file.read(), re.M)[-1])
    spans = last["telemetry"]["traces"]["exported"] - first["telemetry"]["traces"]["exported"]
    return used / count, spans / count


def tracing_counts(quick):
    """The same in instructions outside the kernel, counted by callgrind: what 1 % costs is a hundredth of what all requests cost."""
    if shutil.which("valgrind") is None:
        sys.exit("bench: valgrind not found (hint: apt-get install valgrind)")
    server, url = sink()
    figures, faults = {}, []
    for batch, count in {1: 4_000, 10: 20_000, 100: 50_000}.items():
        with tempfile.TemporaryDirectory() as path:
            under = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={path}/counts")
            room = ROOM + TRACES.format("", 0.01) + "queue = 1000000\n"
            stand = Stand(collector=room, route='connections = 8\nanswer_timeout = "10m"', ready_within=300, under=under)
            seen = {}
            shares = {"off": ("", 0.01), "zero": (url, 0), "all": (url, 1.0)}
            for name in ("off", "zero", "zero", "off", "all"):
                reload_traces(stand, *shares[name])
                time.sleep(1)
                # What goes on besides only adds to the count, so that the lesser of two is nearer to the truth.
                seen[name] = min(counted(stand, count // 10 if quick else count, batch, f"{path}/counts"), seen.get(name, (float("inf"), 0)))
            faults += stand.close()
        (off, _), (zero, _), (everything, spans) = seen["off"], seen["zero"], seen["all"]
        figures |= {
            f"instructions_per_push_{batch}": off,
            f"instructions_per_span_{batch}": (everything - off) / spans,
            f"zero_costs_percent_{batch}": (zero / off - 1) * 100,
            # A hundredth of it, in percent.
            f"one_costs_percent_{batch}": everything / off - 1,
        }
    server.shutdown()
    return figures, faults


def sink_down(quick):
    """A receiver of traces that takes connections and never answers, beside one that takes spans and none; all requests of 10 pushes, 1 % traced."""
    blocks, seconds, guard = (1, 0.5, 1.1) if quick else (5, 1.6, 1.1)
    server, url = sink()
    hole = socket.create_server(("127.0.0.1", 0), backlog=128)
    stand = Stand(collector=ROOM + TRACES.format("", 0.01), route="connections = 8")
    shares = {"off": ("", 0.01), "sink": (url, 0.01), "hole": (f"http://127.0.0.1:{hole.getsockname()[1]}/v1/traces", 0.01)}
    states = {name: lambda to=to: reload_traces(stand, *to) for name, to in shares.items()}
    at_last = 5 if quick else 20
    undo = under_load(stand, 10, blocks * len(states) * 2 * (seconds + guard + 0.3) + at_last)
    states["off"]()
    calm = stand.gateway.resident_mib()
    results = slices.alternate(stand, states, blocks, seconds, guard)
    states["hole"]()
    most, end = 0, time.monotonic() + at_last
    while time.monotonic() < end:
        most = max(most, stand.gateway.resident_mib())
        time.sleep(0.1)
    undo()
    snapshot = stand.settle()
    spans, ledger = snapshot["telemetry"]["traces"], snapshot["ledger"]
    server.shutdown()
    hole.close()
    figures = {
        "delivered_per_second_off": slices.middle(results, "off", "per_second"),
        "hole_loses_percent": -slices.change(results, "hole", "off", "per_second")[0],
        "hole_costs_percent": slices.change(results, "hole", "sink", "cpu_us_per_push")[0],
        "hole_p99_ms": slices.middle(results, "hole", "p99_ms"),
        "sink_p99_ms": slices.middle(results, "sink", "p99_ms"),
        "rss_more_mib": most - calm,
        "spans_exported": spans["exported"],
        "spans_dropped": spans["dropped"],
        "pushes_not_delivered": ledger["accepted"] - ledger["delivered"],
    }
    return figures, stand.close()


class Viewers:
    """Viewers of the admin page's stream; one thread reads for all of them, or nobody does."""

    def __init__(self, address):
        self.host, self.port = address.rsplit(":", 1)
        self.open, self.events = [], 0

    def join(self, count, reads=True):
        for _ in range(count):
            viewer = socket.socket()
            if not reads:
                # What it does not take must not be hidden in its own kernel's memory.
                viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            viewer.connect((self.host, int(self.port)))
            viewer.sendall(f"GET /admin/api/events HTTP/1.1\r\nHost: {self.host}\r\nAccept: text/event-stream\r\n\r\n".encode())
            viewer.settimeout(20)
            self.open.append(viewer)
            if reads:
                threading.Thread(target=self.read, args=(viewer,), daemon=True).start()

    def read(self, viewer):
        try:
            while data := viewer.recv(262_144):
                self.events += data.count(b"event: state")
        except OSError:
            return

    def leave(self):
        for viewer in self.open:
            viewer.shutdown(socket.SHUT_RDWR)
            viewer.close()
        self.open = []


def queued_kib(port):
    """Returns what the kernel holds for the sockets of a port: memory taken, as `ss -m` tells."""
    seen = subprocess.run(["ss", "-tmnHO", f"sport = :{port}"], check=True, capture_output=True, text=True).stdout
    return sum(int(each) for memory in re.findall(r"skmem:\(r(\d+),.*?,w(\d+),", seen) for each in memory) / 1024


def frozen(stand, viewers, count, seconds):
    """Returns what a viewer that does not read costs, in KiB: the process's memory, and the sockets'."""
    port = stand.gateway.address["admin"].rsplit(":", 1)[1]
    rss, kernel = [], []
    for _ in range(3):
        before, held = stand.gateway.resident_mib(), queued_kib(port)
        viewers.join(count, reads=False)
        time.sleep(seconds)
        rss.append((stand.gateway.resident_mib() - before) * 1024 / count)
        kernel.append((queued_kib(port) - held) / count)
        viewers.leave()
        time.sleep(1)
    return statistics.median(rss), statistics.median(kernel)


def core_percent(stand, seconds):
    """What the gateway takes of a core meanwhile."""
    used, start = slices.cpu_seconds(stand.gateway.child.pid), time.monotonic()
    time.sleep(seconds)
    return (slices.cpu_seconds(stand.gateway.child.pid) - used) / (time.monotonic() - start) * 100


def viewers(quick):
    """Ten viewers of the admin page of 100 pushers, against none: at rest, where a tenth of a percent shows, and under load; then viewers that do not read."""
    blocks, seconds, guard = (1, 1, 0.5) if quick else (8, 2, 0.3)
    stand = Stand(["--latency", "5ms"], collector=ROOM, route="connections = 100")
    looking = Viewers(stand.gateway.address["admin"])
    states = {"none": looking.leave, "ten": lambda: looking.open or looking.join(10)}
    rest = {"none": [], "ten": []}
    for name in ("none", "ten", "ten", "none"):
        states[name]()
        time.sleep(1)
        rest[name].append(core_percent(stand, 2 if quick else 8))
    undo = under_load(stand, 10, blocks * 4 * (seconds + guard + 0.3) + 1)
    results = slices.alternate(stand, states, blocks, seconds, guard)
    looking.leave()
    undo()
    stand.settle()
    time.sleep(2)
    rss, kernel = frozen(stand, looking, 20, 2 if quick else 8)
    more, low, high = slices.change(results, "ten", "none", "cpu_us_per_push")
    figures = {
        "core_percent_at_rest_none": statistics.mean(rest["none"]),
        "core_percent_at_rest_more": statistics.mean(rest["ten"]) - statistics.mean(rest["none"]),
        "gateway_cores_none": slices.middle(results, "none", "cores"),
        "gateway_cpu_more_percent": more,
        "gateway_cpu_more_percent_low": low,
        "gateway_cpu_more_percent_high": high,
        "of_a_core_percent": (slices.middle(results, "ten", "cores") - slices.middle(results, "none", "cores")) * 100,
        "p99_ms_none": slices.middle(results, "none", "p99_ms"),
        "p99_ms_ten": slices.middle(results, "ten", "p99_ms"),
        **{f"p99_more_percent{word}": value for word, value in zip(("", "_low", "_high"), slices.change(results, "ten", "none", "p99_ms"))},
        "events_seen": looking.events,
        "frozen_viewer_rss_kib": rss,
        "frozen_viewer_socket_kib": kernel,
        "frozen_viewer_kib": rss + kernel,
    }
    return figures, stand.close()


def scrape(quick):
    """Scrapes of /metrics at full load with 100 pushers: how long they take, and what one a second costs."""
    seconds = 3 if quick else 20
    stand = Stand(collector='buffer = 2000000\nbuffer_bytes = "2 GiB"\nintake = 100000', route="connections = 100")
    url, took, size = f"http://{stand.gateway.address['admin']}/metrics", [], 0

    def ask():
        start = time.monotonic()
        with urllib.request.urlopen(url, timeout=20) as answer:
            text = answer.read()
        took.append((time.monotonic() - start) * 1e3)
        return text

    calls, used = (20, 0) if quick else (200, 0)
    used = slices.cpu_seconds(stand.gateway.child.pid)
    for _ in range(calls):
        ask()
    each = (slices.cpu_seconds(stand.gateway.child.pid) - used) / calls
    idle, took = sorted(took), []
    stand.load("--max", "--for", f"{seconds}s", "--batch", "100", "--connections", "4")
    time.sleep(1)
    end = time.monotonic() + seconds - 1.5
    while time.monotonic() < end:
        size = len(ask())
        time.sleep(0.1)
    took.sort()
    stand.settle()
    figures = {
        "scrape_idle_p50_ms": statistics.median(idle),
        "scrape_p50_ms": statistics.median(took),
        "scrape_p95_ms": took[int(len(took) * 0.95)],
        "scrape_slowest_ms": took[-1],
        "scrape_kib": size / 1024,
        "cpu_ms_per_scrape": each * 1e3,
        "of_a_core_percent_once_a_second": each * 100,
    }
    return figures, stand.close()


SCENARIOS = {
    "tracing_1": tracing_1,
    "tracing_10": tracing_10,
    "tracing_100": tracing_100,
    "tracing_counts": tracing_counts,
    "sink_down": sink_down,
    "viewers": viewers,
    "scrape": scrape,
}

RUNS = {"tracing_1": 1, "tracing_10": 1, "tracing_100": 1, "tracing_counts": 1, "sink_down": 1, "viewers": 1, "scrape": 3}

MUST = {
    **{(f"tracing_{batch}", "zero_costs_percent"): ("<=", 0.5) for batch in RATES},
    **{(f"tracing_{batch}", "one_costs_percent"): ("<=", 1 if batch == 1 else 3) for batch in RATES},
    **{("tracing_counts", f"zero_costs_percent_{batch}"): ("<=", 0.5) for batch in RATES},
    **{("tracing_counts", f"one_costs_percent_{batch}"): ("<=", 1 if batch == 1 else 3) for batch in RATES},
    ("sink_down", "hole_loses_percent"): ("<=", 1),
    ("sink_down", "rss_more_mib"): ("<=", 32),
    ("sink_down", "pushes_not_delivered"): ("<=", 0),
    # What they cost does not depend on the load; other work of the machine hides it there.
    ("viewers", "core_percent_at_rest_more"): ("<=", 1),
    # That p99 does not rise: the interval has nothing in it.
    ("viewers", "p99_more_percent_low"): ("<=", 0),
    ("viewers", "frozen_viewer_kib"): ("<=", 64),
    ("scrape", "scrape_p95_ms"): ("<=", 20),
    ("scrape", "of_a_core_percent_once_a_second"): ("<=", 2),
}
