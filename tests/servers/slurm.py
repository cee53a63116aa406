"""Slurm, a batch system, with this machine as its only node; Debian's slurmctld, slurmd, munge."""

from __future__ import annotations

import os
from pathlib import Path

from tests.servers.one_node import OneNode, missing
from tests.servers.processes import free_ports, stop, wait_for_port

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
    return missing(_PROGRAMS)


class Slurm(OneNode):
    """job: the variable that a job knows its number by."""

    job = "SLURM_JOB_ID"

    def __init__(self, folder: Path) -> None:
        conf = folder / "slurm.conf"
        super().__init__({"SLURM_CONF": str(conf)})
        ctl_port, d_port = free_ports(2)
        munge = folder / "munge"
        for path in (folder / "ctl", folder / "d", munge):
            path.mkdir(parents=True)
        key = munge / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        munge.chmod(0o755)
        conf.write_text(
            _SETTINGS.format(host=self.host, folder=folder, ctl_port=ctl_port, d_port=d_port)
        )
        options = [f"--key-file={key}", f"--socket={munge}/socket", f"--pid-file={munge}/pid"]
        options += [f"--log-file={munge}/log", f"--seed-file={munge}/seed"]
        self.run("munged", "--force", *options)
        self._munge = int((munge / "pid").read_text())
        log = folder / "started.log"
        self._processes = [self.start(log, "slurmctld", "-D", "-f", str(conf))]
        wait_for_port(ctl_port, self._processes[0], log)
        self._processes.append(self.start(log, "slurmd", "-D", "-f", str(conf)))
        wait_for_port(d_port, self._processes[1], log)

    def cancel(self, job: str) -> None:
        self.run("scancel", job)

    def close(self) -> None:
        stop(self._processes[::-1])
        os.kill(self._munge, 15)
