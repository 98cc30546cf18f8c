"""What the command lines of the tools have in common: how they end, and where they write."""

import os
import signal
import sys

from . import Fault
from .contenders import REPOSITORY


def run(main, name):
    """Ends the process with the exit code of `main`. On SIGTERM and on Ctrl-C whatever it has started is stopped
    first, by its context managers; the exit codes are 143 and 130."""
    signal.signal(signal.SIGTERM, terminate)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except Fault as fault:
        sys.exit(f"{name}: {fault}")


def terminate(number, _frame):
    """Has the process end; a second signal does not disturb that."""
    signal.signal(number, lambda *_: None)
    sys.exit(128 + number)


def check_file(parser, option, file):
    """A usage error if `file`, which is written after the measurement, can't be; None is not written."""
    if file is None:
        return
    if not file.parent.is_dir():
        parser.error(f"{option}: there is no directory {file.parent}")
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        parser.error(f"{option}: {file} can't be written")


def check_report(parser, chosen):
    """The same of the report, and of what is published: that refers to it."""
    if chosen.publish and not (chosen.markdown and chosen.markdown.resolve().is_relative_to(REPOSITORY)):
        parser.error("what is published refers to a report in the repository: --markdown FILE")
    check_file(parser, "--markdown", chosen.markdown)


def counted(count, noun):
    """A number with its noun, in the singular or the plural."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
