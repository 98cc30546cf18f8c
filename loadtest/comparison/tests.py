"""Tests of what the comparison computes: `python3 -m unittest comparison.tests` in `loadtest/`."""

import base64
import contextlib
import io
import json
import os
import pathlib
import re
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import xml.etree.ElementTree

from . import (
    Fault, bodies, contenders, credentials, flood_report, flooding, gateways, measure, plan, plot, promises, publish,
    report, rows)
from .measure import Row

RECORDS = pathlib.Path(__file__).parents[1] / "records"


def row(contender, number, cpu_s, requests=1_000, scenario="event-293", records=None, fault="", **others):
    fields = {"broker": "mock", "seconds": 1.0, **others}
    return Row(scenario=scenario, round=number, contender=contender, requests=requests, cpu_s=cpu_s,
               records=requests if records is None else records, fault=fault, **fields)


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

    def test_the_cpu_time_of_descendants_counts_even_when_they_have_ended(self):
        spin = "import time\nwhile time.process_time() < 0.2: pass\n"
        parent = (
            "import subprocess, sys\n"
            f"subprocess.run([sys.executable, '-c', {spin!r}])\n"
            f"subprocess.run([sys.executable, '-c', {spin + 'print(flush=True); time.sleep(10)'!r}])"
        )
        process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
        try:
            process.stdout.readline()
            pids = measure.tree(process.pid)
            self.assertEqual(len(pids), 2)
            self.assertGreaterEqual(measure.process_s(process.pid), 0.38)
        finally:
            process.kill()
            process.stdout.close()
            process.wait()

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

    def test_a_server_that_ends_under_load_is_an_error_with_its_code(self):
        for end, words in (("exit 3", "ended, exit code 3"), ("kill -9 $$", "ended, signal 9")):
            server = subprocess.Popen(["sh", "-c", end])
            with self.assertRaisesRegex(Fault, words), contenders.kept_running(server):
                server.wait()
                raise Fault("256 read")
        server = subprocess.Popen(["sleep", "60"])
        with self.assertRaisesRegex(Fault, "256 read"), contenders.kept_running(server):
            raise Fault("256 read")
        with contenders.kept_running(server):
            pass
        contenders.stop(server)


class CommandLine(unittest.TestCase):
    DIRECTORY = pathlib.Path(__file__).parents[1]

    def usage(self, tool, *options):
        """What a tool says about options that it rejects."""
        said = io.StringIO()
        with unittest.mock.patch.object(sys, "argv", [tool, *options]), contextlib.redirect_stderr(said), \
                self.assertRaises(SystemExit) as ended:
            runpy.run_path(str(self.DIRECTORY / tool))["arguments"]()
        self.assertEqual(ended.exception.code, 2, options)
        return said.getvalue()

    def test_options_that_select_nothing_or_have_no_effect_are_usage_errors(self):
        for options, words in (
            (["--scenario", "auth-293", "--server", "typed"], "none of the servers typed runs in auth-293"),
            (["--headline", "--server", "typed", "--rounds", "2"], "it excludes --server, --rounds"),
            (["--headline", "--scenario", "workers", "--broker", "mock"], "it excludes --scenario, --broker"),
            (["--minutes", "0"], "--minutes"), (["--minutes", "nan"], "--minutes"),
            (["--publish", "--markdown", str(self.DIRECTORY / "runs" / "x.md")], "--publish needs --headline"),
            (["--publish", "--headline"], "--markdown FILE"),
            (["--markdown", "/nowhere/x.md"], "there is no directory /nowhere"),
        ):
            self.assertIn(words, self.usage("compare", *options))

    def test_files_are_checked_before_the_run(self):
        self.assertIn("no directory /nowhere", self.usage("promises", "--markdown", "/nowhere/x.md"))
        self.assertIn("no directory /nowhere", self.usage("flamegraph", "--out", "/nowhere/x.svg"))
        self.assertIn("no directory /nowhere", self.usage("flood", "--markdown", "/nowhere/x.md"))
        self.assertIn("can't be written", self.usage("flamegraph", "--out", "/"))
        self.assertIn("in the repository", self.usage("promises", "--publish", "--markdown", "/tmp/x.md"))

    def test_a_signal_stops_whatever_was_started(self):
        script = (
            "import pathlib, subprocess, sys, tempfile\n"
            "from comparison import command_line, contenders\n"
            "def main():\n"
            "    with tempfile.TemporaryDirectory() as name:\n"
            "        server = ['-c', 'echo listening on 127.0.0.1:4711 >&2; exec sleep 60']\n"
            "        with contenders.running('sh', server, sys.argv[1], pathlib.Path(name)) as (process, _):\n"
            # Its line comes when `subprocess.run` waits for it: an earlier signal finds it half started.
            "            client = ['sh', '-c', 'sleep 1; echo $$ $0 $1; exec sleep 60', str(process.pid), name]\n"
            "            subprocess.run(client)\n"
            "command_line.run(main, 'tool')\n")
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            words = [sys.executable, "-c", script, str(min(os.sched_getaffinity(0)))]
            with subprocess.Popen(words, cwd=self.DIRECTORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True) as tool:
                client, server, directory = tool.stdout.readline().split()
                tool.send_signal(number)
                said = tool.communicate(timeout=60)[1]
            self.assertEqual(tool.returncode, code, said)
            self.assertEqual(said, "tool: interrupted\n" if code == 130 else "")
            self.assertFalse(pathlib.Path(directory).exists())
            for pid in (client, server):
                self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())


