# SPDX-License-Identifier: Apache-2.0
"""The demo keeps its contract with scripts, and stops at any point without leaving anything behind."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import ROOT

DEMO = [str(ROOT / "deploy/demo"), "--scale", "200", "--in", tempfile.gettempdir()]
SECONDS = 200


def processes_of(run):
    """Command lines of running processes that name the demo's own directory."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if run in words:
            found.append(words)
    return found


def test_json_is_the_last_line(tmp_path):
    done = subprocess.run([*DEMO, "--json", "--seed", "5", "--policy", "march-2022"], capture_output=True,
                          text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout.splitlines()[-1])
    for key in ("lost", "doubled", "wrongly_accepted", "undisclosed_fields_seen"):
        assert result[key] == 0
    assert result["events"] == sum(sum(verdicts.values()) for verdicts in result["verdicts"].values())
    assert result["feed_head"] >= result["events"]
    assert result["seconds"] > 0 and result["events_per_second"] > 0
    accounts = result["report"]["e_id_accounts"]
    assert accounts["total"] == 121 and len(accounts["by_province"]) == 63
    assert result["report"]["vaccinations"]["by_verdict"] == result["verdicts"]["health"]
    # In the exchange more was accepted than as shipped, the same rows by both, and nothing of somebody else.
    assert result["policy"] == "march-2022" and set(result["policies"]) == {"march-2022", "shipped"}
    for group in ("wrong", "unusable"):
        lenient, shipped = (result["policies"][policy][group] for policy in ("march-2022", "shipped"))
        assert lenient["accepted"] > 0 == shipped["accepted"] == lenient["accepted_wrongly"]
        assert lenient["rows"] == lenient["accepted"] + lenient["in_review"] == shipped["in_review"]
        assert lenient["accepted_percent"] == lenient["accepted"] * 1000 // lenient["rows"] / 10
    everything = {policy: figures["all"] for policy, figures in result["policies"].items()}
    assert {figures["rows"] for figures in everything.values()} == {sum(result["verdicts"]["health"].values())}
    assert 67 <= everything["shipped"]["agree_percent"] < 67.5  # 67.2 of more rows than these
    # By `dongbo verify` what is right without any policy is what agreed; in the exchange later citizens came, too.
    assert everything["shipped"]["right"] == everything["shipped"]["agree"] < everything["march-2022"]["right"]
    assert everything["march-2022"]["right"] == result["verdicts"]["health"]["ACCEPTED"]
    assert everything["march-2022"]["right_when_confirmed"] > everything["march-2022"]["right"]
    run = re.search(r"in (\S+/dongbo-demo\.\w+)", done.stderr).group(1)
    assert not os.path.exists(run) and not processes_of(run)


@pytest.mark.parametrize("line, whole_group, number", [
    ("starting a private PostgreSQL", True, signal.SIGINT),
    ("loading the population", False, signal.SIGTERM),
    ("publishing: one agent per agency", True, signal.SIGINT),
    ("committees catch up", False, signal.SIGTERM),
])
def test_interrupted_demo_leaves_nothing(line, whole_group, number):
    """As Ctrl-C does it, to every process of the terminal, and as a service manager does, to the script alone."""
    demo = subprocess.Popen(DEMO, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    run = None
    try:
        for said in demo.stderr:
            made = re.search(r"in (\S+/dongbo-demo\.\w+)", said)
            run = made.group(1) if made else run
            if line in said:
                break
        (os.killpg if whole_group else os.kill)(demo.pid, number)
        demo.stderr.read()
        assert demo.wait(SECONDS) == 128 + number
    finally:
        if demo.poll() is None:
            demo.kill()
    assert run and not os.path.exists(run)
    assert not processes_of(run)


def test_interrupted_while_something_still_writes(tmp_path):
    """What begins to write while all is being removed costs another look, and not the exit code."""
    rm, tried = tmp_path / "rm", tmp_path / "tried"
    rm.write_text(f"""#!/bin/sh
case "$*" in "-rf "*/dongbo-demo.*) [ -e {tried} ] || {{ : >{tried}; exit 1; }} ;; esac
exec {shutil.which("rm")} "$@"
""")
    rm.chmod(0o755)
    demo = subprocess.Popen(DEMO, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
                            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    try:
        for said in demo.stderr:
            run = re.search(r"in (\S+/dongbo-demo\.\w+)", said)
            if run:
                break
        os.killpg(demo.pid, signal.SIGINT)
        demo.stderr.read()
        assert demo.wait(SECONDS) == 130 and tried.exists() and not os.path.exists(run.group(1))
    finally:
        if demo.poll() is None:
            demo.kill()


@pytest.mark.parametrize("words, says", [(("--scale", "0"), "--scale is a whole number from 1 to 300"),
                                         (("--scale", "x"), "--scale is a whole number from 1 to 300"),
                                         (("--seed", "x"), "--seed is a whole number"),
                                         (("--in", "/nowhere"), "/nowhere is no directory")])
def test_wrong_words_are_refused_at_once(words, says):
    done = subprocess.run([ROOT / "deploy/demo", *words], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and says in done.stderr
