"""Runs `ringest --dev` for two seconds under seccomp.json, as a container would: confined.py io_uring|epoll RINGEST.

With "epoll" the calls of io_uring are denied, as Docker's default profile does. x86-64 only.
"""

import json
import os
import pathlib
import signal
import sys
import time

import seccomp

OPERATORS = {"SCMP_CMP_MASKED_EQ": seccomp.MASKED_EQ, "SCMP_CMP_EQ": seccomp.EQ, "SCMP_CMP_LT": seccomp.LT}


def action(rule):
    """The action of a rule, or of the profile by default."""
    if rule.get("action", rule.get("defaultAction")) == "SCMP_ACT_ALLOW":
        return seccomp.ALLOW
    return seccomp.ERRNO(rule.get("errnoRet", rule.get("defaultErrnoRet", 1)))


def load(profile, denied):
    """Applies the profile to this process and those that it starts."""
    default = action(profile)
    filters = seccomp.SyscallFilter(defaction=default)
    for rule in profile["syscalls"]:
        arguments = []
        for argument in rule.get("args", []):
            values = [argument["value"]]
            if argument["op"] == "SCMP_CMP_MASKED_EQ":
                values.append(argument.get("valueTwo", 0))
            arguments.append(seccomp.Arg(argument["index"], OPERATORS[argument["op"]], *values))
        for name in rule["names"]:
            if name.startswith(denied):
                continue
            try:
                filters.add_rule(action(rule), name, *arguments)
            except (RuntimeError, OSError, ValueError):
                pass  # no such call on this architecture, or in this libseccomp
    filters.load()


def main():
    """Starts the server and ends it."""
    driver, ringest = sys.argv[1:]
    denied = ("io_uring_",) if driver == "epoll" else ()
    profile = json.loads((pathlib.Path(__file__).parent / "seccomp.json").read_text())
    variables = {"LISTEN__ADDRESS": "127.0.0.1:0", "MANAGEMENT__ADDRESS": "127.0.0.1:0"}
    environment = os.environ | {f"RINGEST_{name}": value for name, value in variables.items()}
    child = os.fork()
    if child == 0:
        os.closerange(3, 64)
        load(profile, denied)
        os.execve(ringest, [ringest, "--dev"], environment)
    time.sleep(2)
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


main()