class Figures(unittest.TestCase):
    def test_disturbed_rows_count_where_there_are_no_others(self):
        rows = [row("typed", 1, 0.01), row("typed", 2, 0.03, server_core_other=0.2), row("axum", 2, 0.06)]
        self.assertEqual([one.round for one in report.valid(rows, "typed")], [1])
        self.assertEqual(report.valid(rows[1:], "typed"), rows[1:2])
        # The only round that has both.
        self.assertEqual(report.ratios(rows, "axum", "typed"), [2])
        rows.append(row("axum", 1, 0.03))
        self.assertEqual(report.ratios(rows, "axum", "typed"), [3])

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

    def met(self, start, *rows):
        """The result of the one target that starts so."""
        lines = [line for line in report.targets(rows).splitlines() if line.startswith(f"- {start}")]
        self.assertEqual(len(lines), 1, start)
        return lines[0].rpartition(": ")[2]

    def test_targets_include_their_bound(self):
        for start, over, under, cpu_s, word in (
            ("293 B records: ringest ÷ floor (raw-epoll)", "ringest", "raw-epoll", 0.0125, "met"),
            ("293 B records: ringest ÷ floor (raw-epoll)", "ringest", "raw-epoll", 0.0126, "MISSED"),
            ("293 B records: typed ÷ ringest", "typed", "ringest", 0.0110, "met"),
            ("293 B records: typed ÷ ringest", "typed", "ringest", 0.0111, "MISSED"),
            ("293 B records: axum ÷ ringest", "axum", "ringest", 0.0160, "met"),
            ("293 B records: axum ÷ ringest", "axum", "ringest", 0.0159, "MISSED"),
        ):
            rows = row(over, 1, cpu_s), row(under, 1, 0.010)
            self.assertEqual(self.met(start, *rows), word, (start, cpu_s))

    def test_targets_of_single_rows_include_their_bound(self):
        for cpu_s, word in ((0.75, "met"), (0.76, "MISSED")):
            arrays = row("typed", 1, cpu_s, scenario="array-1000", records=1_000_000)
            self.assertEqual(self.met("arrays of 1,000", arrays), word)
        for cpu_s, word in ((0.050, "met"), (0.051, "MISSED")):
            low = row("ringest", 1, cpu_s, scenario="rate-1000", rate=1_000)
            self.assertEqual(self.met("1,000 requests/s", low), word)
        for cpu_s, word in ((0.0103, "met"), (0.0104, "MISSED")):
            rows = [row("open-jwt", 1, 0.010, scenario="auth-293"),
                    row("jwt", 1, cpu_s, scenario="auth-293")]
            self.assertEqual(self.met("a token a connection: jwt ÷ open-jwt", *rows), word)

    def test_the_cheapest_product_is_compared_on_kafka(self):
        for cpu_s, word in ((0.030, "met"), (0.029, "MISSED")):
            rows = [row(name, 1, cost, broker="kafka") for name, cost in (
                ("bare", 0.005), ("ringest", 0.009), ("typed", 0.010), ("axum", 0.02), ("dapr", 0.1), ("flume", cpu_s))]
            start = "Apache Kafka, 293 B records: the cheapest product (flume)"
            self.assertEqual(self.met(start, *rows), word)

    def test_without_measurements_no_target_is_met(self):
        rows = [row("ringest", 1, 0.0, requests=0, fault="did not start")]
        text = report.targets(rows)
        self.assertEqual(text.count("not measured"), len(text.splitlines()))
        self.assertIn("did not start", report.cells(rows[0]))

    def test_targets_of_other_scenarios_are_not_listed(self):
        self.assertEqual(len(report.targets([row("typed", 1, 0.01, scenario="array-1000")]).splitlines()), 1)
        others = [row("typed", 1, 0.01, scenario="event-1k")]
        self.assertEqual(report.targets(others), "")
        self.assertNotIn("## Targets", report.markdown(others, "loadtest/compare", measure.Cores(0, 1)))

    def test_an_interrupted_run_is_marked(self):
        for interrupted in (True, False):
            text = report.markdown([row("bare", 1, 0.01)], "loadtest/compare", measure.Cores(0, 1),
                                   interrupted=interrupted)
            self.assertEqual(report.INTERRUPTED in text, interrupted)

    def test_a_report_has_no_host_name_and_no_path(self):
        text = report.markdown([row("bare", 1, 0.01)], "loadtest/compare", measure.Cores(0, 1))
        self.assertNotIn(os.uname().nodename, text)
        self.assertNotIn(str(contenders.REPOSITORY), text)


