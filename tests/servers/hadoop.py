"""Hadoop's name node and data node: HDFS and WebHDFS, the real ones.

The jars come from PyPI (tests/support/install-hadoop.sh); Jersey, by which the name node serves
WebHDFS, and Java come from the system's packages.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.servers.processes import free_ports, start, stop, wait_for_port

_JERSEY = [
    Path("/usr/share/java", f"{name}.jar")
    for name in ("jersey1-core", "jersey1-server", "jersey1-servlet", "jsr311-api")
]
_SERVER = "org.apache.hadoop.hdfs.server"
_LOG = """log4j.rootLogger=INFO,c
log4j.appender.c=org.apache.log4j.ConsoleAppender
log4j.appender.c.layout=org.apache.log4j.SimpleLayout
"""
_PORTS = ("rpc", "web", "data", "data_web", "data_rpc")
_OPEN = "/webhdfs/v1/open?op=MKDIRS&permission=777&user.name={}"
_READY = "successfully registered"
_START_S = 120


def jars() -> Path:
    repository = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("PANNIER_HADOOP") or repository / ".hadoop") / "jars"
    assert folder.is_dir(), f"Hadoop is not in {folder}: 'make hadoop' brings it"
    missing = [str(jar) for jar in _JERSEY if not jar.exists()]
    assert not missing, f"not there: {missing}: 'make system' installs libjersey1-servlet-java"
    assert shutil.which("java"), "Java is not there: 'make system' installs it"
    return folder


class Hadoop:
    """hdfs, web: URLs of the root, one for each protocol. Who says a name is that user.

    All may write in /open, nobody but the one who started it elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._classes = ":".join(map(str, [folder / "conf", *_JERSEY, f"{jars()}/*"]))
        ports = dict(
            zip(("rpc", "web", "data", "data_web", "data_rpc"), free_ports(5), strict=True)
        )
        self.hdfs = f"hdfs://127.0.0.1:{ports['rpc']}"
        self.web = f"webhdfs://127.0.0.1:{ports['web']}"
        self._configure(ports)
        self._run("namenode.NameNode", "-format", "-force", "-nonInteractive").wait(_START_S)
        self._name_node = self._run("namenode.NameNode")
        self._data_node = self._run("datanode.DataNode")
        wait_for_port(ports["web"], self._name_node, folder / "namenode.NameNode.log")
        until = time.monotonic() + _START_S
        log = folder / "datanode.DataNode.log"
        while _READY not in log.read_text(errors="replace").lower():
            assert time.monotonic() < until, log.read_text(errors="replace")
            assert self._data_node.poll() is None, log.read_text(errors="replace")
            time.sleep(0.05)
        url = f"http://127.0.0.1:{ports['web']}{_OPEN.format(getpass.getuser())}"
        urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()

    def _configure(self, ports: dict[str, int]) -> None:
        at = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        core = {"fs.defaultFS": f"hdfs://{at['rpc']}"}
        hdfs = {
            "dfs.namenode.name.dir": f"file://{self._folder}/names",
            "dfs.datanode.data.dir": f"file://{self._folder}/data",
            "dfs.replication": "1",
            "dfs.webhdfs.enabled": "true",
            "dfs.namenode.http-address": at["web"],
            "dfs.namenode.safemode.threshold-pct": "0",
            "dfs.namenode.safemode.extension": "0",
            "dfs.datanode.address": at["data"],
            "dfs.datanode.http.address": at["data_web"],
            "dfs.datanode.ipc.address": at["data_rpc"],
            "dfs.datanode.hostname": "127.0.0.1",
        }
        conf = self._folder / "conf"
        for server in ("hdfs", "datanode"):
            (conf / "webapps" / server / "WEB-INF").mkdir(parents=True)
        (conf / "core-site.xml").write_text(_xml(core))
        (conf / "hdfs-site.xml").write_text(_xml(hdfs))
        (conf / "log4j.properties").write_text(_LOG)

    def _run(self, server: str, *options: str) -> subprocess.Popen[bytes]:
        command = [
            "java",
            "-Xmx256m",
            "-XX:TieredStopAtLevel=1",
            f"-Djava.io.tmpdir={self._folder}",
        ]
        for package in ("java.lang", "java.nio"):
            command += ["--add-opens", f"java.base/{package}=ALL-UNNAMED"]
        command += ["-cp", self._classes, f"{_SERVER}.{server}", *options]
        return start(command, self._folder / f"{server}.log")

    def close(self) -> None:
        stop([self._data_node, self._name_node])


def _xml(settings: dict[str, str]) -> str:
    rows = (f"<property><name>{k}</name><value>{v}</value></property>" for k, v in settings.items())
    return f"<configuration>{''.join(rows)}</configuration>"
