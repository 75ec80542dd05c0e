# SPDX-License-Identifier: Apache-2.0
"""The `dongbo` command as an operator has it: over a private cluster, or, where None is given, without a
configuration."""
from conftest import BUILD, operators_config, run_program


class Desk:
    def __init__(self, cluster, directory, **other):
        self.cluster = cluster
        self.directory = directory
        self.config = directory / "dongbo.yaml"
        if cluster:
            self.configure(**other)

    def configure(self, **other):
        self.config.write_text(operators_config(self.cluster, **other), encoding="utf-8")

    def run(self, *words, given=None):
        return run_program([BUILD / "operators/dongbo", "--config", self.config, *words], cwd=self.directory,
                           input=given, timeout=120)

    def ask(self, *words, given=None):
        """Standard output of a command that must succeed."""
        done = self.run(*words, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, code, *words, given=None):
        """Standard error of a command that must fail with this exit code."""
        done = self.run(*words, given=given)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stderr
