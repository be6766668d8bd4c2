"""The scenarios of long trouble: campaigns, overloads, black holes, outages, chaos. Like those of `scenarios`.

The end-to-end tests have each of them scaled down to seconds (tests/it/scenarios); here are the full sizes and the figures.
"""

import http.client
import json
import os
import subprocess
import tempfile
import threading
import time

from .stand import ROOT, Stand, double, table

ASKERS = 32


def ask(stand, rate, seconds, priority):
    """Sends single pushes at a rate, open loop, and waits for the outcome of each; returns their seconds, and how many were not delivered."""
    host, port = stand.gateway.address["ingest"].rsplit(":", 1)
    start, took, failed, lock = time.monotonic() + 0.1, [], [], threading.Lock()

    def work(first):
        connection = http.client.HTTPConnection(host, int(port), timeout=40)
        for number in range(first, int(rate * seconds), ASKERS):
            due = start + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            body = json.dumps({"route": "android", "to": {"token": f"asked-{number}"}, "priority": priority, "data": {"n": number}})
            connection.request("POST", "/v1/pushes?wait=30s", body, {"Content-Type": "application/json"})
            results = json.loads(connection.getresponse().read()).get("results", [])
            delivered = [result["outcome"] for result in results] == ["delivered"]
            with lock:
                (took if delivered else failed).append(time.monotonic() - due)
        connection.close()

    workers = [threading.Thread(target=work, args=(first,)) for first in range(ASKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(took), len(failed)


def quantile(values, share):
    """In milliseconds."""
    return values[min(len(values) - 1, int(len(values) * share))] * 1e3 if values else float("inf")


def held(ledger):
    return ledger["buffered"] + ledger["waiting_retry"] + ledger["in_flight"]


def off_percent(measured, predicted):
    return abs(measured / predicted - 1) * 100


def critical(quick):
    """A campaign of 1,000,000 low pushes (quick: 100,000) fills a route of 16,000/s; 100 critical ones a second come in between."""
    count, seconds = (100_000, 4) if quick else (1_000_000, 55)
    room = 'buffer = 2000000\nbuffer_bytes = "2 GiB"\nintake = 100000'
    stand = Stand(["--latency", "50ms"], collector=room, route="connections = 8")
    stand.load("--rate", "40000", "--count", str(count), "--batch", "100", "--priority", "low", "--ttl", "86400")
    while stand.state()["ledger"]["buffered"] < count / 20:
        time.sleep(0.02)
    before, start = stand.state()["ledger"]["delivered"], time.monotonic()
    took, failed = ask(stand, 100, seconds, "critical")
    during, over = stand.state()["ledger"], time.monotonic()
    figures = {
        "critical_p50_ms": quantile(took, 0.5),
        "critical_p99_ms": quantile(took, 0.99),
        "critical_not_delivered": failed,
        "low_per_second_beside": (during["delivered"] - before - len(took)) / (over - start),
        "low_waiting_at_the_end": during["buffered"],
        "shed": stand.settle(300)["ledger"]["shed"],
    }
    return figures, stand.close()


def incident(quick):
    """The overload replay: 16,667/s for 50 s, then 5,000/s, where 10,000/s go out, into a buffer of 200,000 (quick: a tenth of the time and buffer)."""
    scale = 10 if quick else 1
    buffer, seconds = 200_000 // scale, 90 / scale
    collector = f'buffer = {buffer}\nbuffer_bytes = "1 GiB"\ncritical_reserve = 0.0'
    stand = Stand(["--latency", "100ms"], collector=collector, route="connections = 10")
    normal = ["--rate", "5000", "--for", "5s", "--batch", "10"]
    stand.load(*normal)
    base, _ = ask(stand, 50, 4, "normal")
    first = stand.settle()["ledger"]["accepted"]
    stand.load("--profile", "incident", "--rate", "16667", "--for", f"{seconds:.0f}s", "--batch", "10")
    start, full, empty, fullest, last = None, None, None, 0, None
    while empty is None and (start is None or time.monotonic() - start < seconds * 3):
        ledger, now = stand.state()["ledger"], time.monotonic()
        start = now if start is None and ledger["accepted"] > first else start
        fullest = max(fullest, ledger["buffered"])
        full = now if full is None and ledger["shed"] > 0 else full
        last = (now, ledger["delivered"]) if full is not None and ledger["buffered"] > buffer * 0.9 else last
        empty = now if full is not None and ledger["buffered"] < buffer * 0.01 else empty
        time.sleep(0.02)
    goodput = (last[1] - first) / (last[0] - start) / 10_000
    time.sleep(max(0.0, empty + 5 - time.monotonic()))
    shed = stand.settle()["ledger"]["shed"]
    stand.load(*normal)
    after, _ = ask(stand, 50, 4, "normal")
    figures = {
        "full_after_s": full - start,
        "full_off_percent": off_percent(full - start, 30 / scale),
        "shed": shed,
        "shed_off_percent": off_percent(shed, 133_340 / scale),
        "empty_after_s": empty - start,
        "empty_off_percent": off_percent(empty - start, seconds),
        "fullest_share_of_buffer": fullest / buffer,
        "goodput_share_of_window_law": goodput,
        "p99_before_ms": quantile(base, 0.99),
        "p99_after_ms": quantile(after, 0.99),
        "p99_after_share_of_before": quantile(after, 0.99) / quantile(base, 0.99),
    }
    stand.settle()
    return figures, stand.close()


def delivered_by(stand, names):
    routes = stand.state()["routes"]
    return sum(route["ledger"]["delivered"] for route in routes if route["name"] in names)


def rate_of(stand, names, seconds):
    first, start = delivered_by(stand, names), time.monotonic()
    time.sleep(seconds)
    return (delivered_by(stand, names) - first) / (time.monotonic() - start)


def blackhole(quick):
    """Four routes at 3,600/s each, nine tenths of what they take; one goes dead for 60 s (quick: 8 s). Half of its pushes live 10 s (quick: 2 s)."""
    seconds, ttl = (8, 2) if quick else (60, 10)
    route = 'connections = 2\nanswer_timeout = "5s"\nrestart_max = "2s"'
    with tempfile.TemporaryDirectory() as path:
        well = double(path, "well", flags=["--latency", "50ms"])
        others = ["b", "c", "d"]
        tables = [f'[[route]]\nname = "{name}"\ntransport = "xmpp"\n{route}\n{table("xmpp", well, path)}' for name in others]
        room = 'buffer = 2000000\nbuffer_bytes = "2 GiB"\nrefuse_late = false\n[feedback]\nmax_attempts = 20\n[feedback.breaker]\nopen_max = "2s"\n'
        stand = Stand(["--latency", "50ms"], collector=room + "\n".join(tables), route=route)
        length = f"{seconds * 2 + 8}s"
        for name in others:
            stand.load("--rate", "3600", "--for", length, "--batch", "10", route=name)
        stand.load("--rate", "1800", "--for", length, "--batch", "10", "--ttl", "3600")
        stand.load("--rate", "1800", "--for", length, "--batch", "10", "--ttl", str(ttl))
        time.sleep(3)
        before = rate_of(stand, others, seconds / 2)
        stand.control("/set?stall_after=1")
        stand.control("/stall")
        during = rate_of(stand, others, seconds)
        stand.control("/set?stall_after=0")
        stand.control("/close?style=rst")
        snapshot = stand.settle(300)
        hole = next(route for route in snapshot["routes"] if route["name"] == "android")["ledger"]
        figures = {
            "others_per_second_before": before,
            "others_per_second_during": during,
            "others_lose_percent": max(0.0, (1 - during / before) * 100),
            "its_accepted": hole["accepted"],
            "its_delivered_in_the_end": hole["delivered"],
            "its_expired": hole["expired"],
            "its_other_ends": hole["accepted"] - hole["delivered"] - hole["expired"],
            "without_outcome": held(snapshot["ledger"]),
            "shed": snapshot["ledger"]["shed"],
        }
        faults = stand.close(agrees=False)
        well.stop()
        return figures, faults


def outage(quick):
    """All connections refused for 60 s under 16,667/s with a buffer for 30 s of it (quick: 6 s and 3 s), then back."""
    seconds = 6 if quick else 60
    buffer = 16_667 * seconds // 2
    collector = f'buffer = {buffer}\nbuffer_bytes = "1 GiB"'
    stand = Stand(["--latency", "20ms"], collector=collector, route='connections = 8\nrestart_max = "2s"' if quick else "connections = 8")
    stand.load("--rate", "16667", "--for", f"{5 + seconds + 40}s", "--batch", "10")
    time.sleep(5)
    calm = stand.gateway.resident_mib()
    stand.peer.child.kill()
    stand.peer.child.wait()
    dials, most_rss, end = stand.route()["dials"], calm, time.monotonic() + seconds
    while time.monotonic() < end:
        most_rss = max(most_rss, stand.gateway.resident_mib())
        time.sleep(0.1)
    tried = stand.route()["dials"] - dials
    listen = stand.peer.address["listen"]
    stand.peer = double(stand.dir.name, "peer-again", listen=listen, flags=["--latency", "20ms"])
    back, opened, most = time.monotonic(), [], 0
    while time.monotonic() - back < 40:
        opened.append((time.monotonic(), stand.report()["connections"]["opened"]))
        within = [count for at, count in opened if at > opened[-1][0] - 1]
        most = max(most, within[-1] - within[0])
        if stand.route()["ready"] == 8:
            break
        time.sleep(0.05)
    ready_after = time.monotonic() - back
    snapshot = stand.settle(300)
    figures = {
        "attempts_per_connection_and_second": tried / 8 / seconds,
        "ready_after_s": ready_after,
        "most_opened_in_a_second": most,
        "opened_per_connection": stand.report()["connections"]["opened"] / 8,
        "rss_before_mib": calm,
        "rss_most_mib": most_rss,
        "rss_bytes_per_buffered_push": (most_rss - calm) * 2**20 / buffer,
        "shed": snapshot["ledger"]["shed"],
        "without_outcome": held(snapshot["ledger"]),
    }
    return figures, stand.close(agrees=False)


def chaos(quick):
    """1,000 random faults (quick: 40) over a running system; the seed is CHAOS_SEED or a new one. The test itself says what must hold after each."""
    test = "scenarios::chaos::faults_in_the_order_of_a_new_seed_cost_no_push_and_no_count"
    command = ["cargo", "test", "--quiet", "--package", "pushweir", "--test", "it", "--", "--exact", "--nocapture", test]
    environment = {**os.environ, "CHAOS_FAULTS": "40" if quick else "1000"}
    subprocess.run(["cargo", "build", "--quiet", "--workspace", "--bins"], cwd=ROOT, check=True)
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    lines = [line.split("chaos: ", 1)[1] for line in run.stdout.splitlines() if "chaos: " in line]
    if run.returncode != 0:
        return {"faults": len(lines) - 1}, ["the run failed:\n" + "\n".join(lines[:1] + (run.stdout + run.stderr).splitlines()[-40:])]
    return json.loads(lines[-1]), []


SCENARIOS = {"critical": critical, "incident": incident, "blackhole": blackhole, "outage": outage, "chaos": chaos}

RUNS = {"critical": 1, "incident": 1, "blackhole": 1, "outage": 1, "chaos": 1}

MUST = {
    ("critical", "critical_p99_ms"): ("<=", 2 * 50 + 50),
    ("critical", "critical_not_delivered"): ("<=", 0),
    ("critical", "low_per_second_beside"): (">=", 10_000),
    ("critical", "shed"): ("<=", 0),
    ("incident", "full_off_percent"): ("<=", 10),
    ("incident", "shed_off_percent"): ("<=", 10),
    ("incident", "empty_off_percent"): ("<=", 10),
    ("incident", "goodput_share_of_window_law"): (">=", 0.95),
    ("incident", "p99_after_share_of_before"): ("<=", 1.1),
    ("blackhole", "others_lose_percent"): ("<=", 2),
    ("blackhole", "its_other_ends"): ("<=", 0),
    ("blackhole", "without_outcome"): ("<=", 0),
    ("blackhole", "shed"): ("<=", 0),
    ("outage", "attempts_per_connection_and_second"): ("<=", 2),
    ("outage", "most_opened_in_a_second"): ("<=", 8),
    ("outage", "opened_per_connection"): ("<=", 2),
    ("outage", "rss_bytes_per_buffered_push"): ("<=", 1_000),
    ("outage", "without_outcome"): ("<=", 0),
    ("chaos", "lost"): ("<=", 0),
    ("chaos", "violations"): ("<=", 0),
    ("chaos", "highest_unacked"): ("<=", 100),
}
