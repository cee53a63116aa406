"""What tests/servers/processes.py promises of ports: nobody takes one before its server does."""

from __future__ import annotations

import socket
import subprocess
import sys

from tests.servers.processes import claim, first_given_port, free_ports
from tests.support.programs import REPOSITORY, run

CLAIM = "import sys; from tests.servers.processes import claim; print(claim(int(sys.argv[1])))"


def claimed_elsewhere(port: int) -> str:
    """Whether another process of the tests can have it, in its own words."""
    return run([sys.executable, "-c", CLAIM, str(port)], cwd=REPOSITORY, check=True).stdout


def test_a_port_is_none_that_the_system_gives_to_others() -> None:
    assert max(free_ports(50)) < first_given_port()


def test_a_port_is_given_to_one_process_until_that_ends() -> None:
    (port,) = free_ports(1)

    assert not claim(port)
    assert "False\n" == claimed_elsewhere(port)


def test_the_ports_of_a_process_that_was_killed_are_free() -> None:
    program = (
        "from tests.servers.processes import free_ports; print(*free_ports(1), flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    port = int(holder.stdout.readline())
    held = claim(port)
    holder.kill()
    holder.communicate()

    assert not held
    assert claim(port)


def test_a_port_that_somebody_listens_on_is_not_claimed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert not claim(other.getsockname()[1])
