"""nginx and HAProxy with the configurations of docs/behind-a-proxy.md, in front of two instances."""

import pathlib
import re
import shutil
import signal
import subprocess
import time

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "behind-a-proxy.md"
CONFIGURATION = """\
models = "models"
[auth]
mode = "none"
[kafka]
"bootstrap.servers" = "{brokers}"
"""
NGINX = """\
worker_processes 2;
daemon off;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
access_log off;
client_body_temp_path {directory}/body;
proxy_temp_path {directory}/proxy;
fastcgi_temp_path {directory}/fastcgi;
uwsgi_temp_path {directory}/uwsgi;
scgi_temp_path {directory}/scgi;
{text}
}}
"""


def documented(language):
    """The page's configuration in this language."""
    return re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


class Instance:
    """One ringest, with its addresses and its configuration in the environment."""

    def __init__(self, ringest, directory, name, ports, chosen, environment):
        public, self.management = (f"127.0.0.1:{port}" for port in ports)
        self.socket = directory / f"{name}.sock" if chosen.unix else None
        self.address = public
        self.command = [ringest, "--config", directory / "ringest.toml"]
        self.environment = {
            **environment,
            "RINGEST_LISTEN__ADDRESS": f"unix:{self.socket}" if chosen.unix else public,
            # The proxy may run as another user.
            **({"RINGEST_LISTEN__SOCKET_MODE": "0666"} if chosen.unix else {}),
            "RINGEST_LISTEN__TRUSTED_PROXIES": "unix" if chosen.unix else "127.0.0.1",
            "RINGEST_MANAGEMENT__ADDRESS": self.management,
            "RINGEST_TIMEOUTS__DRAIN_DELAY_MS": re.search(r"drain_delay_ms = (\S+)", PAGE.read_text())[1],
            "RINGEST_WORKERS": str(chosen.workers),
        }
        self.log = open(directory / f"{name}.log", "ab")
        self.start()

    def start(self):
        """Starts it, and waits until it is ready."""
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        while subprocess.run(["curl", "-sf", f"http://{self.management}/ready"],
                             stdout=subprocess.DEVNULL, check=False).returncode:
            if self.process.poll() is not None:
                raise SystemExit(f"it ended: {self.process.returncode}")
            time.sleep(0.05)

    def restart(self):
        """Ends and starts it: the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait()
        self.start()
        return code

    def stop(self):
        """Ends it."""
        self.process.kill()
        self.process.wait()
        self.log.close()


def start(name, directory, listen, instances):
    """Starts the proxy on this port in front of the instances."""
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if not program:
        raise SystemExit(f"{name} is not installed")
    text = documented(name)
    names = {"nginx": "unix:%s", "haproxy": "unix@%s"}
    for instance, public, management in zip(instances, (4000, 4010), (4001, 4011)):
        address = names[name] % instance.socket if instance.socket else instance.address
        text = text.replace(f"127.0.0.1:{public}", address)
        text = re.sub(rf"\b{management}\b", instance.management.rpartition(":")[2], text)
    text = text.replace("127.0.0.1:8080", "127.0.0.1:%d" % listen)
    file = directory / f"{name}.conf"
    if name == "nginx":
        file.write_text(NGINX.format(directory=directory, text=text))
        command = [program, "-p", directory, "-c", file]
    else:
        file.write_text(text)
        command = [program, "-db", "-f", file]
    log = open(directory / f"{name}.log", "ab")
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
