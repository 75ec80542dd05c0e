# SPDX-License-Identifier: Apache-2.0
"""Integration tests in several processes that share the files among them, and what their reports say.

A lane is a process of pytest with a report; tests wait as much as they compute, so that two cores take more than two
lanes. Interrupted, or when whoever started this is gone, lanes stop what they began. The reports may also be those of
another run of the same tests, such as tests/run's: then nothing is run here, but waited for."""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as tree

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WHOLE = "whole"  # a file that stands beside the reports when there are no more to come
STOP_SECONDS = 60
PR_SET_PDEATHSIG = 1


def interrupted_with_us():
    """For a process that is begun: it is interrupted when this one is gone, however that went."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


@contextlib.contextmanager
def stopped(processes):
    """Ends what still runs when the block is left before its end."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def lane(report, words, env):
    """In a group of its own, so that an interrupt comes to it once."""
    with open(report.with_suffix(".log"), "wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *words], cwd=ROOT,
            env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0, preexec_fn=interrupted_with_us)


@contextlib.contextmanager
def run(words, n, **env):
    """Runs what pytest makes of these words in so many lanes. Gives the directory with the reports and, where the
    environment asked for one, the tally."""
    with tempfile.TemporaryDirectory(prefix="dongbo-") as name:
        reports = pathlib.Path(name)
        (reports / "claims").mkdir()
        env = {**os.environ, "DONGBO_CLAIMS": str(reports / "claims"), "DONGBO_TALLY": str(reports / "tally"), **env}
        lanes = []
        with stopped(lanes):
            for number in range(n):
                lanes.append(lane(reports / f"{number}.xml", words, env))
            for process in lanes:
                process.wait()
        for log in sorted(reports.glob("*.log")):
            sys.stderr.write(log.read_text(errors="replace"))
        yield reports


@contextlib.contextmanager
def of_another_run(reports, seconds):
    """Waits until that run has written all of its reports."""
    deadline = time.monotonic() + seconds
    while not (reports / WHOLE).exists():
        if time.monotonic() > deadline:
            sys.exit(f"{reports / WHOLE}: not there within {seconds} s")
        time.sleep(0.2)
    yield reports


def collected(words):
    """The same keys of what pytest would run for these words."""
    said = subprocess.run([sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *words],
                          cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    named = (line.partition("::") for line in said.splitlines() if "::" in line)
    return [(pathlib.Path(file).stem, case) for file, _, case in named]


def outcomes(reports):
    """{(stem of the file, name of the test with its parameters): whether it passed wherever it was run}. What was
    skipped did not pass."""
    found = {}
    for report in sorted(reports.glob("*.xml")):
        for case in tree.parse(report).iter("testcase"):
            key = case.get("classname").rpartition(".")[2], case.get("name")
            well = not any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
            found[key] = found.get(key, True) and well
    return found
