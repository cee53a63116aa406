"""Slurm, a batch system, with this machine as its only node; Debian's slurmctld, slurmd, munge."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.servers.processes import free_ports, start, stop, wait_for_port

_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
_SETTINGS = """\
ClusterName=t
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
MpiDefault=none
ProctrackType=proctrack/linuxproc
ReturnToService=2
SlurmctldPidFile={folder}/ctl.pid
SlurmdPidFile={folder}/d.pid
SlurmctldPort={ctl_port}
SlurmdPort={d_port}
StateSaveLocation={folder}/ctl
SlurmdSpoolDir={folder}/d
SlurmctldLogFile={folder}/ctl.log
SlurmdLogFile={folder}/d.log
TaskPlugin=task/none
SelectType=select/cons_tres
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """What is missing to run it here, or ""."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in _PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "only root may start it"


class Slurm:
    """env: what a program needs to find it. job: the variable that a job knows its number by."""

    job = "SLURM_JOB_ID"

    def __init__(self, folder: Path) -> None:
        ctl_port, d_port = free_ports(2)
        host = socket.gethostname().partition(".")[0]
        munge = folder / "munge"
        for path in (folder / "ctl", folder / "d", munge):
            path.mkdir(parents=True)
        key = munge / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        munge.chmod(0o755)
        conf = folder / "slurm.conf"
        conf.write_text(
            _SETTINGS.format(host=host, folder=folder, ctl_port=ctl_port, d_port=d_port)
        )
        self.env = {"SLURM_CONF": str(conf), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
        everything = os.environ | self.env
        options = [f"--key-file={key}", f"--socket={munge}/socket", f"--pid-file={munge}/pid"]
        options += [f"--log-file={munge}/log", f"--seed-file={munge}/seed"]
        subprocess.run(["munged", "--force", *options], env=everything, check=True, timeout=60)
        self._munge = int((munge / "pid").read_text())
        env = ["env", *(f"{key}={value}" for key, value in self.env.items())]
        log = folder / "started.log"
        self._processes = [start([*env, "slurmctld", "-D", "-f", str(conf)], log)]
        wait_for_port(ctl_port, self._processes[0], log)
        self._processes.append(start([*env, "slurmd", "-D", "-f", str(conf)], log))
        wait_for_port(d_port, self._processes[1], log)

    def cancel(self, job: str) -> None:
        env = os.environ | self.env
        subprocess.run(["scancel", job], env=env, check=True, capture_output=True, timeout=60)

    def close(self) -> None:
        stop(self._processes[::-1])
        os.kill(self._munge, 15)
