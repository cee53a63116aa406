"""Hadoop's name node and data node: HDFS and WebHDFS, the real ones.

The jars come from PyPI (tests/support/install-hadoop.sh); Jersey, by which the name node serves
WebHDFS, and Java come from the system's packages.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.servers.kerberos import Kerberos
from tests.servers.processes import free_ports, start, stop, wait_for_port

_JERSEY = [
    Path("/usr/share/java", f"{name}.jar")
    for name in ("jersey1-core", "jersey1-server", "jersey1-servlet", "jsr311-api")
]
SERVER = "org.apache.hadoop.hdfs.server"
_LOG = """log4j.rootLogger=INFO,c
log4j.appender.c=org.apache.log4j.ConsoleAppender
log4j.appender.c.layout=org.apache.log4j.SimpleLayout
"""
_PORTS = ("rpc", "web", "tls", "data", "data_web", "data_tls", "data_rpc")
_OPEN = "/webhdfs/v1/open?op=MKDIRS&permission=777&user.name={}"
_OPEN_BY_TICKET = """
import hdfs_native, sys
client = hdfs_native.Client(sys.argv[1], {"hadoop.security.authentication": "kerberos"})
client.mkdirs("/open", 0o777, True)
client.set_permission("/open", 0o777)
"""
_READY = "successfully registered"
START_S = 120
_PASSWORD = "secret"


_SERVICE, _WEB_SERVICE = "hadoop/127.0.0.1", "HTTP/127.0.0.1"
_SECURE_CORE = {
    "hadoop.security.authentication": "kerberos",
    "hadoop.ssl.enabled.protocols": "TLSv1.2",
    "hadoop.user.group.static.mapping.overrides": "boss=supergroup;",
    "hadoop.proxyuser.boss.hosts": "*",
    "hadoop.proxyuser.boss.groups": "*",
}


def _secure(keys: Path) -> dict[str, str]:
    who = {
        "dfs.namenode.kerberos.principal": _SERVICE,
        "dfs.namenode.keytab.file": str(keys),
        "dfs.datanode.kerberos.principal": _SERVICE,
        "dfs.datanode.keytab.file": str(keys),
        "dfs.web.authentication.kerberos.principal": _WEB_SERVICE,
        "dfs.web.authentication.kerberos.keytab": str(keys),
    }
    # A data node wants a port that only root may use, or this.
    return who | {
        "dfs.block.access.token.enable": "true",
        "ignore.secure.ports.for.testing": "true",
    }


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

    With kerberos a ticket says who asks, and "boss" may do everything, also for others; tls is then
    the same as web over TLS, with a certificate that authority has.
    """

    def __init__(self, folder: Path, kerberos: Kerberos | None = None) -> None:
        self._folder = folder
        self.kerberos = kerberos
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self.hdfs = f"hdfs://127.0.0.1:{ports['rpc']}"
        self.web = f"webhdfs://127.0.0.1:{ports['web']}"
        self.tls = f"webhdfs://127.0.0.1:{ports['tls']}"
        self.authority = folder / "server.pem"
        self._configure(ports)
        self._run("namenode.NameNode", "-format", "-force", "-nonInteractive").wait(START_S)
        self._name_node = self._run("namenode.NameNode")
        self._data_node = self._run("datanode.DataNode")
        wait_for_port(ports["web"], self._name_node, folder / "namenode.NameNode.log")
        wait_for_data_node(self._data_node, folder / "datanode.DataNode.log")
        wait_until_data_has_a_place(ports["web"])
        if kerberos is not None:
            self._open_by_ticket(kerberos)
        else:
            url = f"http://127.0.0.1:{ports['web']}{_OPEN.format(getpass.getuser())}"
            urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()

    def _open_by_ticket(self, kerberos: Kerberos) -> None:
        """In a process of its own, which alone has that ticket."""
        ticket = kerberos.ticket("boss", self._folder / "boss.ticket")
        env = {**os.environ, **kerberos.env, "KRB5CCNAME": f"FILE:{ticket}"}
        command = [sys.executable, "-c", _OPEN_BY_TICKET, self.hdfs]
        subprocess.run(command, env=env, check=True, timeout=START_S)

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
        if self.kerberos is not None:
            core |= _SECURE_CORE
            hdfs |= _secure(self.kerberos.keytab(_SERVICE, _WEB_SERVICE))
            hdfs |= {
                "dfs.http.policy": "HTTP_AND_HTTPS",
                "dfs.namenode.https-address": at["tls"],
                "dfs.datanode.https.address": at["data_tls"],
            }
        conf = configure(self._folder, core, hdfs)
        if self.kerberos is not None:
            (conf / "ssl-server.xml").write_text(as_xml(self._certify()))

    def _certify(self) -> dict[str, str]:
        """Makes a certificate that signed itself; what the servers are to know of it."""
        made = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=hadoop -addext"
        made += " subjectAltName=IP:127.0.0.1 -keyout server.key -out server.pem"
        packed = "pkcs12 -export -in server.pem -inkey server.key -out server.p12"
        for command in (made, f"{packed} -passout pass:{_PASSWORD}"):
            subprocess.run(
                ["openssl", *command.split()], cwd=self._folder, check=True, capture_output=True
            )
        return {
            "ssl.server.keystore.location": str(self._folder / "server.p12"),
            "ssl.server.keystore.type": "pkcs12",
            "ssl.server.keystore.password": _PASSWORD,
            "ssl.server.keystore.keypassword": _PASSWORD,
        }

    def _run(self, server: str, *options: str) -> subprocess.Popen[bytes]:
        more = []
        if self.kerberos is not None:
            more = [f"-Djava.security.krb5.conf={self.kerberos.config}"]
            for package in ("sun.security.krb5", "sun.security.jgss"):
                more += ["--add-opens", f"java.security.jgss/{package}=ALL-UNNAMED"]
        command = java(self._folder, *more, f"{SERVER}.{server}", *options)
        return start(command, self._folder / f"{server}.log")

    def close(self) -> None:
        stop([self._data_node, self._name_node])


