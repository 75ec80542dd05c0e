#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the list of persons whom a subscription follows; what happened comes by receive.py.

    follow.py --endpoint tcp://HOST:7702 --exchange broker.yaml.pub --key hn-health.yaml add FILE
    follow.py ... remove FILE       FILE has one citizen number a line; - is standard input
    follow.py ... list              prints them

Prints those of `add` that are not followed, because nobody has the number or the subscription's rights do not cover
whose it is. To begin again is harmless. Ends with 3 when a person must act.

Written from proto/PROTOCOL.md, section 10."""
import argparse
import itertools
import sys

import dongbo_pb2 as pb
from exchange import Ended, FollowOld, Keys, Kind, Stop, keep_on, log

FOLLOW_NUMBERS_MAX = 1000


class Follower:
    """One request at a time, until it is answered; where no answer came it is asked again, another endpoint first."""

    def __init__(self, options):
        self.options, self.request, self.turn = options, 0, None
        self.own, self.exchange = Keys(options.key), Keys(options.exchange)

    def run(self, work):
        keep_on(self.options.endpoint, self.own, self.exchange, work)

    def ask(self, session, **what):
        self.request += 1
        frame = session.ask(Kind.FOLLOW, pb.Follow(request=self.request, **what), Kind.FOLLOWED)
        answer = pb.Followed.FromString(frame.body)
        if answer.request != self.request:
            raise Ended("an answer to another request")
        return answer

    def change_once(self, session, numbers):
        """In our turn; in another one where somebody else has changed the list since it began."""
        while True:
            if self.turn is None:
                self.turn = self.ask(session, begin=True).turn  # 0: the exchange knows of no turns
            try:
                return self.ask(session, turn=self.turn, **{self.options.what: numbers})
            except FollowOld as old:
                log(str(old))
                self.turn = None

    def change(self, numbers):
        batches = iter(lambda: list(itertools.islice(numbers, FOLLOW_NUMBERS_MAX)), [])
        batch = next(batches, None)

        def work(session):
            nonlocal batch
            while batch:
                answer = self.change_once(session, batch)
                for number in answer.not_covered:
                    print(number)
                log(f"followed: {answer.followed}; changes that do not hold yet: {answer.waiting}")
                batch = next(batches, None)
        self.run(work)

    def list(self):
        answer = pb.Followed(more=True)

        def work(session):
            nonlocal answer
            while answer.more:
                answer = self.ask(session, list=True, after=answer.numbers[-1] if answer.numbers else "")
                for number in answer.numbers:
                    print(number)
        self.run(work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", action="append", required=True, help="may be given again: tried in turn")
    parser.add_argument("--exchange", required=True, help="the exchange's public key file")
    parser.add_argument("--key", required=True, help="our own secret key file")
    parser.add_argument("what", choices=["add", "remove", "list"])
    parser.add_argument("file", nargs="?", type=argparse.FileType(), default="-")
    options = parser.parse_args()
    try:
        if options.what == "list":
            Follower(options).list()
        else:
            Follower(options).change(filter(None, map(str.strip, options.file)))
    except Stop as stop:
        log(str(stop))
        sys.exit(3)


if __name__ == "__main__":
    main()
