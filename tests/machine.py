"""A machine in a folder, for the runbook: its paths lie below that folder, and systemd is played.

Each process is given the folder and the port of the service as MACHINE and MACHINE_PORT. The service and its processes
hold a lock for as long as they are there. It needs no Django.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

PLACES = r"(?<![\w.-])/(?=(?:opt/notes|etc|var/lib/notes|usr/local/bin|mnt/elsewhere|srv)\b)"


def placed(text, folder, port):
    """Return the text with the paths of the machine below the folder, and the port of the service."""
    return re.sub(r"\b8000\b", str(port), re.sub(PLACES, f"{folder}/", text))


def environment(pairs):
    """Return what the `Environment` and `EnvironmentFile` of a unit say, and nothing of ours but the path."""
    found = {"PATH": os.environ["PATH"]}
    for name, value in pairs:
        lines = Path(value).read_text().splitlines() if name == "EnvironmentFile" else [value]
        if name.startswith("Environment"):
            found |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return found


def systemd_run(words):
    pairs = []
    while words[0].startswith("-"):
        if words.pop(0) == "-p":
            pairs.append(words.pop(0).split("=", 1))
    run_as(pairs, words)


def run_as(pairs, words):
    subprocess.run(words, cwd=dict(pairs)["WorkingDirectory"], env=environment(pairs), check=True)


def systemctl(words, folder, port):
    action, *names = [word for word in words if word != "--now"]
    for name in names:
        if not name.startswith("notes"):
            continue
        unit = folder / "etc/systemd/system" / (name if "." in name else f"{name}.service")
        pairs = re.findall(r"^(\w+)=(.*)$", placed(unit.read_text(), folder, port), flags=re.MULTILINE)
        for path in dict(pairs).get("StateDirectory", "").split():
            (folder / "var/lib" / path).mkdir(mode=0o700, parents=True, exist_ok=True)
        if ("Type", "oneshot") in pairs:
            for key, command in pairs:
                if key == "ExecStart":
                    run_as(pairs, command.split())
        elif unit.suffix == ".service":
            control(action, pairs, folder / "service", port)


def control(action, pairs, state, port):
    lock = state.with_suffix(".lock").open("a")
    pid = state.with_suffix(".pid")
    if action in ("start", "enable"):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        command = [*dict(pairs)["ExecStart"].split(), "--port", str(port), "--processes", "1"]
        with state.with_suffix(".log").open("a") as log:
            process = subprocess.Popen(
                command,
                cwd=dict(pairs)["WorkingDirectory"],
                env=environment(pairs),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
        pid.write_text(str(process.pid))
    elif action == "reload":
        os.kill(int(pid.read_text()), signal.SIGHUP)
    elif action == "stop":
        os.kill(int(pid.read_text()), signal.SIGTERM)
        fcntl.flock(lock, fcntl.LOCK_EX)
        pid.unlink()
    elif action == "is-active":
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        sys.exit("inactive")
    else:
        sys.exit(f"systemctl {action} is not played")


if __name__ == "__main__":
    _, program, *words = sys.argv
    folder, port = Path(os.environ["MACHINE"]), int(os.environ["MACHINE_PORT"])
    words = [placed(word, folder, port) for word in words]
    if program == "systemd-run":
        systemd_run(words)
    else:
        systemctl(words, folder, port)
