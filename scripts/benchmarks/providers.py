"""The scenarios of the providers' protocols over HTTP/2, and of all four transports in one process. Like those of `scenarios`."""

import tempfile
import time

from .flat import flat_out
from .stand import Stand, double, post, table
from .trouble import held, rate_of

WIDE = "connections = 4\nwindow = 1000"


def apns(quick):
    """APNs over four connections of up to 1000 streams, batches of 100."""
    return flat_out(quick, 100, 300_000, provider="apns", route=WIDE)


def webpush(quick):
    """Web Push to one service over four connections, batches of 100. Each message has a key pair and an ECDH of its own, on either side: they bound it."""
    return flat_out(quick, 100, 60_000, provider="webpush", route=WIDE)


def http2_shrink(quick):
    """100,000 pushes to a peer whose limit shrinks to 1 on each error and rises with the next success. One in a hundred is answered 429 once, which
    is an attempt, and each has two: a refused stream that counted as one would show as exhausted."""
    count = 10_000 if quick else 100_000
    flags = ["--latency", "2ms", "--retry-after", "1"]
    limits = ["--max-streams", "100", "--shrink-on-error", "--refuse-racing", "--announce-after", "3ms"]
    collector = 'buffer = 200000\nbuffer_bytes = "1 GiB"\n[feedback]\nmax_attempts = 2\n'
    stand = Stand([*flags, *limits], collector=collector, route="connections = 4", provider="apns", transport='retry_min = "1s"')
    start = time.monotonic()
    stand.load("--rate", "40", "--count", str(count // 100), "--batch", "1", "--device-prefix", "nack-once-TOO_MANY_REQUESTS-")
    stand.load("--max", "--count", str(count - count // 100), "--batch", "100", "--connections", "2")
    ledger = stand.settle(200)["ledger"]
    report = stand.report()
    figures = {
        "delivered_share": ledger["delivered"] / count,
        "delivered_per_second": ledger["delivered"] / (time.monotonic() - start),
        "streams_refused": report["streams_refused"],
        "pushes_refused_with_an_error": report["nacks"]["by_code"].get("TooManyRequests", 0),
        "exhausted": ledger["exhausted"],
        "lost": ledger["lost"],
        "delivered_twice": report["delivered_duplicates"],
    }
    return figures, stand.close()


class Sick:
    """A provider that can be made sick, and is well again afterwards."""

    def __init__(self, route, peer, too_many):
        self.route, self.peer, self.too_many = route, peer, too_many

    def set(self, knobs):
        post(self.peer.address["control"], f"/set?{knobs}")

    def stall(self, seconds):
        """Stops reading, on connections that are open and on new ones."""
        self.set("stall_after=1")
        post(self.peer.address["control"], "/stall")
        time.sleep(seconds)
        self.set("stall_after=0")

    def blackhole(self, seconds):
        """Takes everything and answers nothing."""
        self.set("lose_acks=1")
        time.sleep(seconds)
        self.set("lose_acks=0")

    def refuse(self, seconds):
        """Answers that there are too many."""
        self.set(f"nack=1:{self.too_many}")
        time.sleep(seconds)
        self.set("nack=0")

    def reset(self, seconds):
        """Cuts all connections, ten times a second."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            post(self.peer.address["control"], "/close?style=rst")
            time.sleep(0.1)

    def recover(self, stand, within):
        """Waits until little of what it held up is left."""
        post(self.peer.address["control"], "/close?style=rst")
        end = time.monotonic() + within
        time.sleep(1)
        while time.monotonic() < end:
            route = next(route for route in stand.state()["routes"] if route["name"] == self.route)
            if held(route["ledger"]) < 500:
                return
            time.sleep(0.2)


def p99(stand, names):
    return {route["name"]: route["delivery_p99_ms"] for route in stand.state()["routes"] if route["name"] in names}


def sick(quick):
    """All four transports in one process, 4,500/s open loop; each provider in turn stalls, answers nothing, answers 429 and resets; what it costs the others."""
    calm, ill = (3, 2) if quick else (10, 4)
    common = 'connections = 2\nanswer_timeout = "3s"\nrestart_max = "1s"\nrestart_limit = 1000'
    rates = {"android": 1_500, "fcm": 1_200, "apns": 1_200, "webpush": 600}
    codes = {"android": "DEVICE_MESSAGE_RATE_EXCEEDED", "fcm": "QUOTA_EXCEEDED", "apns": "TOO_MANY_REQUESTS", "webpush": "TOO_MANY"}
    with tempfile.TemporaryDirectory() as path:
        peers, tables = {}, []
        for name in ("fcm", "apns", "webpush"):
            peers[name] = double(f"{path}", name, name, flags=["--latency", "20ms", "--retry-after", "1"], tls=name)
            extra = 'request_timeout = "2s"\nretry_min = "200ms"'
            tables.append(f'[[route]]\nname = "{name}"\ntransport = "{name}"\n{common}\n{table(name, peers[name], path, name)}{extra}\n')
        room = 'buffer = 2000000\nbuffer_bytes = "2 GiB"\nrefuse_late = false\n[feedback]\nmax_attempts = 20\n[feedback.breaker]\nopen_max = "1s"\n'
        stand = Stand(["--latency", "20ms"], collector=room + "\n".join(tables), route=common)
        peers["android"] = stand.peer
        wards = [Sick(name, peers[name], codes[name]) for name in rates]
        length = calm + len(wards) * 4 * (ill + 8) + 10
        for name, rate in rates.items():
            stand.load("--rate", str(rate), "--for", f"{length}s", "--batch", "10", route=name, to=("xmpp" if name == "android" else name, peers[name]))
        time.sleep(2)
        before = {name: rate_of(stand, [name], calm / len(rates)) for name in rates}
        p99_before, worst_p99, lost_share, worst = p99(stand, rates), 0.0, [], ("", 0.0)
        turns = [(ward, illness) for illness in ("stall", "blackhole", "refuse", "reset") for ward in wards]
        # The first four turns have each provider and each illness once; quick, that is all.
        turns, been = [turns[number * 5 % 16] for number in range(4 if quick else 16)], set()
        for ward, illness in turns:
            others = [name for name in rates if name != ward.route]
            start, first = time.monotonic(), sum_delivered(stand, others)
            getattr(ward, illness)(ill)
            during = (sum_delivered(stand, others) - first) / (time.monotonic() - start)
            lost = max(0.0, 1 - during / sum(rates[name] for name in others)) * 100
            lost_share.append(lost)
            worst = max(worst, (f"{ward.route} {illness}", lost), key=lambda pair: pair[1])
            after = p99(stand, others)
            # What has been sick itself has delivered late what it had held up.
            been.add(ward.route)
            worst_p99 = max([worst_p99, *(after[name] / p99_before[name] for name in others if name not in been)])
            ward.recover(stand, 8)
        for loader in stand.loaders:
            loader.kill()
            loader.wait()
        snapshot = stand.settle(60)
        print(f"  sick: worst was {worst[0]}, {worst[1]:.2f} %", flush=True)
        figures = {
            "offered_per_second": sum(rates.values()),
            "delivered_per_second_undisturbed": sum(before.values()),
            "others_lose_percent": sum(lost_share) / len(lost_share),
            "others_lose_percent_at_worst": worst[1],
            "others_p99_ms_undisturbed": max(p99_before.values()),
            "others_p99_times_at_worst": worst_p99,
            "without_outcome": held(snapshot["ledger"]),
            "shed": snapshot["ledger"]["shed"],
        }
        faults = stand.close(agrees=False)
        for name in ("fcm", "apns", "webpush"):
            peers[name].stop()
        return figures, faults


def sum_delivered(stand, names):
    return sum(route["ledger"]["delivered"] for route in stand.state()["routes"] if route["name"] in names)


SCENARIOS = {"apns": apns, "webpush": webpush, "http2_shrink": http2_shrink, "sick": sick}

RUNS = {"http2_shrink": 1, "sick": 1}

MUST = {
    ("apns", "delivered_per_second"): (">=", 60_000),
    ("apns", "gateway_cpu_us_per_push"): ("<=", 12.0),
    ("http2_shrink", "delivered_share"): (">=", 1.0),
    ("http2_shrink", "streams_refused"): (">=", 1),
    ("http2_shrink", "exhausted"): ("<=", 0),
    ("http2_shrink", "lost"): ("<=", 0),
    ("http2_shrink", "delivered_twice"): ("<=", 0),
    ("sick", "others_lose_percent"): ("<=", 2),
    ("sick", "others_lose_percent_at_worst"): ("<=", 2),
    ("sick", "without_outcome"): ("<=", 0),
    ("sick", "shed"): ("<=", 0),
}
