"""A Hadoop with two name nodes, of which one is active and the other stands by.

They share their journal by a folder; who is active is said by Hadoop's own tool.
"""

from __future__ import annotations

import getpass
import subprocess
import urllib.request
from pathlib import Path

from tests.servers.hadoop import (
    SERVER,
    START_S,
    configure,
    java,
    wait_for_data_node,
    wait_until_data_has_a_place,
)
from tests.servers.processes import free_ports, kill, start, stop, wait_for_port

CLUSTER = "hdfsPair"
NODES = ("one", "two")
_TOOL = "org.apache.hadoop.hdfs.tools.DFSHAAdmin"
_PROVIDER = "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider"
_OPEN = "/webhdfs/v1/open?op=MKDIRS&permission=777&user.name={}"


class HadoopPair:
    """conf: the folder for HADOOP_CONF_DIR, by which clients know the cluster. hdfs, web: URLs of
    the root. All may write in /open. `one` is active at first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.hdfs, self.web = f"hdfs://{CLUSTER}", f"webhdfs://{CLUSTER}"
        ports = free_ports(7)
        self._rpc = dict(zip(NODES, ports[:2], strict=True))
        self._http = dict(zip(NODES, ports[2:4], strict=True))
        self.conf = self._configure(ports[4:])
        (folder / "shared").mkdir()
        self._name_nodes: dict[str, subprocess.Popen[bytes]] = {}
        self._active = ""
        self._start("one", "-format", "-force", "-nonInteractive").wait(START_S)
        for node in NODES:
            if node == "two":
                self._start(node, "-bootstrapStandby", "-force", "-nonInteractive").wait(START_S)
            self._name_nodes[node] = self._start(node)
            wait_for_port(self._http[node], self._name_nodes[node], folder / f"{node}.log")
        log = folder / "data.log"
        self._data_node = start(java(folder, f"{SERVER}.datanode.DataNode"), log)
        wait_for_data_node(self._data_node, log, times=2)
        for port in self._http.values():
            wait_until_data_has_a_place(port)
        self.activate("one")
        url = f"http://127.0.0.1:{self._http['one']}{_OPEN.format(getpass.getuser())}"
        urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()

    def web_of(self, node: str) -> str:
        """The URL of one name node, whether it is active or not."""
        return f"webhdfs://127.0.0.1:{self._http[node]}"

    def hdfs_of(self, node: str) -> str:
        return f"hdfs://127.0.0.1:{self._rpc[node]}"

    def activate(self, node: str) -> None:
        """The other one, if it runs, stands by from now on."""
        if node == self._active:
            return
        for other in NODES:
            if other != node and self._name_nodes[other].poll() is None:
                self.stand_by(other)
        self._tool("-transitionToActive", "--forceactive", node)
        self._active = node

    def stand_by(self, node: str) -> None:
        self._active = ""
        self._tool("-transitionToStandby", node)

    def kill(self, node: str) -> None:
        self._active = ""
        kill(self._name_nodes[node])

    def revive(self, node: str) -> None:
        """It stands by then."""
        self._name_nodes[node] = self._start(node)
        log = self._folder / f"{node}.log"
        wait_for_port(self._http[node], self._name_nodes[node], log)

    def _start(self, node: str, *options: str) -> subprocess.Popen[bytes]:
        who = ("-D", f"dfs.ha.namenode.id={node}")
        command = java(self._folder, f"{SERVER}.namenode.NameNode", *who, *options)
        return start(command, self._folder / f"{node}.log")

    def _tool(self, *command: str) -> None:
        done = subprocess.run(
            java(self._folder, _TOOL, *command), capture_output=True, text=True, timeout=START_S
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _configure(self, data_ports: list[int]) -> Path:
        data, data_web, data_rpc = (f"127.0.0.1:{port}" for port in data_ports)
        hdfs = {
            "dfs.nameservices": CLUSTER,
            f"dfs.ha.namenodes.{CLUSTER}": ",".join(NODES),
            f"dfs.client.failover.proxy.provider.{CLUSTER}": _PROVIDER,
            "dfs.namenode.shared.edits.dir": f"file://{self._folder}/shared",
            "dfs.ha.fencing.methods": "shell(/bin/true)",
            "dfs.datanode.data.dir": f"file://{self._folder}/data",
            "dfs.datanode.address": data,
            "dfs.datanode.http.address": data_web,
            "dfs.datanode.ipc.address": data_rpc,
            "dfs.datanode.hostname": "127.0.0.1",
            "dfs.replication": "1",
            "dfs.webhdfs.enabled": "true",
            "dfs.namenode.safemode.threshold-pct": "0",
            "dfs.namenode.safemode.extension": "0",
        }
        for node in NODES:
            of = f"{CLUSTER}.{node}"
            hdfs[f"dfs.namenode.name.dir.{of}"] = f"file://{self._folder}/{node}"
            hdfs[f"dfs.namenode.rpc-address.{of}"] = f"127.0.0.1:{self._rpc[node]}"
            hdfs[f"dfs.namenode.http-address.{of}"] = f"127.0.0.1:{self._http[node]}"
        return configure(self._folder, {"fs.defaultFS": f"hdfs://{CLUSTER}"}, hdfs)

    def close(self) -> None:
        stop([self._data_node, *self._name_nodes.values()])
