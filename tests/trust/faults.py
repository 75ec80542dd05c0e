#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The faults that running programs have to live through: every test marked `fault`, and what it counted.

    tests/trust/faults.py                 runs them all; the last line counts them
    tests/trust/faults.py --full          with the long ones (DONGBO_FULL=1): minutes of standing still, many kills
    tests/trust/faults.py --json          the last line is JSON: injected, survived, acknowledged, lost, doubled,
                                          proofs, failed
    tests/trust/faults.py --reports DIR   runs nothing: counts in another run's reports, once DIR/whole is there

A fault counts as survived when its whole test has passed. Exit code 0 when all were."""
import argparse
import collections
import json
import os
import pathlib
import sys

import lanes

FULL_KILLS = 200
COUNTED = ("acknowledged", "lost", "doubled", "proofs")
LANES = 2
WAIT_SECONDS = 5400


def count(outcomes, tally):
    """What the tally's lines add up to. A test that passed without a line injected nothing, and is no success."""
    figures = collections.Counter(dict.fromkeys(("injected", "survived", *COUNTED), 0))
    tests = {f"{stem}::{case}": well for (stem, case), well in outcomes.items()}
    told = set()
    for said in tally:
        told.add(said["test"])
        figures["injected"] += said["injected"]
        figures["survived"] += said["survived"] if tests.get(said["test"]) else 0
        for name in COUNTED:
            figures[name] += said.get(name, 0)
    failed = sorted(name for name, well in tests.items() if not well or name not in told)
    return {**figures, "failed": failed}


def marked(outcomes):
    """Of another run's tests, those that are marked: pytest says which, and runs none."""
    return {key: outcomes.get(key, False) for key in lanes.collected(["-m", "fault", "tests/integration"])}


def figures(words):
    if words.reports:
        reports = lanes.of_another_run(words.reports, WAIT_SECONDS)
    else:
        env = {"DONGBO_BUILD": str(words.build.resolve()), "DONGBO_FULL": "1" if words.full else ""}
        if words.full:
            env["DONGBO_KILLS"] = os.environ.get("DONGBO_KILLS", str(FULL_KILLS))
        reports = lanes.run(["-m", "fault", "tests/integration"], LANES, **env)
    with reports as directory:
        tally = directory / "tally"
        lines = tally.read_text(encoding="utf-8").splitlines() if tally.exists() else []
        outcomes = lanes.outcomes(directory)
        return count(marked(outcomes) if words.reports else outcomes, [json.loads(line) for line in lines])


def main():
    parser = argparse.ArgumentParser(description="Runs the tests that are marked as faults, and counts.")
    parser.add_argument("--full", action="store_true", help="with the long ones")
    parser.add_argument("--json", action="store_true", help="the last line is JSON")
    parser.add_argument("--build", type=pathlib.Path, default=lanes.ROOT / "build", help="where the programs are")
    parser.add_argument("--reports", type=pathlib.Path, help="another run's, to count in")
    words = parser.parse_args()
    done = figures(words)
    print(json.dumps(done) if words.json else
          f"{done['injected']} faults, {done['survived']} survived; {done['acknowledged']} events acknowledged, "
          f"{done['lost']} lost, {done['doubled']} doubled" + "".join(f"\nfailed: {name}" for name in done["failed"]))
    return 0 if done["injected"] and not done["failed"] and not done["lost"] and not done["doubled"] else 1


if __name__ == "__main__":
    sys.exit(main())
