"""Everything as fast as it goes, by any provider's protocol, beside the machine's own limits."""

import time

from . import limits
from .stand import ROOM, Stand


def flat_out(quick, batch, count, provider="xmpp", route="connections = 8", peer=()):
    """Everything as fast as it goes, once; what is measured is what was delivered."""
    count = count // 10 if quick else count
    stand = Stand(peer, collector=ROOM, route=route, provider=provider)
    before, peer_before, start = stand.gateway.cpu(), stand.peer.cpu(), time.monotonic()
    stand.load("--max", "--count", str(count), "--batch", str(batch), "--connections", "4", "--pipeline", "1" if batch > 1 else "8")
    delivered = stand.settle()["ledger"]["delivered"]
    seconds = time.monotonic() - start
    figures = {
        "delivered_per_second": delivered / seconds,
        "gateway_cpu_us_per_push": (stand.gateway.cpu() - before) / delivered * 1e6,
        "peer_cpu_us_per_push": (stand.peer.cpu() - peer_before) / delivered * 1e6,
        "delivered_share": delivered / count,
        "gateway_rss_mib": stand.gateway.resident_mib(),
    }
    limits.beside(stand, figures, delivered, batch, quick)
    return figures, stand.close()