def java(folder: Path, *rest: str) -> list[str]:
    """The command that runs a class with the settings in a folder. rest: Java's own options, the
    class, and its options."""
    classes = [folder / "conf", *_JERSEY, f"{jars()}/*"]
    # Whose name clients in this process say must not be the servers'.
    command = ["env", "-u", "HADOOP_USER_NAME", "java"]
    command += ["-Xmx256m", "-XX:TieredStopAtLevel=1", f"-Djava.io.tmpdir={folder}"]
    for package in ("java.lang", "java.nio"):
        command += ["--add-opens", f"java.base/{package}=ALL-UNNAMED"]
    return [*command, "-cp", ":".join(map(str, classes)), *rest]


def configure(folder: Path, core: dict[str, str], hdfs: dict[str, str]) -> Path:
    """Writes the settings of servers, and of clients too; returns where they are."""
    conf = folder / "conf"
    for server in ("hdfs", "datanode"):
        (conf / "webapps" / server / "WEB-INF").mkdir(parents=True)
    (conf / "core-site.xml").write_text(as_xml(core))
    (conf / "hdfs-site.xml").write_text(as_xml(hdfs))
    (conf / "log4j.properties").write_text(_LOG)
    return conf


def wait_for_data_node(process: subprocess.Popen[bytes], log: Path, times: int = 1) -> None:
    """Returns when a data node has told its name nodes of itself."""
    until = time.monotonic() + START_S
    while log.read_text(errors="replace").lower().count(_READY) < times:
        assert time.monotonic() < until, log.read_text(errors="replace")
        assert process.poll() is None, log.read_text(errors="replace")
        time.sleep(0.05)


def wait_until_data_has_a_place(web_port: int) -> None:
    """A data node that has registered says a little later how much room it has; before that, what
    wants to write is told that there is none."""
    url = f"http://127.0.0.1:{web_port}/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState"
    until = time.monotonic() + START_S
    while True:
        with urllib.request.urlopen(url, timeout=START_S) as answer:
            (state,) = json.load(answer)["beans"]
        if state["CapacityRemaining"] > 0:
            return
        assert time.monotonic() < until, state
        time.sleep(0.05)


def as_xml(settings: dict[str, str]) -> str:
    rows = (f"<property><name>{k}</name><value>{v}</value></property>" for k, v in settings.items())
    return f"<configuration>{''.join(rows)}</configuration>"
