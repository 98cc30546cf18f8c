// Arrays of RECORDS events each, as sent by clients that batch.
//   k6 run loadtest/arrays.js            20 arrays of 1,000 records a second for 30 s
import { checkAccepted, event, iteration, openLoop, send, setting } from './ingest.js';

const RATE = setting('RATE', 20);
const DURATION = setting('DURATION', 30);
const RECORDS = setting('RECORDS', 1000);

export const options = {
  scenarios: {
    arrays: openLoop({
      executor: 'constant-arrival-rate',
      rate: RATE,
      duration: `${DURATION}s`,
      preAllocatedVUs: 20,
    }),
  },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    http_req_duration: ['p(99)<1000'],
    dropped_iterations: [`count<${Math.max(1, (RATE * DURATION) / 100)}`],
  },
};

export default function () {
  const first = iteration() * RECORDS;
  const records = Array.from({ length: RECORDS }, (_, n) => event(first + n));
  checkAccepted(send(`[${records.join(',')}]`), RECORDS);
}