class Floor(unittest.TestCase):
    ROWS = [row("raw-uring", 1, 0.009), row("raw-epoll", 1, 0.005), row("raw-epoll", 2, 0.007),
            row("bare", 1, 0.001, fault="3 status"), row("bare", 2, 0.008), row("ringest", 1, 0.004)]

    def test_the_floor_is_the_cheapest_that_only_answers(self):
        self.assertEqual(report.floor(self.ROWS), "raw-epoll")
        self.assertEqual(report.floor(self.ROWS[3:]), "bare")
        self.assertIsNone(report.floor(self.ROWS[5:]))

    def test_the_summary_names_it_and_has_ratios_to_it(self):
        lines = report.summary(self.ROWS).splitlines()
        named = [line for line in lines if "(floor)" in line]
        self.assertEqual(len(named), 1)
        self.assertIn("raw-epoll (floor)", named[0])
        uring = next(line for line in lines if "raw-uring" in line)
        self.assertIn("1.80 (1.80–1.80)", uring)

    def test_floors_do_not_produce(self):
        for name in (*plan.FLOORS, "bare-default"):
            self.assertFalse(contenders.CONTENDERS[name].produces)
            self.assertEqual(plot.kind(name), "floor")


class OpenLoop(unittest.TestCase):
    RESULT = {"seconds": 4.02, "answers": {
        "200": {"count": 3_990, "p50_us": 300, "p99_us": 900, "p999_us": 2_000, "max_us": 4_000},
        "503": {"count": 10, "p50_us": 5, "p99_us": 5, "p999_us": 5, "max_us": 5},
    }, "failed": 1, "unanswered": 2}

    def loaded(self, result, seconds=4.02, rate=1_000):
        """A row of four seconds at 1,000 requests a second, whose last answer came then."""
        sums = measure.steady_sums(result | {"seconds": seconds})
        sending = unittest.mock.Mock(rate=rate, scenario=bodies.SCENARIOS["rate-1000"])
        sending.run.return_value = sums
        found = Row("mock", "rate-1000", 1, "ringest", rate=rate)
        measure.load(found, measure.Cores(0, 0), unittest.mock.Mock(pid=os.getpid()), sending, 4)
        return found

    def test_sums_are_of_the_answers_2xx(self):
        sums = measure.steady_sums(self.RESULT)
        self.assertEqual((sums["requests"], sums["status"], sums["read"], sums["timeout"]), (4_000, 10, 1, 2))
        self.assertEqual((sums["p50"], sums["p99"], sums["p999"]), (300, 900, 2_000))

    def test_a_rate_that_is_not_carried_is_noted(self):
        good = {"answers": {"204": self.RESULT["answers"]["200"] | {"count": 4_000}},
                "failed": 0, "unanswered": 0}
        self.assertEqual(self.loaded(good).note, "")
        self.assertIn("not carried: 800/s", self.loaded(good, 5).note)
        self.assertIn("10 status", self.loaded(self.RESULT).note)
        nothing = {"answers": {}, "failed": 4_000, "unanswered": 0}
        self.assertIn("4000 read", self.loaded(nothing).fault)

    def test_late_answers_leave_connections_for_the_next_requests(self):
        for rate, connections in ((1_000, 256), (16_000, 256), (65_000, 1_040)):
            sending = measure.Load("1", "127.0.0.1:80", bodies.SCENARIOS["rate-80%"], ["body.json"], rate=rate)
            self.assertEqual(sending.connections, connections)

    def test_a_share_of_the_peak_needs_the_peak(self):
        scenario = bodies.SCENARIOS["rate-80%"]
        found = Row("mock", scenario.name, 1, "ringest")
        with self.assertRaisesRegex(Fault, "peak"):
            rows.Run.is_worthwhile(found, scenario, None)
        self.assertTrue(rows.Run.is_worthwhile(found, scenario, [900, 1_000, 2_000]))
        self.assertEqual(found.rate, 800)

    def test_a_rate_far_above_the_peak_is_not_tried(self):
        scenario = bodies.SCENARIOS["rate-40000"]
        found = Row("mock", scenario.name, 1, "ringest")
        self.assertFalse(rows.Run.is_worthwhile(found, scenario, [20_000]))
        self.assertIn("20,000/s", found.note)
        self.assertTrue(rows.Run.is_worthwhile(found, scenario, [30_000]))
        self.assertEqual(found.rate, 40_000)


