"""The lines that bench/compare and a peer exchange; the same as bench/serve.h, where they are described."""

import sys
import time


def fastest_call(function, budget):
    """Seconds of the fastest call: the least mean of batches of calls that last about a millisecond."""
    def seconds(calls):
        begin = time.perf_counter()
        for _ in range(calls):
            function()
        return time.perf_counter() - begin

    begin = time.perf_counter()
    function()
    fastest = seconds(1)
    calls = min(max(int(1e-3 / fastest), 1), 1000)
    while True:
        fastest = min(fastest, seconds(calls) / calls)
        if time.perf_counter() - begin >= budget:
            return fastest


def serve(names, prepare):
    prepared_name = call = None
    for line in sys.stdin:
        if line.strip() == "list":
            print(*names, ".", sep="\n", flush=True)
            continue
        name, budget = line.split()
        if name != prepared_name:
            call = None
            call, prepared_name = prepare(name), name
        print(f"{name} {fastest_call(call, float(budget)):.9e}", flush=True)
