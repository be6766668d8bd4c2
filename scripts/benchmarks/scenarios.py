"""The scenarios. Each takes whether it is to be quick, and returns its figures and what was wrong with the run.

MUST tells what the figures have to be on two cores that have nothing else to do, with the double and the load generator on them.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.request

from . import limits, observers, providers, trouble
from .flat import flat_out
from .stand import BIN, ROOM, Process, Stand


def throughput(quick):
    """Pushes in batches of 100, as fast as they go: HTTP, TLS and XMPP end to end."""
    return flat_out(quick, 100, 4_000_000)


def throughput_minute(quick):
    """500,000/s held open loop for a minute, in batches of 100, answers at once."""
    return held(quick, 500_000, 100, 60, "0ms", 8)


def batches_of_10(quick):
    """The same, 10 pushes per call."""
    return flat_out(quick, 10, 1_000_000)


def single(quick):
    """The same, one push per call."""
    return flat_out(quick, 1, 200_000)


def ack_alone(quick):
    """As throughput, from a provider that writes and flushes every ack by itself, beside the usual one."""
    usual, faults = flat_out(quick, 100, 1_000_000)
    figures, more = flat_out(quick, 100, 1_000_000, peer=["--flush-each"])
    beside = {f"coalesced_{name}": usual[name] for name in ("delivered_per_second", "gateway_cpu_us_per_push", "peer_cpu_us_per_push")}
    return {**figures, **beside, "share_of_coalesced": figures["delivered_per_second"] / usual["delivered_per_second"]}, faults + more


def http2(quick):
    """FCM's HTTP v1 over four connections, batches of 100."""
    return flat_out(quick, 100, 300_000, provider="fcm", route="connections = 4")


def http2_far(quick):
    """The same to a provider 50 ms away: what four connections of 100 streams can carry at the answer time that the double really has."""
    windows, seconds = 4 * 100, 3 if quick else 10
    stand = Stand(["--latency", "50ms"], collector=ROOM, route="connections = 4", provider="fcm")
    stand.load("--max", "--count", str(windows * 20 * (seconds + 4)), "--batch", "100", "--connections", "4")
    while stand.state()["ledger"]["delivered"] < windows * 20:
        time.sleep(0.02)
    stand.control("/reset")
    first, start = stand.state()["ledger"]["delivered"], time.monotonic()
    time.sleep(seconds)
    rate = (stand.state()["ledger"]["delivered"] - first) / (time.monotonic() - start)
    answer = stand.report()["service_mean_ms"]
    figures = {
        "delivered_per_second": rate,
        "answer_ms_in_the_double": answer,
        "share_of_windows": rate / (windows / answer * 1e3),
        "delivered_share": stand.settle()["ledger"]["delivered"] / (windows * 20 * (seconds + 4)),
    }
    return figures, stand.close(agrees=False)


def http2_goaway(quick):
    """As http2, each connection told to go away after 1,000 pushes, beside an undisturbed run."""
    still, faults = flat_out(quick, 100, 200_000, provider="fcm", route="connections = 4")
    figures, more = flat_out(quick, 100, 200_000, provider="fcm", route="connections = 4", peer=["--drain-after", "1000"])
    share = figures["delivered_per_second"] / still["delivered_per_second"]
    return {"delivered_per_second": figures["delivered_per_second"], "share_of_undisturbed": share}, faults + more


def limit(quick):
    """The double's own ceiling: a bare client with the same windows, no HTTP, no collector, no actors."""
    with tempfile.TemporaryDirectory() as path:
        args = [f"{BIN}/pushweir-peers", "xmpp", "--listen", "127.0.0.1:0", "--tls-dir", path]
        peer = Process(args, {"listen": r"listening on (\S+)"}, f"{path}/peer.log")
        pump = [f"{BIN}/pushweir-peers", "pump", "--to", peer.address["listen"], "--tls-dir", path, "--for", "2s" if quick else "5s"]
        output = subprocess.run(pump, check=True, capture_output=True, text=True).stdout
        peer.stop()
        return {"pushes_per_second": json.loads(output)["per_second"]}, []