class Plan(unittest.TestCase):
    def test_rounds_alternate(self):
        part = plan.Part("mock", "event-293", ("bare", "ringest"), 2)
        self.assertEqual(list(part.turns()), [(1, "bare"), (1, "ringest"), (2, "ringest"), (2, "bare")])

    def test_the_headline_run_measures_peaks_before_their_shares(self):
        parts = plan.headline(tuple(gateways.GATEWAYS))
        for part in parts:
            if bodies.SCENARIOS[part.scenario].rate <= 1 and bodies.SCENARIOS[part.scenario].rate:
                before = parts[:parts.index(part)]
                peaks = next(it for it in before if (it.broker, it.scenario) == (part.broker, rows.PEAK))
                self.assertLessEqual(set(part.contenders), set(peaks.contenders))
            for name in part.contenders:
                takes = (contenders.CONTENDERS | gateways.GATEWAYS)[name].scenarios
                self.assertTrue(not takes or part.scenario in takes, (name, part.scenario))

    def test_each_broker_has_its_share_of_the_time(self):
        parts = plan.headline(())
        known = contenders.CONTENDERS
        ends = [(broker, until) for broker, _, until in plan.by_broker(parts, known, 4, 1, 18)]
        self.assertEqual([broker for broker, _ in ends], ["kafka", "mock"])
        self.assertTrue(0 < ends[0][1] < ends[1][1])
        self.assertAlmostEqual(ends[1][1], 18 * 60)
        starts = 2 * plan.BROKER_S / 60
        self.assertAlmostEqual(plan.estimate_minutes(parts, known, 4, 1, 1), 1 + starts)
        self.assertEqual(plan.estimate_minutes(parts, known, 4, 1, 600), plan.estimate_minutes(parts, known, 4, 1))

    def test_the_start_of_a_broker_takes_no_time_from_its_rows(self):
        @contextlib.contextmanager
        def slow(*_):
            time.sleep(0.3)
            yield None
        run = rows.Run({}, {}, {"broker": ""}, None, measure.Cores(0, 1), 1, 1, 4)
        part = plan.Part("slow", "event-293", ("bare",), 1)
        with unittest.mock.patch.dict(rows.brokers.BROKERS, slow=slow), \
                unittest.mock.patch.object(rows.Run, "attempt", lambda *_: None):
            made = [*run.rows("slow", [part], 0.25), *run.rows("slow", [part], 0.25)]
            self.assertEqual([it.fault for it in made], ["", ""])
            run.spent_s = 1
            self.assertIn("not run", next(run.rows("slow", [part], 0.25)).fault)

    def test_what_was_disturbed_in_its_only_round_is_measured_once_more(self):
        def attempt(_run, made, *_):
            made.server_core_other = 0.3 if made.contender == "bare" else 0.0
        run = rows.Run({}, {}, {"broker": ""}, None, measure.Cores(0, 1), 1, 1, 4)
        parts = [plan.Part("at once", "rate-1000", ("bare", "ringest"), 1),
                 plan.Part("at once", "event-293", ("bare",), 2)]
        with unittest.mock.patch.dict(rows.brokers.BROKERS, {"at once": lambda *_: contextlib.nullcontext()}), \
                unittest.mock.patch.object(rows.Run, "attempt", attempt):
            made = [(it.scenario, it.contender, it.round) for it in run.rows("at once", parts, 60)]
            self.assertEqual(made[-1], ("rate-1000", "bare", 2))
            self.assertEqual(len(made), 5)

    def test_usual_contenders_depend_on_the_scenario(self):
        self.assertIn("ringest-2", plan.contending("workers", None))
        self.assertEqual(plan.contending("event-293", ["axum"]), ["axum"])
        self.assertEqual(plan.contending("auth-293", ["axum-jwt", "bare"]), ["axum-jwt"])


