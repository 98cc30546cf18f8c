// A constant rate of single records, the common case.
//   k6 run loadtest/steady.js            1,000 requests a second for 30 s
import { checkAccepted, event, iteration, openLoop, send, setting } from './ingest.js';

const RATE = setting('RATE', 1000);
const DURATION = setting('DURATION', 30);

export const options = {
  scenarios: {
    steady: openLoop({
      executor: 'constant-arrival-rate',
      rate: RATE,
      duration: `${DURATION}s`,
    }),
  },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    http_req_duration: ['p(99)<500'],
    // Requests that k6 could not send in time: above this limit the rate was not reached.
    dropped_iterations: [`count<${Math.max(1, (RATE * DURATION) / 100)}`],
  },
};

export default function () {
  checkAccepted(send(event(iteration())), 1);
}