def held(quick, rate, batch, seconds, latency, connections):
    """A rate held open loop for a minute; latencies of the second half."""
    seconds = 10 if quick else seconds
    stand = Stand(["--latency", latency], route=f"connections = {connections}")
    before = stand.gateway.cpu()
    report = stand.load("--rate", str(rate), "--for", f"{seconds}s", "--batch", str(batch))
    time.sleep(seconds * 0.9)
    route = stand.route()
    snapshot = stand.settle()
    used = stand.gateway.cpu() - before
    load = stand.loaded(report)
    figures = {
        "accepted_per_second": load["accepted_per_second"],
        "shed": snapshot["ledger"]["shed"],
        "accept_to_ack_p50_ms": route["delivery_p50_ms"],
        "accept_to_ack_p99_ms": route["delivery_p99_ms"],
        "http_p99_ms": load["service_ms"]["p99"],
        "gateway_cpu_share": used / seconds,
        "gateway_cpu_us_per_push": used / snapshot["ledger"]["delivered"] * 1e6,
    }
    return figures, stand.close()


def steady(quick):
    """A million pushes a minute (16,667/s), 20 ms answers, 8 connections, batches of 10."""
    return held(quick, 16_667, 10, 60, "20ms", 8)


def whatsapp(quick):
    """18 billion a day (208,333/s) held for a minute, 5 ms answers, 24 connections, batches of 100."""
    return held(quick, 208_333, 100, 60, "5ms", 24)


def half(quick):
    """Half of what single pushes reach open loop (25,000/s, one a call, none waiting for another), answers at once."""
    return held(quick, 25_000, 1, 30, "0ms", 8)


def half_of_tens(quick):
    """Half of what tens reach (155,000/s), answers at once."""
    return held(quick, 155_000, 10, 30, "0ms", 8)


def half_of_hundreds(quick):
    """Half of what throughput reaches (430,000/s), answers at once; a call of 100 is as slow as its last push."""
    return held(quick, 430_000, 100, 30, "0ms", 8)


def bleacher(quick):
    """2,315/s, then eight times as much, then 2,315/s again; one push a call."""
    seconds = 4 if quick else 20
    stand = Stand(["--latency", "20ms"])
    p95 = []
    for rate in (2_315, 8 * 2_315, 2_315):
        p95.append(stand.loaded(stand.load("--rate", str(rate), "--for", f"{seconds}s", "--batch", "1"))["service_ms"]["p95"])
    figures = {
        "ingest_p95_base_ms": p95[0],
        "ingest_p95_spike_ms": p95[1],
        "ingest_p95_after_ms": p95[2],
        "spike_minus_base_ms": p95[1] - p95[0],
        "shed": stand.settle()["ledger"]["shed"],
    }
    return figures, stand.close()


def overload(quick):
    """Twice what the provider takes (8 connections x 100 / 50 ms = 16,000/s) into a buffer of 50,000."""
    return flood(quick, 2)


def flood10(quick):
    """Ten times what the provider takes, batches of 100."""
    return flood(quick, 10)


def flood(quick, times):
    seconds = 10 if quick else 30
    stand = Stand(["--latency", "50ms"], collector="buffer = 50000")
    before = stand.gateway.cpu()
    stand.load("--rate", str(16_000 * times), "--for", f"{seconds}s", "--batch", "10" if times < 5 else "100")
    time.sleep(seconds * 0.3)
    first, at = stand.state()["ledger"]["delivered"], time.monotonic()
    slowest, end = 0, at + seconds * 0.6
    while time.monotonic() < end:
        asked = time.monotonic()
        stand.state()
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.2)
    last, until = stand.state()["ledger"]["delivered"], time.monotonic()
    rss, used = stand.gateway.resident_mib(), stand.gateway.cpu() - before
    snapshot = stand.settle()
    figures = {
        "goodput_per_second": (last - first) / (until - at),
        "goodput_share_of_window_law": (last - first) / (until - at) / 16_000,
        "shed": snapshot["ledger"]["shed"],
        "gateway_cores": used / (seconds * 0.9),
        "admin_slowest_ms": slowest * 1e3,
        "gateway_rss_mib": rss,
    }
    return figures, stand.close()


