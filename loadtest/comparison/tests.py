"""Tests of what the comparison computes: `python3 -m unittest comparison.tests` in `loadtest/`."""

import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from . import Fault, bodies, contenders, credentials, flood_report, flooding, measure, report
from .measure import Row

RECORDS = pathlib.Path(__file__).parents[1] / "records"


def row(contender, number, cpu_s, requests=1_000, scenario="event-293", records=None, fault=""):
    return Row("mock", scenario, number, contender, requests=requests, seconds=1.0, cpu_s=cpu_s,
               records=requests if records is None else records, fault=fault)


class Bodies(unittest.TestCase):
    def test_each_record_is_an_object_of_the_stated_size(self):
        for scenario in bodies.SCENARIOS.values():
            value = json.loads(scenario.body())
            records = value if isinstance(value, list) else [value]
            self.assertEqual(len(records), scenario.records)
            for record in records:
                self.assertEqual(len(bodies.compact(record)), scenario.record_bytes)
            self.assertEqual(len({record["eventId"] for record in records}), scenario.records)

    def test_the_file_is_the_first_event(self):
        self.assertEqual((RECORDS / "event-293.json").read_bytes(), bodies.event(0))

    def test_an_impossible_size_is_an_error(self):
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

    def test_an_ended_process_is_an_error(self):
        ended = subprocess.Popen(["true"])
        ended.wait()
        with self.assertRaises(Fault):
            measure.process_s(ended.pid)

    def test_an_unknown_core_is_an_error(self):
        with self.assertRaises(Fault):
            measure.busy_s(os.cpu_count() + 1_000)


class Start(unittest.TestCase):
    def started(self, script):
        """Runs `running` with this shell script as the server."""
        with tempfile.TemporaryDirectory() as name:
            core = min(os.sched_getaffinity(0))
            with contenders.running("sh", ["-c", script], core, pathlib.Path(name)) as (_, where):
                return where

    def test_the_address_is_found_among_other_lines(self):
        script = "echo starting >&2; echo listening on 127.0.0.1:4711 >&2; exec sleep 5"
        self.assertEqual(self.started(script), "127.0.0.1:4711")

    def test_a_server_that_ends_is_an_error_with_its_last_line(self):
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

    def test_an_invalid_row_is_reported_but_excluded_from_ratios(self):
        rows = [row("bare", 1, 0.010), row("ringest", 1, 0.011, fault="3 status"),
                row("bare", 2, 0.010), row("ringest", 2, 0.012)]
        self.assertEqual(report.ratios(rows, "ringest", "bare"), [1.2])
        text = report.markdown(rows, "loadtest/compare", measure.Cores(0, 1))
        self.assertIn("3 status", text)

    def test_targets_include_their_bound(self):
        for cpu_s, word in ((0.0125, "met"), (0.0126, "MISSED")):
            text = report.targets([row("bare", 1, 0.010), row("ringest", 1, cpu_s)])
            self.assertTrue(text.splitlines()[0].endswith(word), text)
        for cpu_s, word in ((0.0160, "met"), (0.0159, "MISSED")):
            text = report.targets([row("ringest", 1, 0.010), row("axum", 1, cpu_s)])
            self.assertTrue(text.splitlines()[1].endswith(word), text)
        for cpu_s, word in ((1.0, "met"), (1.01, "MISSED")):
            arrays = row("ringest", 1, cpu_s, scenario="array-1000", records=1_000_000)
            self.assertTrue(report.targets([arrays]).splitlines()[2].endswith(word))
        for cpu_s, word in ((0.0103, "met"), (0.0104, "MISSED")):
            rows = [row("open-jwt", 1, 0.010, scenario="auth-293"),
                    row("jwt", 1, cpu_s, scenario="auth-293")]
            text = report.targets(rows).splitlines()
            self.assertIn("jwt ÷ open-jwt", text[3])
            self.assertTrue(text[3].endswith(word), text[3])

    def test_without_measurements_no_target_is_met(self):
        rows = [row("ringest", 1, 0.0, requests=0, fault="did not start")]
        text = report.targets(rows)
        self.assertEqual(text.count("not measured"), len(text.splitlines()))
        self.assertIn("did not start", report.cells(rows[0]))

    def test_a_report_has_no_host_name_and_no_path(self):
        text = report.markdown([row("bare", 1, 0.01)], "loadtest/compare", measure.Cores(0, 1))
        self.assertNotIn(os.uname().nodename, text)
        self.assertNotIn(str(contenders.REPOSITORY), text)


