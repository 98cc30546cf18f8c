// Clients with valid tokens at RATE, and unauthenticated clients at RATE whose token is missing, has a
// wrong signature or is malformed: the former must not be slowed down, the latter must be rejected.
// Needs TOKEN or TOKENS.
//   k6 run -e TOKENS=jwts.txt loadtest/unauthenticated.js      300 requests a second of each for 15 s
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
    valid: openLoop({ ...LEVEL, exec: 'valid' }),
    invalid: openLoop({ ...LEVEL, exec: 'invalid' }),
  },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{scenario:valid}': ['p(99)<500'],
    'http_req_failed{scenario:valid}': ['rate==0'],
    'http_req_failed{scenario:invalid}': ['rate==0'],
  },
};

if (!HAS_TOKENS) {
  throw new Error('set TOKEN or TOKENS to valid tokens');
}

export function valid() {
  http.setResponseCallback(http.expectedStatuses(200));
  checkAccepted(send(event(iteration())), 1);
}

export function invalid() {
  http.setResponseCallback(http.expectedStatuses(401, 503));
  const validToken = token();
  const number = iteration();
  // Replaces twelve characters near the end: a new well-formed token with a wrong signature.
  const wrong = validToken.slice(0, -24) + number.toString(16).padStart(12, '0') + validToken.slice(-12);
  const response = sendAs([undefined, wrong, `malformed-${number}`][number % 3], event(number));
  check(response, {
    // Rejected, or asked to retry because too many tokens are being verified.
    'rejected': (a) =>
      (a.status === 401 && /^Bearer\b/.test(a.headers['Www-Authenticate'])) ||
      (a.status === 503 && a.headers['Retry-After'] !== undefined),
  });
}