def fill(quick, count, collector):
    """Fills a buffer while the provider answers nothing."""
    stand = Stand(["--latency", "10m"], collector=collector, route='connections = 8\nanswer_timeout = "10m"')
    start = time.monotonic()
    stand.loaded(stand.load("--max", "--count", str(count), "--batch", "1000", "--connections", "4", "--ttl", "86400", "--timeout", "60s"))
    seconds = time.monotonic() - start
    while stand.state()["collector"]["buffered"] + 800 < count and time.monotonic() - start < 120:
        time.sleep(0.01)
    snapshot = stand.state()
    return stand, seconds, snapshot


def memory(quick):
    """A full buffer: a million pushes of about 300 bytes (quick: a tenth)."""
    count = 100_000 if quick else 1_000_000
    stand, _, snapshot = fill(quick, count, f'buffer = {count}\nbuffer_bytes = "2 GiB"\ncritical_reserve = 0.0\nintake = 100000')
    rss = stand.gateway.resident_mib()
    figures = {"buffered": snapshot["collector"]["buffered"], "gateway_rss_mib": rss, "counted_mib": snapshot["collector"]["buffered_bytes"] / 2**20}
    return figures, stand.close(drains=False)


def campaign(quick):
    """Ten million pushes enqueued in batches of 1000 (quick: a million): while the provider answers nothing, and again while it answers after 5 ms."""
    count = 1_000_000 if quick else 10_000_000
    room = f'buffer = {count + 100000}\nbuffer_bytes = "12 GiB"\ncritical_reserve = 0.0\nintake = 100000'
    done, off, faults = sent_out(count, room)
    stand, seconds, snapshot = fill(quick, count, room)
    figures = {
        "all_delivered_after_s": done,
        "projected_end_off_s": off,
        "seconds": seconds,
        "accepted": snapshot["ledger"]["accepted"],
        "gateway_rss_mib": stand.gateway.resident_mib(),
        "counted_mib": snapshot["collector"]["buffered_bytes"] / 2**20,
    }
    return figures, faults + stand.close(drains=False)


def sent_out(count, room):
    """Delivers a campaign; returns after how many seconds it was done, and how far off the end was that the gateway projected, in the median."""
    stand = Stand(["--latency", "5ms"], collector=room, route="connections = 24")
    start, projected = time.monotonic(), []
    loader = stand.load("--max", "--count", str(count), "--batch", "1000", "--connections", "4", "--ttl", "86400", "--timeout", "60s")
    while (snapshot := stand.state())["ledger"]["delivered"] < count and time.monotonic() - start < 300:
        left = snapshot["collector"]["projected_drain_seconds"]
        if stand.loaders[-1].poll() is not None and left is not None:
            projected.append(time.monotonic() + left)
        time.sleep(0.05)
    end = time.monotonic()
    stand.loaded(loader)
    off = statistics.median(abs(moment - end) for moment in projected) if projected else float("inf")
    return end - start, off, stand.close()


def connections(quick):
    """5,000 XMPP connections over TLS (quick: 500): opened, filled, all cut at once."""
    count = 500 if quick else 5_000
    empty = Stand(route="connections = 1")
    base = empty.gateway.resident_mib()
    faults = empty.close()
    stand = Stand(["--latency", "200ms"], collector=ROOM, route=f"connections = {count}", ready_within=180)
    ready_after, rss = stand.ready_after, stand.gateway.resident_mib()
    stand.load("--max", "--count", str(count * 100), "--batch", "1000", "--connections", "2")
    in_flight, end = 0, time.monotonic() + 60
    while (stand.loaders[-1].poll() is None or in_flight == 0) and time.monotonic() < end:
        in_flight = max(in_flight, stand.route()["in_flight"])
        time.sleep(0.02)
    stand.settle()
    before = stand.report()["connections"]["opened"]
    stand.control("/close")
    cut = time.monotonic()
    while stand.route()["ready"] == count and time.monotonic() - cut < 5:
        time.sleep(0.005)
    back = stand.wait_ready(180)
    figures = {
        "ready_after_s": ready_after if ready_after is not None else 999,
        "kib_per_connection": (rss - base) * 1024 / count,
        "most_in_flight": in_flight,
        "back_after_s": back if back is not None else 999,
        "attempts_per_connection": (stand.report()["connections"]["opened"] - before) / count,
    }
    return figures, faults + stand.close()


