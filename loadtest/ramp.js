// The rate rises in steps to four times RATE and falls again: at which rate does latency rise?
//   k6 run loadtest/ramp.js              500 to 2,000 requests a second, four levels of 10 s
import { checkAccepted, event, iteration, openLoop, send, setting } from './ingest.js';

const RATE = setting('RATE', 500);
const DURATION = setting('DURATION', 10);

// Each level is reached within 2 s, then held for DURATION.
const LEVELS = [1, 2, 4, 1].flatMap((times) => [
  { target: times * RATE, duration: '2s' },
  { target: times * RATE, duration: `${DURATION}s` },
]);

export const options = {
  scenarios: {
    ramp: openLoop({ executor: 'ramping-arrival-rate', startRate: RATE, stages: LEVELS }),
  },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    http_req_duration: ['p(99)<1000'],
  },
};

export default function () {
  checkAccepted(send(event(iteration())), 1);
}
