"""Compares states of one running gateway in slices of seconds, so that a difference of a percent shows.

Fresh processes differ by more than that from each other, and a machine changes within minutes. So one gateway is switched to and fro under a
load that does not change: A B … B A is a block, in which a steady drift cancels out; a block gives one ratio for each state, and the median
of the blocks' ratios is the result. Its confidence interval is that of the bootstrap.
"""

import os
import random
import re
import statistics
import time
import urllib.request


def spread(gateway):
    """Puts the gateway on the first core, and this process with all that it starts from now on onto the second; returns what undoes the latter."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) >= 2:
        for task in os.listdir(f"/proc/{gateway.child.pid}/task"):
            os.sched_setaffinity(int(task), cores[:1])
        os.sched_setaffinity(0, cores[1:2])
    return lambda: os.sched_setaffinity(0, cores)


def cpu_seconds(pid):
    """CPU time of a process, threads that have ended included, from its clock in nanoseconds (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def latencies(stand):
    """Returns the counts of accept-to-ack times by their upper bounds, as they are in a scrape."""
    with urllib.request.urlopen(f"http://{stand.gateway.address['admin']}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    counts = {}
    for bound, count in re.findall(r'^pushweir_delivery_duration_seconds_bucket\{[^}]*le="([^"]+)"[^}]*\} ([0-9.e+]+)', text, re.M):
        counts[float(bound)] = counts.get(float(bound), 0) + float(count)
    return counts


def quantile_ms(before, after, share):
    """Returns a quantile of what came between two scrapes, with a straight line inside a bucket."""
    lower, reached = 0.0, 0.0
    wanted = (max(after.values(), default=0) - max(before.values(), default=0)) * share
    for bound in sorted(after):
        count = after[bound] - before.get(bound, 0)
        if count >= wanted > 0 and bound != float("inf"):
            return (lower + (bound - lower) * (wanted - reached) / max(1, count - reached)) * 1e3
        lower, reached = bound, count
    return float("inf")


def look(stand):
    """Returns time, CPU time and deliveries, all at about one instant."""
    first, delivered = cpu_seconds(stand.gateway.child.pid), stand.state()["ledger"]["delivered"]
    return time.monotonic(), (first + cpu_seconds(stand.gateway.child.pid)) / 2, delivered


def measure(stand, seconds):
    """Returns a slice's CPU time per push in µs, cores, pushes a second, and accept-to-ack p99 in ms."""
    scraped, (start, used, delivered) = latencies(stand), look(stand)
    time.sleep(seconds)
    (end, used_then, delivered_then), scraped_then = look(stand), latencies(stand)
    pushes = max(1, delivered_then - delivered)
    return {
        "cpu_us_per_push": (used_then - used) / pushes * 1e6,
        "cores": (used_then - used) / (end - start),
        "per_second": pushes / (end - start),
        "p99_ms": quantile_ms(scraped, scraped_then, 0.99),
    }


def alternate(stand, states, blocks, seconds, guard):
    """Measures states in blocks A B … B A: a function for each state brings it about, `guard` seconds later a slice begins.

    Returns for each state a list of its blocks, each block the mean of its two slices.
    """
    results = {name: [] for name in states}
    for _ in range(blocks):
        block = {name: [] for name in states}
        for name in [*states, *reversed(states)]:
            states[name]()
            time.sleep(guard)
            block[name].append(measure(stand, seconds))
        for name, slices in block.items():
            results[name].append({figure: statistics.mean(each[figure] for each in slices) for figure in slices[0]})
    return results


def change(results, state, base, figure):
    """Returns by how many percent a state's figure is above that of the base: the median of the blocks' ratios, and its 95 % interval."""
    percents = [(a[figure] / b[figure] - 1) * 100 for a, b in zip(results[state], results[base])]
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(percents, k=len(percents))) for _ in range(4_000))
    return statistics.median(percents), medians[100], medians[-101]


def middle(results, state, figure):
    return statistics.median(block[figure] for block in results[state])
