#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The faults that running programs have to live through: every test marked `fault`, and what it counted.

    tests/trust/faults.py           runs them all; the last line counts them
    tests/trust/faults.py --full    with the long ones (DONGBO_FULL=1): minutes of standing still, hundreds of kills
    tests/trust/faults.py --json    the last line is JSON: injected, survived, acknowledged, lost, doubled, failed

A fault counts as survived when its whole test has passed. Exit code 0 when all were. Other programs call run()."""
import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FULL_KILLS = 200
COUNTED = ("acknowledged", "lost", "doubled", "proofs")


def passed(report):
    """(name of a test as the tally has it: whether it passed)."""
    return {f"{case.get('classname').rpartition('.')[2]}::{case.get('name')}":
            not any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
            for case in tree.parse(report).iter("testcase")}


def count(tests, tally):
    """What the tally's lines add up to. A test that passed without a line injected nothing, and is no success."""
    figures = collections.Counter(dict.fromkeys(("injected", "survived", *COUNTED), 0))
    told = set()
    for said in tally:
        told.add(said["test"])
        figures["injected"] += said["injected"]
        figures["survived"] += said["survived"] if tests.get(said["test"]) else 0
        for name in COUNTED:
            figures[name] += said.get(name, 0)
    failed = sorted(name for name, well in tests.items() if not well or name not in told)
    return {**figures, "failed": failed}


def run(full=False, build=ROOT / "build", only=()):
    with tempfile.TemporaryDirectory() as directory:
        report, tally = (pathlib.Path(directory) / name for name in ("faults.xml", "tally"))
        env = {**os.environ, "DONGBO_BUILD": str(build), "DONGBO_TALLY": str(tally), "DONGBO_FULL": "1" if full else ""}
        if full:
            env.setdefault("DONGBO_KILLS", str(FULL_KILLS))
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "fault",
                        f"--junitxml={report}", *only, "tests/integration"], cwd=ROOT, env=env, check=False,
                       stdout=sys.stderr)
        lines = tally.read_text(encoding="utf-8").splitlines() if tally.exists() else []
        return count(passed(report), [json.loads(line) for line in lines])


def main():
    parser = argparse.ArgumentParser(description="Runs the tests that are marked as faults, and counts.")
    parser.add_argument("--full", action="store_true", help="with the long ones")
    parser.add_argument("--json", action="store_true", help="the last line is JSON")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="where the programs are")
    words = parser.parse_args()
    done = run(words.full, words.build.resolve())
    print(json.dumps(done) if words.json else
          f"{done['injected']} faults, {done['survived']} survived; {done['acknowledged']} events acknowledged, "
          f"{done['lost']} lost, {done['doubled']} doubled" + "".join(f"\nfailed: {name}" for name in done["failed"]))
    return 0 if done["injected"] and not done["failed"] and not done["lost"] and not done["doubled"] else 1


if __name__ == "__main__":
    sys.exit(main())
