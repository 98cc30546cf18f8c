// A load test with records of your own model: a constant rate of batches, each answer checked.
//
//   k6 run -e INGEST_URL=http://127.0.0.1:4000/ingest/Order/1.0 -e RECORDS=$PWD/orders.ndjson records.js
//
// INGEST_TOKEN, RATE (10 requests a second), DURATION (10 s) and BATCH (100 records a request) are optional. Records are
// sent in the order of the file, again and again. A load test does not retry: it counts what was refused, by code.
// Scenarios with synthetic records, ramps and spikes: ../../loadtest.
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter } from 'k6/metrics';
import { check } from 'k6';

const URL = __ENV.INGEST_URL || 'http://127.0.0.1:4000/ingest/RawEvent/1.0';
const BATCH = Number(__ENV.BATCH || 100);
if (!(Number.isInteger(BATCH) && BATCH > 0)) {
  throw new Error('BATCH must be a number from 1');
}

const records = new SharedArray('records', () =>
  open(__ENV.RECORDS).split('\n').filter((line) => line.trim() !== ''));

const accepted = new Counter('records_accepted');
const refused = new Counter('requests_refused');

export const options = {
  scenarios: {
    // Open loop: a slow server does not slow down the clients.
    records: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 10),
      timeUnit: '1s',
      duration: `${__ENV.DURATION || 10}s`,
      preAllocatedVUs: 20,
      maxVUs: 200,
    },
  },
  thresholds: {
    checks: ['rate==1'],
    // Listed by code in the summary; 0 of each is expected.
    'requests_refused{code:in_flight_full}': ['count==0'],
    'requests_refused{code:broker_unavailable}': ['count==0'],
    http_req_duration: ['p(99)<1000'],
    dropped_iterations: ['count==0'],
  },
};

const headers = { 'Content-Type': 'application/x-ndjson' };
if (__ENV.INGEST_TOKEN) {
  headers.Authorization = `Bearer ${__ENV.INGEST_TOKEN}`;
}

export default function () {
  const first = exec.scenario.iterationInTest * BATCH;
  const batch = Array.from({ length: BATCH }, (_, n) => records[(first + n) % records.length]);
  const answer = http.post(URL, batch.join('\n'), { headers, timeout: '30s' });
  const body = answer.headers['Content-Type']?.includes('json') ? answer.json() : {};
  accepted.add(body.accepted ?? 0);
  // 207 has a count, too: some records were invalid.
  if (!check(body, { 'every record was accepted': (it) => it.accepted === BATCH })) {
    refused.add(1, { code: body.code ?? String(answer.status) });
    if (exec.scenario.iterationInTest === 0) {
      console.error(answer.body);
    }
  }
}
