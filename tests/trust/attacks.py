#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The attacks on running programs that SECURITY.md names: which they are, and whether each was stopped.

    tests/trust/attacks.py                 runs them all; the last line counts them
    tests/trust/attacks.py --list          names them and ends
    tests/trust/attacks.py --full          with longer floods (DONGBO_ATTACKS=full)
    tests/trust/attacks.py --json          the last line is {"tried": n, "stopped": n, "failed": [names]}

Exit code 0 when all were stopped. Other programs call run()."""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAMED = re.compile(r"(tests/[\w/]+\.py) :: (\w+)")


def attacks():
    """(file, name of the test), as SECURITY.md has them."""
    return list(dict.fromkeys(NAMED.findall((ROOT / "SECURITY.md").read_text(encoding="utf-8"))))


def run(full=False, build=ROOT / "build"):
    """Runs them all. A test with several parameters is as many attacks."""
    with tempfile.TemporaryDirectory() as directory:
        report = pathlib.Path(directory) / "attacks.xml"
        env = {**os.environ, "DONGBO_BUILD": str(build), "DONGBO_ATTACKS": "full" if full else "short"}
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}",
                        *[f"{file}::{name}" for file, name in attacks()]], cwd=ROOT, env=env, check=False,
                       stdout=sys.stderr)
        cases = list(tree.parse(report).iter("testcase"))
    failed = [case.get("name") for case in cases
              if any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))]
    return {"tried": len(cases), "stopped": len(cases) - len(failed), "failed": failed}


def main():
    parser = argparse.ArgumentParser(description="Runs the attacks that SECURITY.md names.")
    parser.add_argument("--list", action="store_true", help="name them and end")
    parser.add_argument("--full", action="store_true", help="longer floods")
    parser.add_argument("--json", action="store_true", help="the last line is JSON")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="where the programs are")
    words = parser.parse_args()
    if words.list:
        print("\n".join(f"{file} :: {name}" for file, name in attacks()))
        return 0
    done = run(words.full, words.build.resolve())
    print(json.dumps(done) if words.json else f"{done['tried']} attacks tried, {done['stopped']} stopped")
    return 0 if done["tried"] > 0 and not done["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
