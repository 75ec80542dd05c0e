# SPDX-License-Identifier: Apache-2.0
"""What integration tests stand on: the built programs and a private PostgreSQL cluster per test.

Everything lives in one short temporary directory and is stopped by process id, also when a test fails."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("DONGBO_BUILD", ROOT / "build"))


class Cluster:
    """A private PostgreSQL cluster on a Unix socket: deploy/cluster, as a person would use it."""

    def __init__(self, directory, settings):
        self.directory = directory
        self.settings = settings

    def _run(self, *words):
        return subprocess.run([str(ROOT / "deploy/cluster"), *words], check=True, timeout=120, capture_output=True,
                              text=True).stdout.strip()

    def start(self):
        self._run("start", str(self.directory), *self.settings)

    def stop(self, mode="fast"):
        self._run("stop", str(self.directory), mode)

    def conninfo(self, user="postgres", database="dongbo"):
        return f"host={self.directory} user={user} dbname={database}"

    def connect(self, user="postgres"):
        connection = psycopg2.connect(self.conninfo(user))
        connection.autocommit = True
        return connection

    def rows(self, sql, *parameters, user="postgres"):
        connection = self.connect(user)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def value(self, sql, *parameters, user="postgres"):
        return self.rows(sql, *parameters, user=user)[0][0]


@pytest.fixture
def workdir():
    """A directory whose path is short enough for Unix sockets and open to the server's user."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="dongbo-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def cluster(workdir, request):
    """Mark a test with @pytest.mark.postgres("fsync=on", ...) for settings of its own."""
    marker = request.node.get_closest_marker("postgres")
    made = Cluster(workdir / "pg", marker.args if marker else ("fsync=off",))
    made.start()
    yield made
    made.stop("immediate")


def pytest_configure(config):
    config.addinivalue_line("markers", "postgres(*settings): settings of this test's own PostgreSQL cluster")
