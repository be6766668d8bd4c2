"""Counts what is asked at once, for hypercorn; prints a line of JSON whenever a figure has changed that a test waits for.

Environment: LATENCY in seconds.
"""

import asyncio
import json
import os
import sys

LATENCY = float(os.environ.get("LATENCY", "0.005"))
open_now = 0
peak = 0
unique = set()


async def app(scope, receive, send):
    """Answers a push after a while, and GET /report at once."""
    global open_now, peak
    if scope["type"] != "http":
        return
    if scope["path"] == "/report":
        body = json.dumps({"peak": peak, "unique": len(unique)}).encode()
        await answer(send, [(b"content-type", b"application/json")], body)
        return
    open_now += 1
    peak = max(peak, open_now)
    try:
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(LATENCY)
        headers = dict(scope["headers"])
        unique.add(headers.get(b"apns-id"))
    finally:
        open_now -= 1
    await answer(send, [], b"")


async def answer(send, headers, body):
    """Sends a 200."""
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


sys.stderr.reconfigure(line_buffering=True)
