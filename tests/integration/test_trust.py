# SPDX-License-Identifier: Apache-2.0
"""tests/trust/run itself, in a tree of its own whose parts are small programs: what it prints, when it refuses to, and
what of a full run is not done twice. A part stands still where a file says so, until the file is gone."""
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import time

import pytest

import attack
import conftest

KEYS = ["mode", "attacks", "faults", "seeds", "mistakes", "fuzz_executions", "acknowledged", "lost", "doubled",
        "proofs_checked", "verify_vs_sha256sum"]
FUZZED = {"targets": [{"target": "one", "executions": 70}, {"target": "two", "executions": 7}]}
SAID = {
    "tests/trust/attacks.py": {"tried": 5, "stopped": 5, "failed": []},
    "tests/trust/faults.py": {"injected": 3, "survived": 3, "acknowledged": 1000, "lost": 0, "doubled": 0, "proofs": 9,
                              "failed": []},
    "tests/simulation/run": {"seeds": 1000, "failed": 0, "first_failed": 0, "acknowledged": 200, "lost": 0,
                             "doubled": 0},
    "tests/fuzz/run": FUZZED,
    "tests/bench/verify_log": {"events": 1000000, "verify_seconds": 1.5, "verify_vs_sha256sum": 2.5},
}
MISTAKES = {"ack-before-commit": 1, "credit-kept": 7}
# Writes down that it was begun; stands still while it is told to; says its figures.
PART = """#!/usr/bin/python3
import json, os, pathlib, select, sys
path = pathlib.Path(__file__).resolve()
root = next(up for up in path.parents if (up / "begun").exists())
name = path.parent.name + "/" + path.name
with open(root / "begun", "a") as file:
    file.write(" ".join([name, *sys.argv[1:]]) + "\\n")
hold = root / "hold" / name.replace("/", "-")
while hold.exists() and hold.read_text() in " ".join(sys.argv):
    select.select([], [], [], 0.01)
said = json.loads((root / "said" / name.replace("/", "-")).read_text())
said = said["mistakes"] if "--mistakes" in sys.argv else said
if "--target" in sys.argv:
    said["targets"] = [one for one in said["targets"] if one["target"] == sys.argv[sys.argv.index("--target") + 1]]
print(json.dumps(said))
sys.exit(json.loads((root / "codes").read_text()).get(name, 0))
"""


class Tree:
    def __init__(self, root):
        self.root = root
        for name in ("tests/trust", "tests/simulation", "tests/fuzz", "tests/bench", "build", "said", "hold", "bin"):
            (root / name).mkdir(parents=True)
        for name in ("run", "parts.py", "lanes.py"):
            shutil.copy(conftest.ROOT / "tests/trust" / name, root / "tests/trust" / name)
        for name, said in SAID.items():
            self.program(root / name, PART)
            self.say(name, said)
        self.program(root / "bin/ninja", "#!/bin/sh\n")
        (root / "build/build.ninja").touch()
        (root / "tests/fuzz/target-one.c").touch()
        (root / "tests/fuzz/target-two.c").touch()
        (root / "tests/simulation/simulate.c").write_text(
            'NAMES MISTAKE_NAMES[MISTAKES] = {"none", "ack-before-commit", "credit-kept"};\n')
        (root / ".gitignore").write_text("/begun\n/said\n/hold\n/codes\n/build*\n__pycache__\n")
        (root / "begun").touch()
        (root / "codes").write_text("{}")
        for words in (["init", "-q"], ["add", "."],
                      ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "all"]):
            subprocess.run(["git", *words], cwd=root, check=True)

    @staticmethod
    def program(path, text):
        path.write_text(text)
        path.chmod(0o755)

    def file(self, folder, name):
        return self.root / folder / "-".join(pathlib.Path(name).parts[-2:])

    def say(self, name, said):
        self.file("said", name).write_text(json.dumps({**said, "mistakes": MISTAKES}))

    def end_with(self, name, code):
        (self.root / "codes").write_text(json.dumps({"/".join(pathlib.Path(name).parts[-2:]): code}))

    def begin(self, *words):
        env = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        return subprocess.Popen([self.root / "tests/trust/run", *words], env=env, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def run(self, *words):
        process = self.begin(*words)
        out, error = process.communicate(timeout=60)
        return process.returncode, out, error

    def is_running(self):
        """Whether any of its programs is."""
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if os.fsencode(self.root / "tests") in path.read_bytes():
                    return True
            except OSError:  # it has ended meanwhile
                continue
        return False

    def begun(self):
        return (self.root / "begun").read_text().splitlines()


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def until(done):
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)


