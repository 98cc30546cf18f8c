"""Tests of what the comparison computes: `python3 -m unittest comparison.tests` in `loadtest/`."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from . import Fault, bodies, contenders, measure, report
from .measure import Row

RECORDS = pathlib.Path(__file__).parents[1] / "records"


def row(contender, number, cpu_s, requests=1_000, scenario="event-293", records=None, fault=""):
    return Row("mock", scenario, number, contender, requests=requests, seconds=1.0, cpu_s=cpu_s,
               records=requests if records is None else records, fault=fault)


class Bodies(unittest.TestCase):
    def test_each_record_is_an_object_of_the_size_its_name_says(self):
        for scenario in bodies.SCENARIOS.values():
            value = json.loads(scenario.body())
            records = value if isinstance(value, list) else [value]
            self.assertEqual(len(records), scenario.records)
            for record in records:
                self.assertEqual(len(bodies.compact(record)), scenario.record_bytes)
            self.assertEqual(len({record["eventId"] for record in records}), scenario.records)

    def test_the_file_is_the_first_event(self):
        self.assertEqual((RECORDS / "event-293.json").read_bytes(), bodies.event(0))

    def test_a_size_that_cannot_be_met_is_an_error(self):
        with self.assertRaises(ValueError):
            bodies.event(0, 292)


class Processor(unittest.TestCase):
    def test_the_cpu_time_of_a_process_counts_all_its_threads(self):
        threads = (
            "import threading\n"
            "def spin():\n"
            "    for _ in range(3_000_000): pass\n"
            "many = [threading.Thread(target=spin) for _ in range(3)]\n"
            "[one.start() for one in many]; [one.join() for one in many]\n"
            "import time; print(time.process_time(), flush=True); input()"
        )
        with subprocess.Popen([sys.executable, "-c", threads], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as process:
            own = float(process.stdout.readline())
            self.assertAlmostEqual(measure.process_s(process.pid), own, delta=0.05)
            process.communicate("\n")

    def test_a_process_that_has_ended_is_a_fault(self):
        ended = subprocess.Popen(["true"])
        ended.wait()
        with self.assertRaises(Fault):
            measure.process_s(ended.pid)

    def test_a_core_that_does_not_exist_is_a_fault(self):
        with self.assertRaises(Fault):
            measure.busy_s(os.cpu_count() + 1_000)


class Start(unittest.TestCase):
    def started(self, script):
        """What `running` makes of a server that this shell script plays."""
        with tempfile.TemporaryDirectory() as name:
            core = min(os.sched_getaffinity(0))
            with contenders.running("sh", ["-c", script], core, pathlib.Path(name)) as (_, where):
                return where

    def test_the_address_is_found_among_other_lines(self):
        script = "echo starting >&2; echo listening on 127.0.0.1:4711 >&2; exec sleep 5"
        self.assertEqual(self.started(script), "127.0.0.1:4711")

    def test_a_server_that_ends_is_a_fault_with_its_last_words(self):
        before = time.monotonic()
        with self.assertRaisesRegex(Fault, "exit code 3, no broker"):
            self.started("echo no broker >&2; exit 3")
        self.assertLess(time.monotonic() - before, contenders.START_TIMEOUT_S)


class Figures(unittest.TestCase):
    def test_ratios_pair_the_rows_of_a_round(self):
        rows = [row("bare", 1, 0.010), row("ringest", 1, 0.011),
                row("bare", 2, 0.020), row("ringest", 2, 0.030)]
        found = report.ratios(rows, "ringest", "bare")
        self.assertEqual([round(value, 6) for value in found], [1.1, 1.5])

    def test_a_bad_row_takes_its_round_out_of_the_ratios_but_stays_in_the_report(self):
        rows = [row("bare", 1, 0.010), row("ringest", 1, 0.011, fault="3 status"),
                row("bare", 2, 0.010), row("ringest", 2, 0.012)]
        self.assertEqual(report.ratios(rows, "ringest", "bare"), [1.2])
        text = report.markdown(rows, "loadtest/compare", measure.Cores(0, 1))
        self.assertIn("3 status", text)

    def test_targets_are_met_at_their_bound_and_missed_beyond(self):
        for cpu_s, word in ((0.0125, "met"), (0.0126, "MISSED")):
            said = report.targets([row("bare", 1, 0.010), row("ringest", 1, cpu_s)])
            self.assertTrue(said.splitlines()[0].endswith(word), said)
        for cpu_s, word in ((0.0160, "met"), (0.0159, "MISSED")):
            said = report.targets([row("ringest", 1, 0.010), row("axum", 1, cpu_s)])
            self.assertTrue(said.splitlines()[1].endswith(word), said)
        for cpu_s, word in ((1.0, "met"), (1.01, "MISSED")):
            arrays = row("ringest", 1, cpu_s, scenario="array-1000", records=1_000_000)
            self.assertTrue(report.targets([arrays]).endswith(word))

    def test_nothing_measured_is_no_success(self):
        rows = [row("ringest", 1, 0.0, requests=0, fault="did not start")]
        self.assertEqual(report.targets(rows).count("not measured"), 3)
        self.assertIn("did not start", report.cells(rows[0]))

    def test_a_report_names_no_host_and_no_path(self):
        text = report.markdown([row("bare", 1, 0.01)], "loadtest/compare", measure.Cores(0, 1))
        self.assertNotIn(os.uname().nodename, text)
        self.assertNotIn(str(contenders.REPOSITORY), text)


if __name__ == "__main__":
    unittest.main()
