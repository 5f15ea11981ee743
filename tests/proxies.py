"""Starts nginx and Caddy as `deploy/` shows them, with ports, folders and a certificate of the tests."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from notesproject.environment import BASE_DIR
from tests.server import START_SECONDS, free_port, is_listening

NAME = "notes.example.org"
# The rest of nginx's configuration, as a distribution has it.
NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
    {upstream}
    {server}
}}
"""


def needs(program):
    """Skip a test where a Debian package is not installed; `.ci/run` installs it."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def certified(folder):
    """Make a certificate. Return the paths of certificate and key."""
    certificate, key = folder / "certificate.pem", folder / "certificate.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", f"/CN={NAME}", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def nginx_conf(folder, port, servers, **changes):
    """Write nginx's configuration in front of these servers, with plain HTTP on this port. Return its path."""
    certificate, key = certified(folder)
    upstream = "".join(f"server {urlsplit(url).netloc};" for url in servers)
    server = replaced(
        (BASE_DIR / "deploy/nginx.conf").read_text(),
        {
            "listen 80;": f"listen 127.0.0.1:{port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{free_port()} ssl;",
            f"/etc/ssl/{NAME}.pem": str(certificate),
            f"/etc/ssl/{NAME}.key": str(key),
            "http://127.0.0.1:8000": "http://servers",
            **changes,
        },
    )
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, upstream=f"upstream servers {{{upstream}}}", server=server))
    return path


def caddyfile(folder, port, servers, **changes):
    """Do the same for Caddy."""
    text = replaced(
        (BASE_DIR / "deploy/Caddyfile").read_text(),
        {
            "http://{$NOTES_HOST:notes.example.org}, https://{$NOTES_HOST:notes.example.org} {": (
                f"http://:{port} {{\n\tbind 127.0.0.1"
            ),
            "{$NOTES_SERVERS:127.0.0.1:8000}": " ".join(urlsplit(url).netloc for url in servers),
            "{\n\tservers": "{\n\tadmin off\n\tauto_https off\n\tservers",
            **changes,
        },
    )
    path = folder / "Caddyfile"
    path.write_text(text)
    return path


def environment_of_caddy(folder):
    return os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


def replaced(text, changes):
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def proxy(program, folder, *servers, **changes):
    """Yield the address of nginx or caddy in front of these servers."""
    port = free_port()
    if program == "nginx":
        command = ["nginx", "-c", nginx_conf(folder, port, servers, **changes)]
    else:
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", caddyfile(folder, port, servers, **changes)]
    with (
        (folder / "output").open("w") as output,
        subprocess.Popen(
            command, env=environment_of_caddy(folder), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while not is_listening(port):
                assert time.monotonic() < deadline, (folder / "output").read_text()
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
