# SPDX-License-Identifier: Apache-2.0
"""200 subscriptions with different rights at once: neither one that takes nothing nor one that is far behind is noticed
by the others, nor kept in memory. tests/bench/feeds measures the same at length."""
import shutil
import statistics

import crowd
import people
import wire
from conftest import SANITIZED

N = 60 if SANITIZED else 200
ROUNDS = 15
BACKLOG = 30000
GROWTH_KIB_MAX = (40 if SANITIZED else 12) * 1024
# Of medians on a machine that does other things too, and that the reader behind is on as well.
RATIO_MAX = 12


def lines(receiver):
    return sum(path.read_bytes().count(b"\n") for path in receiver.directory.glob("*.jsonl"))


def median_of(crowd_, moh):
    return statistics.median(crowd_.record_comes(moh)[1] for _ in range(ROUNDS))


def test_live_records_wait_for_nobody(watched_size, exchange):
    exchange.load_population(people.citizens(200))
    exchange.agency("MOH", "health", [])
    exchange.committee("behind", "health", "citizen_number,health.*")
    many = crowd.Crowd(exchange, N)
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as moh:
        moh.hello()
        crowd.lengthen(exchange, moh, BACKLOG)
        many.open()
        median_of(many, moh)  # until every buffer has its size
        alone = median_of(many, moh)
        receiver = exchange.receivers["behind"]
        receiver.until_head()  # and those of whoever reads it all
        before = exchange.broker.rss_kib()

        with many.stalled():
            beside_stalled = median_of(many, moh)
        beside_behind = []
        while len(beside_behind) < ROUNDS:  # it reads all of the log, over and over
            shutil.rmtree(receiver.directory)
            process = receiver.start()
            process.wait_for(lambda: "receiving from" in process.text(), "the receiver's session")
            while lines(receiver) < BACKLOG and len(beside_behind) < ROUNDS:
                beside_behind.append(many.record_comes(moh)[1])
            process.kill()
            process.popen.wait()
            receiver.log.unlink()
        grown = exchange.broker.rss_kib() - before
    many.close()
    behind = statistics.median(beside_behind)
    print(f"to the last of {N}: alone {alone:.1f} ms; beside a stalled one {beside_stalled / alone:.2f} times, beside "
          f"one {BACKLOG} records behind {behind / alone:.2f} times; the broker grew by {grown} KiB")
    assert beside_stalled < RATIO_MAX * alone and behind < RATIO_MAX * alone
    assert grown < GROWTH_KIB_MAX, f"{grown} KiB"