class Tokens(unittest.TestCase):
    def test_jwts_are_signed_by_the_returned_key(self):
        made = credentials.make(jwts=2, keys=0)
        self.assertEqual(len(set(made.jwts)), 2)
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            (directory / "public.pem").write_text(made.public_key)
            for jwt in made.jwts:
                signed, _, signature = jwt.rpartition(".")
                (directory / "signature").write_bytes(base64.urlsafe_b64decode(signature + "=="))
                text = credentials.openssl(
                    "dgst", "-sha256", "-verify", directory / "public.pem",
                    "-signature", directory / "signature", stdin=signed.encode())
                self.assertEqual(text, b"Verified OK\n")
                claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
                self.assertEqual((claims["iss"], claims["aud"]),
                                 (credentials.ISSUER, [credentials.AUDIENCE]))

    def test_keys_are_distinct_and_in_mooses_format(self):
        made = [credentials.key() for _ in range(100)]
        for key in made:
            self.assertRegex(key, r"^[0-9a-f]{32}\.[0-9a-f]{32}$")
        self.assertEqual(len(set(made)), 100)

    def test_the_hash_equals_mooses(self):
        # Made by the openssl command: `openssl kdf -keylen 20 -kdfopt digest:SHA256 -kdfopt iter:1000
        # -kdfopt pass:001122… -kdfopt salt:ffeedd… PBKDF2`.
        key = "00112233445566778899aabbccddeeff.ffeeddccbbaa99887766554433221100"
        self.assertEqual(credentials.pbkdf2(key), "d8de8fcd077e81e756e11f0c422463d9e1d4560e")

    def test_contenders_that_authenticate_receive_tokens(self):
        for name in contenders.AUTHENTICATED:
            contender = contenders.CONTENDERS[name]
            self.assertIn(contender.sends, ("", "jwt", "key"))
            self.assertTrue(contender.sends or not contender.checks, name)
        for over, under in report.CHECKED:
            self.assertEqual(contenders.CONTENDERS[over].sends, contenders.CONTENDERS[under].sends)


def client(requests=1_000, p99_us=1_000, good=None):
    good = requests if good is None else good
    answers = {"200": good, "503": requests - good}
    return {"requests": requests, "answers": answers, "failed": 0,
            "p50_us": 500, "p99_us": p99_us, "max_us": 2 * p99_us}


def flood(p99_us=2_000, cpu_s=1.0, answers=None, good=None):
    junk = {"seconds": 10.0, "finished": True, "sent": 100_000, "answered": 100_000,
            "answers": answers or {"401": 100_000}, "cut_off": 0, "connects_failed": 0}
    quiet = flooding.Phase(10.0, 0.5, 0.0, 0.1, client(), client(100), {})
    flooded = flooding.Phase(10.0, 0.5 + cpu_s, 0.0, 0.5, client(p99_us=p99_us, good=good),
                             client(100), junk)
    return flooding.Flood("ringest", "pbkdf2", 1, quiet, flooded)


class Floods(unittest.TestCase):
    def test_the_cost_of_junk_excludes_the_valid_clients(self):
        self.assertAlmostEqual(flood(cpu_s=0.7).cpu_us_per_junk, 7.0)

    def test_targets_include_their_bound(self):
        for one, line, word in (
            (flood(p99_us=2_000), 0, "met"), (flood(p99_us=2_001), 0, "MISSED"),
            (flood(), 1, "met"), (flood(good=999), 1, "MISSED"),
            (flood(cpu_s=0.999), 2, "met"), (flood(cpu_s=1.0), 2, "MISSED"),
        ):
            text = flood_report.targets([one], 10_000).splitlines()[line]
            self.assertTrue(text.endswith(word), text)
        for rate, word in ((10_000, "met"), (11_000, "MISSED")):
            text = flood_report.targets([flood()], rate).splitlines()[3]
            self.assertTrue(text.endswith(word), text)

    def test_accepted_junk_is_an_error(self):
        flooding.check(flood(answers={"401": 1, "503": 99_999}), arrived=10_000)
        with self.assertRaisesRegex(Fault, "junk is answered 200, 500"):
            flooding.check(flood(answers={"200": 1, "500": 1, "401": 99_998}), arrived=10_000)

    def test_missing_records_are_an_error(self):
        with self.assertRaisesRegex(Fault, "2199 arrived"):
            flooding.check(flood(), arrived=2_199)
        flooding.check(flood(), arrived=2_200)

    def test_a_failed_flood_is_reported_and_meets_no_target(self):
        bad = flooding.Flood("ringest", "sha256", 1, fault="did not start")
        text = flood_report.markdown([bad], "loadtest/flood", measure.Cores(0, 1), 10_000)
        self.assertIn("did not start", text)
        self.assertEqual(text.count("not measured"), 4)

    def test_each_kind_of_junk_has_a_server_that_checks_for_it(self):
        for kinds in flooding.SERVERS.values():
            for name in kinds.values():
                self.assertTrue(contenders.CONTENDERS[name].checks, name)


if __name__ == "__main__":
    unittest.main()
