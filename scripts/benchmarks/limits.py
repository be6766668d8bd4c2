"""What the machine can do with the same bytes and nothing else, beside what the gateway makes of them. Like the scenarios of `scenarios`.

The limit runs right after the gateway's run, with the bytes per push that went over its connections (TLS records included), as many
connections and windows as large, and writes of as many pushes as a sender's call had. Both ends are processes of their own, as gateway and
double are. The first echo is native-tls at both ends; the second answers with rustls, as the doubles do, which is faster.
"""

import json
import os
import re
import resource
import subprocess
import time

from .stand import BIN, Process, Stand, post

ROOM = 'buffer = 3000000\nbuffer_bytes = "3 GiB"\nintake = 100000\ncritical_reserve = 0.0'
CONNECTIONS = 8


def bytes_per_push(stand, pushes):
    """Returns the bytes to and from the double per push, as the kernel counted them on its open connections."""
    port = stand.peer.address["listen"].rsplit(":", 1)[1]
    seen = subprocess.run(["ss", "-tinHO", f"sport = :{port}"], check=True, capture_output=True, text=True).stdout
    return [round(sum(map(int, re.findall(rf"{word}:(\d+)", seen))) / pushes) for word in ("bytes_received", "bytes_sent")]


def exchange(sizes, flow, library, path):
    """Exchanges bytes over TLS; returns how many pushes' worth a second, and the asking end's CPU time for each in µs."""
    program, tls = f"{BIN}/pushweir-peers", ["--tls-dir", f"{path}/echo"]
    listening = {"listen": r"listening on (\S+)"}
    server = Process([program, "limit", "serve", "--tls", library, *tls, *sizes], listening, f"{path}/echo.log")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ask = [program, "limit", "ask", "--to", server.address["listen"], *tls, *sizes, *flow]
    outcome = json.loads(subprocess.run(ask, check=True, capture_output=True, text=True).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    server.stop()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return outcome["per_second"], used / outcome["answered"] * 1e6


def hand_over(sizes, flow):
    """Hands bytes from one thread to another; returns how many pushes' worth a second."""
    command = [f"{BIN}/pushweir-peers", "limit", "channel", *sizes, *flow]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["per_second"]


def beside(stand, figures, delivered, batch, quick):
    """Adds the limits to a run's figures, and its figures as shares of them."""
    request, reply = bytes_per_push(stand, delivered)
    sizes = ["--request", str(request), "--reply", str(reply)]
    seconds = "500ms" if quick else "2s"
    flow = ["--connections", str(stand.route()["connections"]), "--batch", str(batch), "--for", seconds]
    path = stand.dir.name
    native, cpu = exchange(sizes, flow, "native", path)
    rustls, _ = exchange(sizes, flow, "rustls", path)
    channel = hand_over(sizes, flow)
    figures |= {
        "bytes_to_peer_per_push": request,
        "bytes_from_peer_per_push": reply,
        "echo_per_second": native,
        "share_of_echo": figures["delivered_per_second"] / native,
        "echo_cpu_us_per_push": cpu,
        "echo_share_of_gateway_cpu": cpu / figures["gateway_cpu_us_per_push"],
        "echo_rustls_per_second": rustls,
        "share_of_echo_rustls": figures["delivered_per_second"] / rustls,
        "channel_per_second": channel,
        "share_of_channel": figures["delivered_per_second"] / channel,
    }


def drain(quick):
    """Without ingest, from a peer that trusts: 2,000,000 pushes (quick: 200,000) wait in the buffer, then the pushers are let go, all at once."""
    return let_go(quick, ["--trusting"])


def drain_judged(quick):
    """The same from the strict double, whose judging takes from the same cores."""
    return let_go(quick, [])


def let_go(quick, peer):
    count = 200_000 if quick else 2_000_000
    stand = Stand(peer, collector=ROOM, route=f"connections = {CONNECTIONS}")
    admin = stand.gateway.address["admin"]
    paths = [f"/admin/api/pushers/android/{number}" for number in range(CONNECTIONS)]
    for path in paths:
        post(admin, f"{path}/pause")
    stand.loaded(stand.load("--max", "--count", str(count), "--batch", "1000", "--connections", "4", "--ttl", "86400", "--timeout", "60s"))
    first = stand.state()["ledger"]
    before, peer_before, start = stand.gateway.cpu(), stand.peer.cpu(), time.monotonic()
    for path in paths:
        post(admin, f"{path}/resume")
    snapshot = stand.settle()
    seconds, used, peer_used = time.monotonic() - start, stand.gateway.cpu() - before, stand.peer.cpu() - peer_before
    delivered = snapshot["ledger"]["delivered"] - first["delivered"]
    figures = {
        "waited": first["buffered"],
        "delivered_per_second": delivered / seconds,
        "gateway_cpu_us_per_push": used / delivered * 1e6,
        "peer_cpu_us_per_push": peer_used / delivered * 1e6,
    }
    beside(stand, figures, snapshot["ledger"]["delivered"], 100, quick)
    return figures, stand.close()


SCENARIOS = {"drain": drain, "drain_judged": drain_judged}

RUNS = {}

MUST = {
    ("throughput", "share_of_echo"): (">=", 0.35),
    ("drain", "share_of_echo"): (">=", 0.60),
}
