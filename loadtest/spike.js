// A sudden spike of ten times RATE for DURATION seconds, then RATE again. During the spike the server
// may shed requests with 503 and Retry-After. Afterwards all requests must succeed again.
//   k6 run loadtest/spike.js             300, then 3,000, then 300 requests a second
import http from 'k6/http';
import { check } from 'k6';
import { checkAccepted, event, iteration, openLoop, send, setting } from './ingest.js';

const RATE = setting('RATE', 300);
const DURATION = setting('DURATION', 10);
const CALM = { executor: 'constant-arrival-rate', rate: RATE, exec: 'calm' };

export const options = {
  scenarios: {
    before: openLoop({ ...CALM, duration: '5s' }),
    spike: openLoop({
      executor: 'constant-arrival-rate',
      rate: 10 * RATE,
      duration: `${DURATION}s`,
      startTime: '5s',
      exec: 'spike',
    }),
    // Starts 5 s after the spike, when its last responses have arrived.
    after: openLoop({ ...CALM, duration: '10s', startTime: `${DURATION + 10}s` }),
  },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{scenario:after}': ['p(99)<500'],
    'http_req_failed{scenario:before}': ['rate==0'],
    'http_req_failed{scenario:spike}': ['rate==0'],
    'http_req_failed{scenario:after}': ['rate==0'],
  },
};

export function calm() {
  http.setResponseCallback(http.expectedStatuses(200));
  checkAccepted(send(event(iteration())), 1);
}

export function spike() {
  http.setResponseCallback(http.expectedStatuses(200, 503));
  const response = send(event(iteration()));
  check(response, {
    'accepted, or shed with Retry-After': (a) =>
      (a.status === 200 && a.json('accepted') === 1) ||
      (a.status === 503 && a.headers['Retry-After'] !== undefined),
  });
}
