// What the k6 scenarios share; not a scenario itself. The environment chooses:
//   BASE_URL   where ringest listens (http://127.0.0.1:4000)
//   ROUTE      the route to post to (/ingest/RawEvent/1.0, a sample model)
//   RATE       requests a second at the scenario's ordinary level
//   DURATION   in seconds, how long that level is held
//   TOKEN      sent with each request as `Authorization: Bearer …` (or RINGEST_TOKEN; else none is)
//   TOKENS     a file with a token a line, relative to this directory or absolute; requests take
//              them in turns
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import http from 'k6/http';
import { check } from 'k6';

const URL = (__ENV.BASE_URL || 'http://127.0.0.1:4000') + (__ENV.ROUTE || '/ingest/RawEvent/1.0');
const TOKENS = new SharedArray('tokens', () => {
  const token = __ENV.TOKEN || __ENV.RINGEST_TOKEN;
  if (!__ENV.TOKENS) {
    return token ? [token] : [];
  }
  const tokens = open(__ENV.TOKENS).split('\n').filter((line) => line !== '');
  if (tokens.length === 0) {
    throw new Error(`${__ENV.TOKENS} holds no token`);
  }
  return tokens;
});
const [ID, REST] = split(open('./records/event-293.json'), '00000000');

function split(text, mark) {
  const at = text.indexOf(mark);
  return [text.slice(0, at), text.slice(at + mark.length)];
}

// A whole number of at least 1 from the environment.
export function setting(name, otherwise) {
  const value = Number(__ENV[name] || otherwise);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`${name} must be a whole number of at least 1`);
  }
  return value;
}

// What k6 needs to know to send at a rate whatever the answers take (open loop).
export function openLoop(settings) {
  return { timeUnit: '1s', preAllocatedVUs: 100, maxVUs: 1000, gracefulStop: '20s', ...settings };
}

// The event of this number, 293 bytes.
export function event(number) {
  return ID + (number >>> 0).toString(16).padStart(8, '0') + REST;
}

// A number that no other iteration of this run has.
export function iteration() {
  return exec.scenario.iterationInTest;
}

export const HAS_TOKENS = TOKENS.length > 0;

// A token for this iteration's request, or undefined where none is sent.
export function token() {
  return HAS_TOKENS ? TOKENS[iteration() % TOKENS.length] : undefined;
}

export function send(body) {
  return sendAs(token(), body);
}

// With a token of one's own, or with none.
export function sendAs(token, body) {
  const headers = { 'Content-Type': 'application/json' };
  if (token !== undefined) {
    headers.Authorization = `Bearer ${token}`;
  }
  return http.post(URL, body, { headers, timeout: '20s' });
}

// A sound answer says 200 and that it took exactly what was sent.
export function checkAccepted(answer, records) {
  return check(answer, {
    'status is 200': (a) => a.status === 200,
    'accepted is what was sent': (a) => a.status === 200 && a.json('accepted') === records,
  });
}
