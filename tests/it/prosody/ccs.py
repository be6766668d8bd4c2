"""A component that plays FCM's part behind a real XMPP server: acks, nacks, delivery receipts.

usage: ccs.py HOST PORT NAME SECRET

Prints `ready` when it is connected, and at SIGTERM what it saw, as one line of JSON. Tokens: `bad-…` gets a nack, `once-…` a
SERVICE_UNAVAILABLE the first time a message is seen, everything else an ack; a push that asks for a receipt gets one.
"""

import asyncio
import json
import logging
import signal
import sys
from collections import Counter

from slixmpp.componentxmpp import ComponentXMPP
from slixmpp.xmlstream import ET
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

NS = "google:mobile:data"
LATENCY = 0.02


class Provider(ComponentXMPP):
    """Answers every push after a short while, and counts."""

    def __init__(self, name, secret, host, port):
        super().__init__(name, secret, host, port)
        self.name = name
        self.acked, self.seen, self.receipts = set(), Counter(), set()
        self.pending, self.connections = Counter(), set()
        self.report = Counter({"messages": 0, "acks": 0, "nacks": 0, "highest_unacked": 0, "receipts": 0, "receipts_acked": 0, "bad": 0})
        xpath = "{jabber:component:accept}message/{%s}gcm" % NS
        self.register_handler(Callback("gcm", MatchXPath(xpath), self.take))
        self.add_event_handler("session_start", lambda _: print("ready", flush=True))

    def take(self, stanza):
        """Takes one push, or the acknowledgement of a receipt."""
        client = str(stanza["from"])
        try:
            body = json.loads(stanza.xml.find("{%s}gcm" % NS).text)
        except (TypeError, ValueError):
            self.report["bad"] += 1
            return
        if body.get("message_type") == "ack":
            self.report["receipts_acked" if body.get("message_id") in self.receipts else "bad"] += 1
            return
        self.connections.add(client)
        self.report["messages"] += 1
        self.pending[client] += 1
        self.report["highest_unacked"] = max(self.report["highest_unacked"], self.pending[client])
        self.loop.call_later(LATENCY, self.answer, client, body)

    def answer(self, client, body):
        """Answers one push."""
        self.pending[client] -= 1
        push, token = body["message_id"], body.get("to", "")
        self.seen[push] += 1
        answer = {"message_id": push, "from": token}
        if token.startswith("bad-"):
            answer.update(message_type="nack", error="BAD_REGISTRATION", error_description="no such token")
        elif token.startswith("once-") and self.seen[push] == 1:
            answer.update(message_type="nack", error="SERVICE_UNAVAILABLE", error_description="later")
        else:
            answer.update(message_type="ack")
            self.acked.add(push)
        self.report["acks" if answer["message_type"] == "ack" else "nacks"] += 1
        self.say(client, answer)
        if body.get("delivery_receipt_requested") and answer["message_type"] == "ack":
            receipt = {"message_type": "receipt", "from": "gcm.googleapis.com", "message_id": "dr2:" + push, "category": "app",
                       "data": {"message_status": "MESSAGE_SENT_TO_DEVICE", "original_message_id": push}}
            self.receipts.add(receipt["message_id"])
            self.report["receipts"] += 1
            self.say(client, receipt)

    def say(self, client, body):
        """Sends a message with a JSON body."""
        stanza = self.make_message(mto=client, mfrom=self.name)
        del stanza["type"]
        gcm = ET.Element("{%s}gcm" % NS)
        gcm.text = json.dumps(body)
        stanza.xml.append(gcm)
        stanza.send()


async def main(host, port, name, secret):
    """Runs the component until SIGTERM."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    provider = Provider(name, secret, host, int(port))
    provider.connect()
    await over.wait()
    report = dict(provider.report, unique=len(provider.acked), connections=len(provider.connections))
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(*sys.argv[1:]))
