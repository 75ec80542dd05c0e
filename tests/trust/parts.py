# SPDX-License-Identifier: Apache-2.0
"""What tests/trust/run is made of. A part is one line of its table and one or more steps; a step is a program of its
own whose last line is one JSON object, and what a resumed run does not do again.

Steps of one track come one after the other, tracks side by side: tests of whole programs wait a lot, seeds and fuzzing
only compute and give way to them. What is timed comes when all else is over."""
import collections
import dataclasses
import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
QUICK_SEEDS, FULL_SEEDS, STEP_SEEDS = 1000, 10000, 1000
QUICK_FUZZ_MINUTES, FULL_FUZZ_MINUTES = 0.1, 10  # of each target
HOUR = 3600
LAST = "last"  # the track that waits for all others


class Unusable(Exception):
    """What a step said cannot be counted: why."""


@dataclasses.dataclass
class Step:
    name: str
    words: list
    seconds: int  # at most
    gives_way: bool = False
    track: str = None  # its part's, unless it has one of its own


@dataclasses.dataclass
class Part:
    name: str
    track: str
    steps: list
    count: object  # of the steps' objects: (figures of the table, what is wrong)


def number(said, name, least=0):
    """A figure that was counted: a whole number, and where it says how much was tried, not none."""
    value = said.get(name)
    if not isinstance(value, int) or value < least:
        raise Unusable(f"{name} is {value}")
    return value


def total(all_said, *names):
    return {name: sum(number(said, name) for said in all_said) for name in names}


# ---- what each part's figures are ------------------------------------------------------------------------------------

def count_attacks(all_said):
    return ({"tried": sum(number(said, "tried", 1) for said in all_said), **total(all_said, "stopped")},
            [f"not stopped: {name}" for said in all_said for name in said["failed"]])


def lost_or_doubled(figures):
    return [f"{figures[name]} events {name}" for name in ("lost", "doubled") if figures[name]]


def count_faults(all_said):
    figures = total(all_said, "injected", "survived", "acknowledged", "lost", "doubled", "proofs")
    wrong = [f"not survived: {name}" for said in all_said for name in said["failed"]] + lost_or_doubled(figures)
    for name in () if wrong else ("injected", "acknowledged", "proofs"):
        number(figures, name, 1)
    return figures, wrong


def count_seeds(all_said):
    figures = total(all_said, "seeds", "acknowledged", "lost", "doubled")
    wrong = [f"{said['failed']} of {said['seeds']} seeds fail, the first of them {said['first_failed']}"
             for said in all_said if said["failed"]] + lost_or_doubled(figures)
    number(figures, "acknowledged", 0 if wrong else 1)
    return figures, wrong


def count_mistakes(all_said):
    figures = {name: seed for said in all_said for name, seed in said.items()}
    if set(figures) != mistakes():
        raise Unusable(f"mistakes looked for: {', '.join(sorted(figures))}")
    return figures, [f"{name} is found by no seed" for name, seed in figures.items() if not seed]


def count_fuzz(all_said):
    targets = [target for said in all_said for target in said["targets"]]
    if {target["target"] for target in targets} != set(fuzz_targets()):
        raise Unusable(f"targets fuzzed: {', '.join(target['target'] for target in targets)}")
    found = [f"{target['target']}: {target['finding']}" for target in targets if "finding" in target]
    never = [target["target"] for target in targets if not target["executions"] and "finding" not in target]
    if never:
        raise Unusable(f"never executed: {', '.join(never)}")
    return {"targets": len(targets), "executions": sum(target["executions"] for target in targets)}, found


def count_verify(all_said):
    said, = all_said
    if not said["verify_vs_sha256sum"] > 0:
        raise Unusable(f"verify_vs_sha256sum is {said['verify_vs_sha256sum']}")
    return {name: said[name] for name in ("events", "verify_seconds", "verify_vs_sha256sum")}, []


# ---- what they are counted in ----------------------------------------------------------------------------------------

def mistakes():
    """The switches' names, as the simulation has them."""
    text = (ROOT / "tests/simulation/simulate.c").read_text(encoding="utf-8")
    table = re.search(r"MISTAKE_NAMES\[MISTAKES\] = \{(.*?)\}", text, re.S)[1]
    return set(re.findall(r'"([\w-]+)"', table)) - {"none"}


def fuzz_targets():
    return sorted(path.stem.removeprefix("target-") for path in (ROOT / "tests/fuzz").glob("target-*.c"))


def simulation_steps(full, build):
    step, last = STEP_SEEDS, FULL_SEEDS if full else QUICK_SEEDS
    return [Step(f"simulation-{begin}", ["tests/simulation/run", "--seeds", f"{begin}:{begin + step - 1}", "--json",
                                         "--build", build], HOUR, True)
            for begin in range(1, last, step)]


def fuzz_steps(full):
    """A full run's targets are steps of their own: each takes its ten minutes once, and one processor."""
    words = ["tests/fuzz/run", "--json", "--minutes", str(FULL_FUZZ_MINUTES if full else QUICK_FUZZ_MINUTES)]
    if full:
        return [Step(f"fuzz-{name}", [*words, "--target", name], HOUR, True, f"fuzz {i % os.cpu_count()}")
                for i, name in enumerate(fuzz_targets())]
    # Always the same dice: CI must not fail by a throw of them on a change that has nothing to do with it.
    return [Step("fuzz", [*words, "--seed", "1"], HOUR, True)]


def all_parts(full, build, reports):
    """In the table's order. `reports`: of a run that has the attacks and the faults among its tests; or None."""
    tests = [*(["--full"] if full else []), "--json", "--build", str(build),
             *(["--reports", str(reports)] if reports else [])]
    build, seconds = str(build), 12 * HOUR if full else 2 * HOUR
    parts = [
        Part("attacks", "attacks", [Step("attacks", ["tests/trust/attacks.py", *tests], seconds)], count_attacks),
        Part("faults", "faults", [Step("faults", ["tests/trust/faults.py", *tests], seconds)], count_faults),
        Part("simulation", "computing", simulation_steps(full, build), count_seeds),
        Part("mistakes", "computing", [Step("mistakes", ["tests/simulation/run", "--mistakes", "--json", "--build",
                                                         build], HOUR, True)], count_mistakes),
        Part("fuzz", "computing", fuzz_steps(full), count_fuzz),
        Part("verify", LAST, [Step("verify", ["tests/bench/verify_log", "--json", "--rounds", "3" if full else "1"],
                                   HOUR)], count_verify)]
    return collections.OrderedDict((part.name, part) for part in parts)


def collected(parts, mode):
    """The object that scripts rely on, of all parts' figures."""
    faults, seeds = parts["faults"], parts["simulation"]
    return {"mode": mode, "attacks": {name: parts["attacks"][name] for name in ("tried", "stopped")},
            "faults": {name: faults[name] for name in ("injected", "survived")},
            "seeds": seeds["seeds"], "mistakes": parts["mistakes"], "fuzz_executions": parts["fuzz"]["executions"],
            **{name: faults[name] + seeds[name] for name in ("acknowledged", "lost", "doubled")},
            "proofs_checked": faults["proofs"], "verify_vs_sha256sum": parts["verify"]["verify_vs_sha256sum"]}
