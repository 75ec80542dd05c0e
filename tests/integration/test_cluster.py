# SPDX-License-Identifier: Apache-2.0
"""The private cluster itself: never as root, never on the network, started and stopped as often as one likes."""
import os
import pathlib
import pwd

import psycopg2
import pytest


def test_listens_on_its_own_socket_only(cluster):
    assert cluster.value("SHOW listen_addresses") == ""
    assert cluster.value("SHOW unix_socket_directories") == str(cluster.directory)


def test_server_is_not_root(cluster):
    pid = int((cluster.directory / "data/postmaster.pid").read_text().split()[0])
    owner = pathlib.Path(f"/proc/{pid}").stat().st_uid
    assert owner != 0
    assert pwd.getpwuid(owner).pw_name == ("postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)


@pytest.mark.postgres("fsync=on", "max_connections=17")
def test_settings_and_restart(cluster):
    assert cluster.value("SHOW max_connections") == "17"
    cluster.rows("CREATE TABLE kept (n int)")
    cluster.stop("immediate")
    with pytest.raises(psycopg2.OperationalError):
        cluster.connect()
    cluster.stop()
    cluster.start()
    assert cluster.rows("SELECT * FROM kept") == []