def idle(quick):
    """100 connections with nothing to do."""
    seconds = 5 if quick else 30
    stand = Stand(route="connections = 100")
    time.sleep(2)
    before = stand.gateway.cpu()
    time.sleep(seconds)
    return {"gateway_cpu_percent": (stand.gateway.cpu() - before) / seconds * 100}, stand.close()


SCENARIOS = {
    "throughput": throughput,
    "throughput_minute": throughput_minute,
    "tens": batches_of_10,
    "single": single,
    "ack_alone": ack_alone,
    "http2": http2,
    "http2_far": http2_far,
    "http2_goaway": http2_goaway,
    "limit": limit,
    "steady": steady,
    "whatsapp": whatsapp,
    "half": half,
    "half_of_tens": half_of_tens,
    "half_of_hundreds": half_of_hundreds,
    "bleacher": bleacher,
    "overload": overload,
    "flood": flood10,
    "memory": memory,
    "campaign": campaign,
    "connections": connections,
    "idle": idle,
    **limits.SCENARIOS,
    **observers.SCENARIOS,
    **providers.SCENARIOS,
    **trouble.SCENARIOS,
}

# Runs of a scenario that is not quick; the others have five.
RUNS = {"throughput_minute": 1, "steady": 3, "whatsapp": 1, "half": 3, "half_of_tens": 3, "half_of_hundreds": 3, "bleacher": 3, "overload": 3, "flood": 3, "memory": 3, "campaign": 1, "connections": 1, "idle": 1, **limits.RUNS, **observers.RUNS, **providers.RUNS, **trouble.RUNS}

# The least or the most that a median may be.
MUST = {
    ("throughput", "delivered_per_second"): (">=", 500_000),
    ("throughput", "gateway_cpu_us_per_push"): ("<=", 2.0),
    ("throughput_minute", "accepted_per_second"): (">=", 499_000),
    ("throughput_minute", "shed"): ("<=", 0),
    ("throughput_minute", "gateway_cpu_us_per_push"): ("<=", 2.0),
    ("tens", "delivered_per_second"): (">=", 250_000),
    ("tens", "gateway_cpu_us_per_push"): ("<=", 4.0),
    ("single", "delivered_per_second"): (">=", 40_000),
    ("single", "gateway_cpu_us_per_push"): ("<=", 25.0),
    ("http2", "delivered_per_second"): (">=", 80_000),
    ("http2", "gateway_cpu_us_per_push"): ("<=", 9.0),
    ("http2_far", "delivered_per_second"): (">=", 7_600),
    ("http2_far", "share_of_windows"): (">=", 0.95),
    ("http2_far", "delivered_share"): (">=", 1.0),
    ("http2_goaway", "share_of_undisturbed"): (">=", 0.8),
    ("steady", "shed"): ("<=", 0),
    ("whatsapp", "shed"): ("<=", 0),
    ("whatsapp", "accept_to_ack_p99_ms"): ("<=", 60),
    ("half", "accept_to_ack_p50_ms"): ("<=", 0.5),
    ("half", "accept_to_ack_p99_ms"): ("<=", 5),
    ("half_of_tens", "accept_to_ack_p50_ms"): ("<=", 0.5),
    ("half_of_tens", "accept_to_ack_p99_ms"): ("<=", 5),
    ("bleacher", "ingest_p95_spike_ms"): ("<=", 20),
    ("bleacher", "spike_minus_base_ms"): ("<=", 5),
    ("bleacher", "shed"): ("<=", 0),
    ("overload", "goodput_share_of_window_law"): (">=", 0.95),
    ("flood", "goodput_share_of_window_law"): (">=", 0.95),
    ("flood", "gateway_cores"): ("<=", 1),
    ("flood", "admin_slowest_ms"): ("<=", 100),
    ("memory", "gateway_rss_mib"): ("<=", 450),
    ("campaign", "all_delivered_after_s"): ("<=", 40),
    ("campaign", "projected_end_off_s"): ("<=", 2),
    ("campaign", "seconds"): ("<=", 40),
    ("connections", "ready_after_s"): ("<=", 30),
    ("connections", "kib_per_connection"): ("<=", 40),
    ("connections", "back_after_s"): ("<=", 60),
    ("idle", "gateway_cpu_percent"): ("<=", 0.5),
    **limits.MUST,
    **observers.MUST,
    **providers.MUST,
    **trouble.MUST,
}
