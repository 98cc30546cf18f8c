// Clients with good tokens at RATE beside strangers at RATE, who have none, a wrong one or rubbish:
// the former must not notice, the latter get nothing but a refusal. Needs TOKEN or TOKENS.
//   k6 run -e TOKENS=jwts.txt loadtest/strangers.js      300 requests a second of each for 15 s
import http from 'k6/http';
import { check } from 'k6';
import {
  HAS_TOKENS, checkAccepted, event, iteration, openLoop, send, sendAs, setting, token,
} from './ingest.js';

const RATE = setting('RATE', 300);
const DURATION = setting('DURATION', 15);
const LEVEL = { executor: 'constant-arrival-rate', rate: RATE, duration: `${DURATION}s` };

export const options = {
  scenarios: {
    known: openLoop({ ...LEVEL, exec: 'known' }),
    strangers: openLoop({ ...LEVEL, exec: 'strangers' }),
  },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{scenario:known}': ['p(99)<500'],
    'http_req_failed{scenario:known}': ['rate==0'],
    'http_req_failed{scenario:strangers}': ['rate==0'],
  },
};

if (!HAS_TOKENS) {
  throw new Error('TOKEN or TOKENS must say what the good clients send');
}

export function known() {
  http.setResponseCallback(http.expectedStatuses(200));
  checkAccepted(send(event(iteration())), 1);
}

export function strangers() {
  http.setResponseCallback(http.expectedStatuses(401, 503));
  const good = token();
  const number = iteration();
  // Twelve characters near the end are others each time: new tokens of the right shape.
  const wrong = good.slice(0, -24) + number.toString(16).padStart(12, '0') + good.slice(-12);
  const answer = sendAs([undefined, wrong, `rubbish-${number}`][number % 3], event(number));
  check(answer, {
    // Refused, or told to come again, because too many are waiting to be verified.
    'is refused': (a) =>
      (a.status === 401 && /^Bearer\b/.test(a.headers['Www-Authenticate'])) ||
      (a.status === 503 && a.headers['Retry-After'] !== undefined),
  });
}
