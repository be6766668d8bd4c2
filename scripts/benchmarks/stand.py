"""A provider's double and a gateway on free ports, for one run of a scenario, and what is measured of them."""

import atexit
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release")
TICK = os.sysconf("SC_CLK_TCK")
ROOM = 'buffer = 2000000\nbuffer_bytes = "2 GiB"\nintake = 100000'


class Process:
    """A program that is up once it has printed its addresses."""

    def __init__(self, args, addresses, log, env=None):
        self.log = open(log, "w+", encoding="utf-8")
        self.child = subprocess.Popen(args, cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        atexit.register(self.child.kill)
        self.address = {}
        end = time.monotonic() + (120 if args[0] == "valgrind" else 20)
        while len(self.address) < len(addresses):
            text = open(log, encoding="utf-8").read()
            for name, pattern in addresses.items():
                found = re.search(pattern, text)
                if found:
                    self.address[name] = found.group(1)
            if self.child.poll() is not None or time.monotonic() > end:
                sys.exit(f"bench: {args[0]} did not start:\n{text}")
            time.sleep(0.02)

    def cpu(self):
        """CPU seconds used so far."""
        fields = open(f"/proc/{self.child.pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def resident_mib(self):
        return int(open(f"/proc/{self.child.pid}/statm", encoding="utf-8").read().split()[1]) * 4096 / 2**20

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(60)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.log.close()
        return self.child.returncode


def get(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
        return json.load(answer)


def post(address, path):
    request = urllib.request.Request(f"http://{address}{path}", data=b"", method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def double(path, name, provider="xmpp", listen="127.0.0.1:0", flags=(), tls="tls"):
    """Starts a provider's double; its certificate is in `path`/`tls`, its log in `path`."""
    args = [f"{BIN}/pushweir-peers", provider, "--listen", listen, "--control", "127.0.0.1:0", "--tls-dir", f"{path}/{tls}"]
    return Process([*args, *flags], {"listen": r"listening on (\S+)", "control": r"control on (\S+)"}, f"{path}/{name}.log")


def table(provider, peer, path, tls="tls"):
    """Returns the settings of a route to a double, whose certificate and accounts are in `path`/`tls`."""
    port, keys = peer.address["listen"].rsplit(":", 1)[1], f"{path}/{tls}"
    lines = {
        "xmpp": f'host = "127.0.0.1"\nport = {port}\nsender_id = "1234567890"\nserver_key = "demo-server-key"',
        "fcm": f'service_account = "file:{keys}/service-account.json"\nendpoint = "https://localhost:{port}"',
        "apns": f'topic = "com.example.app"\nteam_id = "PWTEAM0001"\nkey_id = "PWKEY00001"\nkey = "file:{keys}/apns-key.p8"\nendpoint = "https://localhost:{port}"',
        "webpush": f'private_key = "file:{keys}/vapid.pem"\nsubject = "mailto:push@example.com"\nhosts = ["localhost:{port}"]\nallow_private = true',
    }
    return f'[route.{provider}]\n{lines[provider]}\nca = "{keys}/ca.pem"\n'


def targets(provider, peer):
    """Returns the flags with which the load generator sends to whom this double knows."""
    if provider == "apns":
        return ["--device-hex"]
    if provider == "webpush":
        to = post(peer.address["control"], "/subscribe?name=everybody")
        return ["--to-json", json.dumps({"endpoint": to["endpoint"], **to["keys"]})]
    return []


class Stand:
    """The double and the gateway."""

    def __init__(self, peer_flags=(), collector="", route="", provider="xmpp", ready_within=60, transport="", under=()):
        self.dir = tempfile.TemporaryDirectory()
        self.loaders = []
        self.provider = provider
        # Neither FCM's HTTP v1 nor Web Push has message ids, and a trusting double does not read them: they can tell only how many they took.
        self.taken = "delivered_unique" if provider in ("xmpp", "apns") and "--trusting" not in peer_flags else "acks"
        path = self.dir.name
        self.peer = double(path, "peer", provider, flags=peer_flags)
        with open(f"{path}/config.toml", "w", encoding="utf-8") as file:
            file.write(f'[ingest]\nlisten = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"\n[runtime]\ndrain_deadline = "40s"\n')
            file.write(f'[collector]\n{collector}\n[[route]]\nname = "android"\ntransport = "{provider}"\n{route}\n{table(provider, self.peer, path)}{transport}\n')
        gateway = [*under, f"{BIN}/pushweir", "serve", "--config", f"{path}/config.toml"]
        patterns = {"ingest": r"listening ingest=http://(\S+)", "admin": r"listening admin=http://(\S+)"}
        self.gateway = Process(gateway, patterns, f"{path}/gateway.log")
        self.ready_after = self.wait_ready(ready_within)

    def wait_ready(self, within):
        """Waits until every connection stands; returns the seconds that took, or None."""
        start = time.monotonic()
        while time.monotonic() - start < within:
            route = self.route()
            if route["ready"] == route["connections"]:
                return time.monotonic() - start
            time.sleep(0.02)
        return None

    def state(self):
        return get(self.gateway.address["admin"], "/admin/api/state")

    def route(self):
        return self.state()["routes"][0]

    def report(self):
        return get(self.peer.address["control"], "/report")

    def control(self, path):
        post(self.peer.address["control"], path)

    def load(self, *flags, route="android", to=None):
        """Starts a load generator, to whom the double knows, or another provider's double; returns the file its report will be in."""
        flags = [*flags, *targets(*(to or (self.provider, self.peer)))]
        report = os.path.join(self.dir.name, f"load-{len(self.loaders)}.json")
        args = [f"{BIN}/pushweir-peers", "load", "--to", f"http://{self.gateway.address['ingest']}", "--route", route, "--report", report]
        self.loaders.append(subprocess.Popen([*args, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return report

    def loaded(self, report, within=600):
        """Waits for the load generator; returns its report."""
        self.loaders[-1].wait(within)
        return json.load(open(report, encoding="utf-8"))

    def settle(self, limit=120):
        """Waits until nothing is offered or held any more; returns the last snapshot."""
        end = time.monotonic() + limit
        while True:
            snapshot = self.state()
            ledger = snapshot["ledger"]
            held = ledger["buffered"] + ledger["waiting_retry"] + ledger["in_flight"]
            done = all(loader.poll() is not None for loader in self.loaders)
            if (held == 0 and done) or time.monotonic() > end:
                return snapshot
            time.sleep(0.02)

    def close(self, drains=True, agrees=True):
        """Stops everything; returns what is wrong with the run. Without `agrees` the double does not know of everything that was delivered."""
        for loader in self.loaders:
            if loader.poll() is None:
                loader.kill()
                loader.wait()
        report, ledger = self.report(), self.state()["ledger"]
        faults = []
        if ledger["unaccounted"] or ledger["lost"]:
            faults.append(f"unaccounted={ledger['unaccounted']} lost={ledger['lost']}")
        if drains and agrees and ledger["delivered"] != report[self.taken]:
            faults.append(f"gateway delivered {ledger['delivered']}, peer {report[self.taken]}")
        if report["violations"]["total"]:
            faults.append(f"{report['violations']['total']} violations")
        if not drains:
            self.gateway.child.kill()
        if self.gateway.stop() != 0 and drains:
            faults.append("the gateway did not drain")
        self.peer.stop()
        self.dir.cleanup()
        return faults