class Idle(unittest.TestCase):
    def test_connections_are_held_and_each_is_answered(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                for _ in range(3):
                    connection, _ = listener.accept()
                    connection.recv(4_096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    kept.append(connection)
            kept = []
            thread = threading.Thread(target=serve)
            thread.start()
            with measure.idle(f"127.0.0.1:{listener.getsockname()[1]}", "/", b"{}", 3):
                thread.join(5)
                self.assertEqual(len(kept), 3)
            for connection in kept:
                connection.settimeout(5)
                self.assertEqual(connection.recv(1), b"")
                connection.close()

    def test_a_limit_of_files_is_a_fault(self):
        with self.assertRaisesRegex(Fault, "open files"):
            with measure.idle("127.0.0.1:1", "/", b"", 10 ** 9):
                pass


class Plots(unittest.TestCase):
    ROWS = [*Floor.ROWS, row("<other> & co", 1, 0.1), row("dapr", 1, 0, requests=0, fault="go < 1.22 & none"),
            *(row(name, 1, cost, scenario=f"rate-{rate}", rate=rate)
              for name, rate, cost in (("ringest", 1_000, 0.05), ("ringest", 40_000, 0.01), ("axum", 1_000, 0.2)))]

    def test_they_are_well_formed(self):
        made = plot.plots(self.ROWS)
        self.assertEqual(set(made), {"cpu-mock", "curve-mock"})
        for svg in made.values():
            root = xml.etree.ElementTree.fromstring(svg)
            self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
            self.assertIn("prefers-color-scheme: dark", svg)

    def test_each_contender_has_a_bar_or_says_why_not(self):
        svg = plot.plots(self.ROWS)["cpu-mock"]
        root = xml.etree.ElementTree.fromstring(svg)
        space = "{http://www.w3.org/2000/svg}"
        texts = [element.text for element in root.iter(f"{space}text")]
        self.assertEqual(len(list(root.iter(f"{space}rect"))), 5)
        self.assertIn("<other> & co", texts)
        self.assertIn("go < 1.22 & none", texts)
        self.assertIn("6.0 · 1.00 × floor", texts)
        self.assertEqual(len([it for it in root.iter(f"{space}line") if it.get("class") == "mark"]), 1)

    def test_a_run_without_figures_has_none(self):
        self.assertEqual(plot.plots([row("bare", 1, 0, requests=0, fault="did not start")]), {})


class Published(unittest.TestCase):
    PAGE = "before\n<!-- compare: begin, by hand never -->\nold\n<!-- compare: end -->\nafter\n"

    def test_only_the_marked_place_changes(self):
        text = publish.filled(self.PAGE, r"new \1")
        self.assertEqual(text, self.PAGE.replace("old", "\nnew \\1\n"))
        self.assertEqual(publish.filled(text, "x"), self.PAGE.replace("old", "\nx\n"))
        with self.assertRaises(ValueError):
            publish.filled("nothing", "x")

    def test_the_manual_has_a_place_each(self):
        for page in ("README.md", "docs/performance.md"):
            publish.filled((contenders.REPOSITORY / page).read_text(), "x")

    def test_bad_rows_are_in_the_table(self):
        text = publish.readme(Plots.ROWS, "loadtest/runs/x.md", contenders.CONTENDERS)
        self.assertIn("go < 1.22 & none", text)
        self.assertIn("(loadtest/runs/x-cpu-mock.svg)", text)
        lines = [line for line in text.splitlines() if line.startswith("|")]
        self.assertEqual({line.count("|") for line in lines}, {7})
        self.assertLess(text.index("**ringest**"), text.index("monoio"))

    def test_the_manual_has_the_curve_and_the_targets(self):
        text = publish.performance(Plots.ROWS, "../loadtest/runs/x.md", contenders.CONTENDERS)
        self.assertIn("| 40,000/s |", text)
        self.assertIn("10.0 µs; 0.00, 0.00, 0.00", text)
        self.assertIn("at most 1.25", text)
        self.assertTrue(all(len(line) <= 120 for line in text.splitlines() if not line.startswith("|")))


    def test_disturbed_rows_are_counted_and_nothing_is_empty(self):
        some = [row("ringest", 1, 0.01, scenario="event-293"),
                row("ringest", 1, 0.01, scenario="event-293", server_core_other=0.2)]
        for made in (publish.readme, publish.performance):
            text = made(some, "x.md", contenders.CONTENDERS).replace("\n", " ")
            self.assertIn("In 1 of 2 rows other processes used more than 10% of the server's core.", text)
            self.assertNotIn("Targets:", text)
        self.assertIn("medians of 1 round.", publish.readme(some, "x.md", {}).replace("\n", " "))
        self.assertIn("medians of 2 rounds.", publish.readme([row("ringest", 2, 0.1)], "x.md", {}).replace("\n", " "))
        failed = [row("bare", 1, 0, requests=0, fault="did not start")]
        self.assertNotIn(".svg", publish.readme(failed, "x.md", {}))


class Flamegraph(unittest.TestCase):
    TOOL = runpy.run_path(str(pathlib.Path(__file__).parents[1] / "flamegraph"))

    def test_samples_of_a_disturbed_or_idle_server_are_rejected(self):
        check = self.TOOL["check"]
        check(row("typed", 1, 1.0), 500)
        for one, count, words in (
            (row("typed", 1, 1.0), 499, "499 samples, 999 were expected"),
            (row("typed", 1, 1.0, server_core_other=0.11), 999, "other processes"),
            (row("typed", 1, 1.0, fault="3 status"), 999, "3 status"),
        ):
            with self.assertRaisesRegex(Fault, words):
                check(one, count)

    def test_samples_are_counted_by_perf(self):
        said = "[ perf record: Captured and wrote 180.205 MB /tmp/perf.data (5432 samples) ]\n"
        self.assertEqual(self.TOOL["counted"](said), 5_432)
        self.assertEqual(self.TOOL["counted"]("[ perf record: Captured and wrote 0.020 MB /tmp/perf.data ]"), 0)


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


class Gateways(unittest.TestCase):
    def test_the_stated_versions_are_those_of_the_projects(self):
        for name, gateway in gateways.GATEWAYS.items():
            text = "".join(file.read_text() for file in (gateways.PROJECTS / name).iterdir() if file.is_file())
            for version in re.findall(r"\d+\.\d+\.\d+", gateway.package):
                self.assertIn(version, text, name)

    def test_bodies_hold_the_record_unchanged(self):
        record = promises.Request(promises.VALID.format(name="any"))
        logs = json.loads(gateways.otlp(record))["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        self.assertEqual(base64.b64decode(logs[0]["body"]["bytesValue"]), record.body())
        self.assertEqual(json.loads(gateways.flume_events(record)), [{"headers": {}, "body": record.text}])

    def test_templates_are_filled(self):
        with tempfile.TemporaryDirectory() as name:
            for number, arguments in enumerate((gateways.otelcol, gateways.flume, gateways.dapr,
                                                gateways.moose_project)):
                directory = pathlib.Path(name, str(number))
                directory.mkdir()
                arguments("127.0.0.1:4711", directory, None)
                port = (directory / "address").read_text().rpartition(":")[2]
                (directory / "address").unlink()
                text = "".join(file.read_text() for file in directory.rglob("*") if file.is_file())
                self.assertIn("127.0.0.1:4711", text)
                self.assertEqual(port in text, arguments is not gateways.dapr)

    def test_what_is_read_at_the_start_needs_no_new_build(self):
        with tempfile.TemporaryDirectory() as name:
            project = pathlib.Path(name)
            (project / "config").mkdir()
            (project / "main.go").write_text("package main")
            before = gateways.digest(project)
            (project / "config" / "gateway.yaml").touch()
            self.assertEqual(gateways.digest(project), before)
            (project / "go.mod").touch()
            self.assertNotEqual(gateways.digest(project), before)

    def test_a_failed_build_leaves_nothing_and_a_good_one_is_used_again(self):
        calls = []
        def build(source, made):
            calls.append(sorted(file.name for file in source.iterdir()))
            if len(calls) == 1:
                raise Fault("no network")
            (made / "server").touch()
        with tempfile.TemporaryDirectory() as name, \
                unittest.mock.patch.dict(os.environ, RINGEST_TEST_CACHE=name):
            with self.assertRaisesRegex(Fault, "no network"):
                gateways.built("fasthttp", build)
            self.assertEqual(list(pathlib.Path(name, "gateways").iterdir()), [])
            made = gateways.built("fasthttp", build)
            self.assertEqual(made, gateways.built("fasthttp", build))
            self.assertTrue((made / "server").exists())
        self.assertEqual(calls, [["go.mod", "go.sum", "main.go"]] * 2)

    def test_the_reason_of_a_failure_is_its_first_error(self):
        output = "downloading\n[ERROR] no such artifact\n[ERROR] see the log\n"
        self.assertEqual(gateways.reason(output), "[ERROR] no such artifact")
        self.assertEqual(gateways.reason("one\nno such host\n\n"), "no such host")
        self.assertEqual(gateways.reason(""), "without output")


class Promises(unittest.TestCase):
    sent = promises.VALID.format(name="any").encode()

    def test_deviations_deviate_and_nothing_else(self):
        valid = promises.members(self.sent)
        for name, change in promises.DEVIATIONS.items():
            text = change(self.sent.decode())
            if name == "invalid JSON":
                with self.assertRaises(ValueError):
                    json.loads(text)
            else:
                changed = promises.members(text)
                self.assertEqual(1, sum(changed.get(field) != value for field, value in valid.items()), name)

    def test_the_difference_names_what_became_of_a_record(self):
        value = json.loads(self.sent)
        for received, words in (
            (self.sent, "the same"),
            (self.sent.replace(b", ", b",").replace(b"1e2", b"100"), "rewritten"),
            (bodies.compact(value), "rewritten; changed twice"),
            (bodies.compact(value | {"big": 1.2e29}), "rewritten; changed big, twice"),
            (bodies.compact({"userId": "any"}), "rewritten; lost eventId, timestamp"),
            (json.dumps(self.sent.decode()).encode(), "not the record alone"),
            (b"", "not the record alone"),
        ):
            self.assertTrue(promises.difference(self.sent, received).startswith(words), words)

    def test_records_are_found_by_their_name_however_they_were_wrapped(self):
        wrapped = json.dumps({"data": self.sent.decode()}).encode()
        framed = b"".join(b"%d %s" % (len(record), record) for record in (self.sent, b"1 2\n", wrapped))
        records = list(promises.framed(framed))
        self.assertEqual(records, [self.sent, b"1 2\n", wrapped])
        self.assertEqual([promises.named(record) for record in records], ["any", "", "any"])

    def test_answers_to_requests_of_a_frozen_broker_are_grouped(self):
        frozen = [(503, 10.0), (None, 30.0), (503, 10.26), (200, 0.04)]
        self.assertEqual(promises.answers(frozen),
                         "1 × no answer, 1 × 200 after 0.0 s, 2 × 503 after 10.0–10.3 s")
        self.assertEqual(promises.copies([1, 0, 2, 1]), "3 of 4 in the topic, 1 twice or more")

    def test_a_report_names_versions_and_the_manual_has_a_place_for_it(self):
        rows = [["typed", *["cell"] * 8], promises.without("camel", Fault("mvn is not installed"))]
        header = [column.format(frozen_s=30) for column in promises.COLUMNS]
        text = promises.markdown(header, rows, contenders.CONTENDERS | gateways.GATEWAYS)
        self.assertIn("camel: Apache Camel 4.", text)
        self.assertIn("mvn is not installed", text)
        self.assertNotIn(str(contenders.REPOSITORY), text)
        page = (contenders.REPOSITORY / "docs" / "performance.md").read_text()
        self.assertIn("x", publish.filled(page, "x", "promises"))

    def test_a_2xx_while_the_broker_is_frozen_is_no_acknowledgement(self):
        subject = promises.Subject("any", None, "")
        subject.checks = dict.fromkeys(promises.DEVIATIONS, "400")
        there = {f"any frozen {number}": [b"{}"] for number in range(2)}
        for statuses, words in (
            ((503, None), "acknowledged by the broker"),
            ((503, 202), "received, not acknowledged"),
            ((200, 200, 200, 503), "received; 1 of 3 lost"),
        ):
            subject.frozen = {number: (status, 1.0) for number, status in enumerate(statuses)}
            cells = subject.cells(there)
            self.assertEqual(cells[1], words)
            self.assertEqual(len(cells), len(promises.COLUMNS))


if __name__ == "__main__":
    unittest.main()