def test_what_is_printed(tree):
    code, out, error = tree.run("--json")
    assert code == 0, error
    said = json.loads(out)
    assert list(said) == KEYS
    assert said == {"mode": "quick", "attacks": {"tried": 5, "stopped": 5}, "faults": {"injected": 3, "survived": 3},
                    "seeds": 1000, "mistakes": MISTAKES, "fuzz_executions": 77, "acknowledged": 1200, "lost": 0,
                    "doubled": 0, "proofs_checked": 9, "verify_vs_sha256sum": 2.5}
    code, out, _ = tree.run("--quick")
    assert code == 0 and "1,200 acknowledged" in out and "77 executions" in out
    begun = tree.begun()
    assert begun[:len(begun) // 2][-1].startswith("bench/verify_log")  # what is timed comes when all else is over


WRONG = {  # program: what it says, and the words for it
    "attack": ("tests/trust/attacks.py", {"tried": 5, "stopped": 4, "failed": ["test_x::test_y"]}, "test_x::test_y"),
    "fault": ("tests/trust/faults.py", {**SAID["tests/trust/faults.py"], "survived": 2, "failed": ["test_f::test_g"]},
              "test_f::test_g"),
    "lost": ("tests/trust/faults.py", {**SAID["tests/trust/faults.py"], "lost": 4}, "4 events lost"),
    "doubled": ("tests/simulation/run", {**SAID["tests/simulation/run"], "doubled": 2}, "2 events doubled"),
    "seed": ("tests/simulation/run", {**SAID["tests/simulation/run"], "failed": 1, "first_failed": 34}, "34"),
    "finding": ("tests/fuzz/run", {"targets": [{**FUZZED["targets"][0], "finding": "crash-1"}, FUZZED["targets"][1]]},
                "one: crash-1"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_told(tree, kind):
    """With all figures, and exit code 1."""
    name, said, words = WRONG[kind]
    tree.say(name, said)
    code, out, error = tree.run("--json")
    assert code == 1 and words in error
    assert list(json.loads(out)) == KEYS


def test_a_mistake_that_no_seed_finds_is_told(tree):
    path = tree.file("said", "tests/simulation/run")
    path.write_text(json.dumps({**SAID["tests/simulation/run"], "mistakes": {**MISTAKES, "credit-kept": 0}}))
    code, out, error = tree.run("--json")
    assert code == 1 and "credit-kept is found by no seed" in error and json.loads(out)["mistakes"]["credit-kept"] == 0


MISSING = {
    "no attacks": ("tests/trust/attacks.py", {"tried": 0, "stopped": 0, "failed": []}),
    "no faults": ("tests/trust/faults.py", {**SAID["tests/trust/faults.py"], "injected": 0, "survived": 0}),
    "no proofs": ("tests/trust/faults.py", {**SAID["tests/trust/faults.py"], "proofs": 0}),
    "no figure": ("tests/simulation/run", {"seeds": 1000, "failed": 0, "first_failed": 0}),
    "a target less": ("tests/fuzz/run", {"targets": FUZZED["targets"][:1]}),
    "a target that never ran": ("tests/fuzz/run", {"targets": [{"target": "one", "executions": 0},
                                                               FUZZED["targets"][1]]}),
}


@pytest.mark.parametrize("kind", MISSING)
def test_what_was_not_counted_is_no_zero(tree, kind):
    tree.say(*MISSING[kind])
    code, out, error = tree.run("--json")
    assert (code, out) == (2, "") and "cannot be run" in error


def test_a_part_that_cannot_be_run_is_an_error(tree):
    """The others are run, and shown."""
    tree.end_with("tests/bench/verify_log", 2)
    code, out, error = tree.run("--json")
    assert (code, out) == (2, "") and "verify: exit code 2" in error and "70" not in out and "77 executions" in error
    (tree.root / "tests/trust/attacks.py").unlink()
    code, out, error = tree.run("--json")
    assert (code, out) == (2, "") and "tests/trust/attacks.py is not there" in error


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_full_run_goes_on_where_it_was(tree, how):
    """It is ended in the middle of a step: those before are not done again, that one and the others are. What it had
    begun ends with it."""
    hold = tree.file("hold", "tests/simulation/run")
    hold.write_text("4001:5000")
    process = tree.begin("--full", "--json")
    until(lambda: any("4001:5000" in line for line in tree.begun()))
    until(lambda: all((tree.root / f"build-trust/{name}.json").exists()
                      for name in ("attacks", "faults", "simulation-3001", "fuzz-one", "fuzz-two")))
    os.kill(process.pid, how)
    assert process.wait(30) == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    until(lambda: not tree.is_running())
    before = tree.begun()
    hold.unlink()
    code, out, error = tree.run("--full", "--json")
    assert code == 0, error
    said = json.loads(out)
    assert said["mode"] == "full" and said["seeds"] == 10000 and said["fuzz_executions"] == 77
    after = tree.begun()[len(before):]
    assert len(before) == 2 + 5 + 2 and "simulation-3001: done before" in error
    assert [line.split("--")[1].split()[1] for line in after if "--seeds" in line] == \
        [f"{first}:{first + 999}" for first in range(4001, 10001, 1000)]
    assert not any("attacks" in line or "faults" in line for line in after)
    assert sum("fuzz/run" in line for line in before) == 2  # each target for itself
    assert not any("fuzz/run" in line for line in after)


def test_another_tree_begins_anew(tree):
    """Also one whose only difference is in a file that git does not know yet."""
    assert tree.run("--full")[0] == 0
    n = len(tree.begun())
    assert tree.run("--full")[0] == 0 and len(tree.begun()) == n
    for change in (lambda: (tree.root / "tests/fuzz/target-one.c").write_text("changed"),
                   lambda: (tree.root / "new.c").write_text("new"),
                   lambda: (tree.root / "new.c").write_text("newer")):
        change()
        before = len(tree.begun())
        assert tree.run("--full")[0] == 0
        assert len(tree.begun()) == before + n


def test_what_is_wrong_is_run_again(tree):
    tree.say("tests/trust/attacks.py", {"tried": 5, "stopped": 4, "failed": ["test_x::test_y"]})
    tree.end_with("tests/trust/attacks.py", 1)
    assert tree.run("--full")[0] == 1
    n = len(tree.begun())
    tree.say("tests/trust/attacks.py", SAID["tests/trust/attacks.py"])
    tree.end_with("tests/trust/attacks.py", 0)
    assert tree.run("--full")[0] == 0
    assert [line.split()[0] for line in tree.begun()[n:]] == ["trust/attacks.py"]


# ---- who judges an attack --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("usual, meanwhile, since", [
    (0.02, [0.3] * 9, 0.02), (0.05, [0.6] * 9, 0.05), (0.02, [0.02] * 9, 0.3),  # all of them
    (0.02, [0.02] * 99 + [attack.LATE + 0.1], 0.02), (0.02, [0.02] * 99 + [attack.LATE + 0.1], 0.24)])  # one
def test_turns_that_are_late_are_found(usual, meanwhile, since):
    with pytest.raises(AssertionError, match="usually"):
        attack.assert_in_time([usual] * 9 + meanwhile + [since] * 9, 9, 9 + len(meanwhile), attack.LATE)


@pytest.mark.parametrize("first, after", [(8, [8] * 5), (1.3, [0.3] * 5), (4, [0.2] * 5)])
def test_greetings_that_are_late_are_found(first, after):
    with pytest.raises(AssertionError, match="usually"):
        attack.assert_greeted_in_time([0.01] * 5, first, after)


def test_a_busy_machine_is_no_attack():
    attack.assert_greeted_in_time([0.01] * 4 + [0.1], 1.5, [2, 0.01, 0.3, 0.01, 0.01])
    attack.assert_greeted_in_time([0.04] * 5, 3, [0.02] * 5)
    attack.assert_in_time([0.04] * 9 + [0.1] * 99 + [1.3 * attack.LATE] + [0.05] * 9, 9, 109, attack.LATE)
