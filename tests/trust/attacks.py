#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The attacks on running programs that SECURITY.md names: which they are, and whether each was stopped.

    tests/trust/attacks.py                 runs them all; the last line counts them
    tests/trust/attacks.py --list          names them and ends
    tests/trust/attacks.py --full          with longer floods (DONGBO_ATTACKS=full)
    tests/trust/attacks.py --json          the last line is {"tried": n, "stopped": n, "failed": [names]}
    tests/trust/attacks.py --reports DIR   runs nothing: counts in another run's reports, once DIR/whole is there

A test with several parameters is as many attacks. Exit code 0 when all were stopped."""
import argparse
import json
import pathlib
import re
import sys

import lanes

NAMED = re.compile(r"(tests/[\w/]+\.py) :: (\w+)")
LANES = 2
WAIT_SECONDS = 5400


def attacks():
    """(file, name of the test) of those that SECURITY.md names, in the order of the files: tests of one file share an
    exchange, and one may look at what those before it left."""
    named = set(NAMED.findall((lanes.ROOT / "SECURITY.md").read_text(encoding="utf-8")))
    texts = {file: (lanes.ROOT / file).read_text(encoding="utf-8") for file, _ in named}
    return sorted(named, key=lambda attack: (attack[0], texts[attack[0]].find(f"def {attack[1]}(")))


def count(named, outcomes):
    """An attack that SECURITY.md names and that was not run is one that was not stopped."""
    tried, failed = 0, []
    for file, name in named:
        found = {case: well for (stem, case), well in outcomes.items()
                 if stem == pathlib.Path(file).stem and case.partition("[")[0] == name}
        tried += max(1, len(found))
        failed += [f"{pathlib.Path(file).stem}::{case}" for case, well in found.items() if not well]
        failed += [] if found else [f"{pathlib.Path(file).stem}::{name}, which was not run"]
    return {"tried": tried, "stopped": tried - len(failed), "failed": failed}


def reports_of(words):
    if words.reports:
        return lanes.of_another_run(words.reports, WAIT_SECONDS)
    # At length two floods at once, each with its attacker on the same two processors, are held up by each other: both
    # exchanges stood still in the same moments, for 19 seconds once, and neither did with the same attack by itself.
    n_lanes = 1 if words.full else LANES
    return lanes.run([f"{file}::{name}" for file, name in attacks()], n_lanes, DONGBO_BUILD=str(words.build.resolve()),
                     DONGBO_ATTACKS="full" if words.full else "short")


def main():
    parser = argparse.ArgumentParser(description="Runs the attacks that SECURITY.md names.")
    parser.add_argument("--list", action="store_true", help="name them and end")
    parser.add_argument("--full", action="store_true", help="longer floods")
    parser.add_argument("--json", action="store_true", help="the last line is JSON")
    parser.add_argument("--build", type=pathlib.Path, default=lanes.ROOT / "build", help="where the programs are")
    parser.add_argument("--reports", type=pathlib.Path, help="another run's, to count in")
    words = parser.parse_args()
    if words.list:
        print("\n".join(f"{file} :: {name}" for file, name in attacks()))
        return 0
    with reports_of(words) as reports:
        done = count(attacks(), lanes.outcomes(reports))
    print(json.dumps(done) if words.json else f"{done['tried']} attacks tried, {done['stopped']} stopped" +
          "".join(f"\nnot stopped: {name}" for name in done["failed"]))
    return 0 if done["tried"] > 0 and not done["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
