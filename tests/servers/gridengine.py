"""Sun Grid Engine, a batch system, with this machine as its only node; Debian's gridengine-*.

It has a root and a cell of its own: nothing that is installed is changed.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

from tests.servers.one_node import OneNode, missing
from tests.servers.processes import free_ports, kill, stop

_PROGRAMS = ("sge_qmaster", "sge_execd", "qsub", "qconf")
_INSTALLED = Path("/var/lib/gridengine")
_SHARED = Path("/usr/share/gridengine")
_TOOLS = Path("/usr/lib/gridengine")
_CELL = "tests"
_START_S = 60
_BOOTSTRAP = """\
admin_user none
default_domain none
ignore_fqdn true
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {folder}/spool/db
binary_path /usr/sbin
qmaster_spool_dir {folder}/spool/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
_HOST = "hostname {host}\n" + "".join(
    f"{name} NONE\n"
    for name in (
        *("load_scaling", "complex_values", "user_lists", "xuser_lists"),
        *("projects", "xprojects", "usage_scaling", "report_variables"),
    )
)
_QUEUE = {
    "hostlist": "{host}",
    "slots": "4",
    "shell": "/bin/sh",
    "qtype": "BATCH",
    "rerun": "FALSE",
    "load_thresholds": "NONE",
    "pe_list": "NONE",
}
_SETTINGS = {
    "execd_spool_dir": "{folder}/spool/execd",
    "min_uid": "0",
    "min_gid": "0",
    "mailer": "/bin/true",
    "load_report_time": "00:00:01",
}
_SCHEDULE = {"schedule_interval": "0:0:2", "flush_submit_sec": "1", "flush_finish_sec": "1"}


def why_not() -> str:
    """What is missing to run it here, or ""."""
    return missing(_PROGRAMS)


class GridEngine(OneNode):
    """job: the variable that a job knows its number by."""

    job = "JOB_ID"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ports = free_ports(2)
        super().__init__(
            {
                "SGE_ROOT": str(folder),
                "SGE_CELL": _CELL,
                "SGE_QMASTER_PORT": str(ports[0]),
                "SGE_EXECD_PORT": str(ports[1]),
            }
        )
        host = self.host
        common = folder / _CELL / "common"
        for path in (common, folder / "spool/db", folder / "spool/qmaster/job_scripts"):
            path.mkdir(parents=True)
        for name in ("bin", "lib", "util", "utilbin"):
            (folder / name).symlink_to(_INSTALLED / name)
        (common / "bootstrap").write_text(_BOOTSTRAP.format(folder=folder))
        (common / "act_qmaster").write_text(f"{host}\n")
        (common / "host_aliases").write_text(f"{host} localhost\n")  # who 127.0.0.1 is
        self._fill()
        self._master = self._serve("sge_qmaster")
        self._wait("-sh")
        self.run("qconf", "-as", host)
        self.run("qconf", "-Ae", self._file("host", _HOST.format(host=host)))
        self.run("qconf", "-Aq", self._file("queue", self._queue(host)))
        schedule = changed(self.run("qconf", "-ssconf"), _SCHEDULE)
        self.run("qconf", "-Msconf", self._file("schedule", schedule))
        self._node = self._serve("sge_execd")

    def _fill(self) -> None:
        """What the master keeps, as an installation begins."""
        known = (_SHARED / "default-configuration").read_text()
        settings = {key: value.format(folder=self._folder) for key, value in _SETTINGS.items()}
        resources = _SHARED / "util/resources"
        tool = str(_TOOLS / "spooldefaults")
        database = str(self._folder / "spool/db")
        self.run(str(_TOOLS / "spoolinit"), "berkeleydb", "libspoolb", database, "init")
        self.run(tool, "configuration", self._file("settings", changed(known, settings)))
        self.run(tool, "complexes", str(resources / "centry"))
        self.run(tool, "usersets", str(resources / "usersets"))
        self.run(tool, "managers", "root")

    def _queue(self, host: str) -> str:
        """One queue, as the master would propose a new one."""
        given = {key: value.format(host=host) for key, value in _QUEUE.items()}
        return changed(self.run("qconf", "-sq"), {"qname": "all.q", **given})

    def _file(self, name: str, text: str) -> str:
        path = self._folder / name
        path.write_text(text)
        return str(path)

    def _serve(self, program: str) -> subprocess.Popen[bytes]:
        return self.start(self._folder / f"{program}.log", program, SGE_ND="1")

    def _wait(self, question: str) -> None:
        log = self._folder / "sge_qmaster.log"
        until = time.monotonic() + _START_S
        env = os.environ | self.env
        while subprocess.run(["qconf", question], env=env, capture_output=True).returncode:
            assert time.monotonic() < until, log.read_text(errors="replace")
            assert self._master.poll() is None, log.read_text(errors="replace")
            time.sleep(0.1)

    def cancel(self, job: str) -> None:
        self.run("qdel", job)

    def close(self) -> None:
        """The master takes ten seconds to end by itself, and what it keeps is of no use then."""
        self.run("qdel", "-f", "-u", "*", check=False)
        stop([self._node])
        kill(self._master)


def changed(settings: str, given: dict[str, str]) -> str:
    """Settings, a line each, with other values for some names."""
    for name, value in given.items():
        settings, count = re.subn(rf"(?m)^{name}\s.*$", f"{name} {value}", settings)
        assert count == 1, f"{name} stands there {count} times"
    return settings
