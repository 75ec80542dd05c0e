# SPDX-License-Identifier: Apache-2.0
"""The `dongbo` command over a private cluster, as an operator has it."""
from conftest import BUILD, ROOT, run_program


class Desk:
    def __init__(self, cluster, directory, schemas=ROOT / "schemas"):
        self.cluster = cluster
        self.directory = directory
        self.config = directory / "dongbo.yaml"
        self.configure(schemas)

    def configure(self, schemas, operator="dongbo_operator"):
        conninfo = self.cluster.conninfo
        self.config.write_text(
            f'exchange: "{conninfo(operator)}"\n'
            f'population: "{conninfo("dongbo_population_reader")}"\n'
            f'population_writer: "{conninfo("dongbo_population_writer")}"\n'
            f'admin: {{exchange: "{conninfo()}", population: "{conninfo()}"}}\n'
            f'schemas: {schemas}\n', encoding="utf-8")

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
