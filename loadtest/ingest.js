// Shared by the k6 scenarios; not a scenario itself. Environment variables:
//   BASE_URL   URL of ringest (http://127.0.0.1:4000)
//   ROUTE      path of the route (/ingest/RawEvent/1.0, a sample model)
//   RATE       base rate of the scenario, in requests a second
//   DURATION   duration of the scenario's main phase, in seconds
//   TOKEN      sent with each request as `Authorization: Bearer …` (default: RINGEST_TOKEN, or none)
//   TOKENS     a file with one token a line, relative to this directory or absolute; consecutive
//              requests use consecutive tokens
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
    throw new Error(`${__ENV.TOKENS} contains no tokens`);
  }
  return tokens;
});
const [ID, REST] = split(open('./records/event-293.json'), '00000000');

function split(text, mark) {
  const at = text.indexOf(mark);
  return [text.slice(0, at), text.slice(at + mark.length)];
}

// An integer of at least 1 from the environment.
export function setting(name, otherwise) {
  const value = Number(__ENV[name] || otherwise);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`${name} must be an integer of at least 1`);
  }
  return value;
}

// k6 options to send at a constant rate regardless of response times (open loop).
export function openLoop(settings) {
  return { timeUnit: '1s', preAllocatedVUs: 100, maxVUs: 1000, gracefulStop: '20s', ...settings };
}

// The event with this number, 293 bytes.
export function event(number) {
  return ID + (number >>> 0).toString(16).padStart(8, '0') + REST;
}

// The number of this iteration, unique within the run.
export function iteration() {
  return exec.scenario.iterationInTest;
}

export const HAS_TOKENS = TOKENS.length > 0;

// The token for this iteration's request; undefined without tokens.
export function token() {
  return HAS_TOKENS ? TOKENS[iteration() % TOKENS.length] : undefined;
}

export function send(body) {
  return sendAs(token(), body);
}

// Sends with the given token; undefined: without one.
export function sendAs(token, body) {
  const headers = { 'Content-Type': 'application/json' };
  if (token !== undefined) {
    headers.Authorization = `Bearer ${token}`;
  }
  return http.post(URL, body, { headers, timeout: '20s' });
}

// A correct response is 200 and reports as many accepted records as were sent.
export function checkAccepted(response, records) {
  return check(response, {
    'status is 200': (a) => a.status === 200,
    'all records accepted': (a) => a.status === 200 && a.json('accepted') === records,
  });
}
