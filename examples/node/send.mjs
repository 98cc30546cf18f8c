#!/usr/bin/env node
// Sends records to ringest: NDJSON from stdin, in batches, over a kept connection. Node 18 or later, no packages.
//
//   INGEST_URL=http://127.0.0.1:4000/ingest/RawEvent/1.0 INGEST_TOKEN=… node send.mjs <records.ndjson >left.ndjson
//
// Records that were not accepted go to stdout, the reasons to stderr. Exit code: 0 if every record was accepted, 1 if
// not, 2 for an invalid setting. Why each answer is handled as it is: ../python/send.py.
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

// A variable of the environment, without the spaces around it; an invalid one ends the program.
function setting(name, otherwise, pattern, meaning) {
  const value = (process.env[name] ?? '').trim() || otherwise;
  if (!pattern.test(value)) {
    console.error(`${name} must be ${meaning}`);
    process.exit(2);
  }
  return value;
}

const COUNT = [/^[1-9][0-9]{0,5}$/, 'a number from 1 to 999999'];
const URL = setting(
  'INGEST_URL',
  'http://127.0.0.1:4000/ingest/RawEvent/1.0',
  /^https?:\/\/([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?\/[!-~]+$/,
  'an http(s) URL',
);
const TOKEN = setting('INGEST_TOKEN', '', /^[!-~]*$/, 'one word of ASCII');
const BATCH = Number(setting('INGEST_BATCH', '500', ...COUNT));
const ATTEMPTS = Number(setting('INGEST_ATTEMPTS', '10', ...COUNT));
const RETRYABLE = new Set([408, 429, 502, 503, 504]);
const HEADERS = { 'Content-Type': 'application/x-ndjson' };
if (TOKEN) {
  HEADERS.Authorization = `Bearer ${TOKEN}`;
}

class Stop extends Error {}

let accepted = 0;
let left = 0;

// After a signal nothing more is sent, and the rest of stdin is printed; the next signal ends the program at once.
const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort()).once('SIGINT', () => stopping.abort());

// Rejects where stdout is closed or full, which console.log ignores.
const write = promisify(process.stdout.write.bind(process.stdout));
process.stdout.on('error', () => {});

// Joins records into lines.
function joined(records) {
  return Buffer.concat(records.flatMap((record) => [record, Buffer.from('\n')]));
}

// Prints records that are not accepted.
async function leave(records) {
  left += records.length;
  if (records.length > 0) {
    await write(joined(records));
  }
}

// Prints the records that an answer lists as invalid; their indices.
async function refuse(batch, { errors }) {
  for (const { index, path, message } of errors) {
    console.error(`record ${index} of ${batch.length}: ${path}: ${message}`);
  }
  const invalid = new Set(errors.map(({ index }) => index));
  await leave(batch.filter((_, index) => invalid.has(index)));
  return invalid;
}

// A request, with its answer read to the end, so that the connection can be used again.
async function post(batch) {
  const answer = await fetch(URL, {
    method: 'POST',
    headers: HEADERS,
    body: joined(batch),
    redirect: 'manual', // Else a POST becomes a GET, whose 200 says nothing of the records.
    signal: AbortSignal.timeout(30_000), // Above ringest's timeouts.ack_timeout_ms.
  });
  const text = await answer.text();
  let problem = {};
  try {
    problem = JSON.parse(text) ?? {};
  } catch {
    // A proxy's answer.
  }
  const retryAfter = answer.headers.get('Retry-After') ?? '';
  return { status: answer.status, problem, wait: /^\d+$/.test(retryAfter) ? Math.min(Number(retryAfter), 60) : 1 };
}

// One request. The batches to send again, and how many seconds later; undefined after progress.
async function attempt(batch) {
  let answer;
  try {
    answer = await post(batch);
  } catch (error) {
    console.error(`${error.message}: ${error.cause?.message ?? error.name}`);
    return { again: [batch], wait: 0 }; // Without an answer: this may make duplicates.
  }
  const { status, problem, wait } = answer;
  if (status === 200 && problem.accepted === batch.length) {
    accepted += batch.length;
    return { again: [] };
  }
  if (status === 207 && problem.accepted !== undefined) {
    accepted += problem.accepted;
    left += batch.length - problem.accepted - new Set(problem.errors.map(({ index }) => index)).size;
    await refuse(batch, problem);
    return { again: [] };
  }
  console.error(`${status} ${problem.code}: ${problem.detail} (request ${problem.request_id})`);
  if (status === 400 && problem.errors?.length > 0) {
    const invalid = await refuse(batch, problem);
    return { again: [batch.filter((_, index) => !invalid.has(index))] };
  }
  if (status === 413 && batch.length > 1) {
    const half = batch.length >> 1;
    return { again: [batch.slice(half), batch.slice(0, half)] };
  }
  if (status === 413) {
    await leave(batch);
    return { again: [] };
  }
  if (problem.persisted === 'partial') {
    const { delivered, not_delivered: notDelivered, unknown } = problem;
    const missing = new Set([...notDelivered, ...unknown]);
    accepted += delivered.length;
    await leave(batch.filter((_, index) => !missing.has(index) && !delivered.includes(index)));
    batch = batch.filter((_, index) => missing.has(index));
    if (status === 500) {
      await leave(batch);
      return { again: [] };
    }
  }
  if (RETRYABLE.has(status)) {
    return { again: [batch], wait };
  }
  await leave(batch);
  throw new Stop();
}

async function send(records) {
  const pending = [records];
  let failures = 0;
  try {
    while (pending.length > 0) {
      if (stopping.signal.aborted) {
        throw new Stop();
      }
      const { again, wait } = await attempt(pending.pop());
      failures = wait === undefined ? 0 : failures + 1;
      pending.push(...again.filter((part) => part.length > 0));
      if (failures === ATTEMPTS) {
        throw new Stop();
      }
      if (wait !== undefined) {
        // Retry-After is the same for all clients that were refused; the random part spreads them.
        const seconds = wait + Math.random() * Math.min(30, 0.1 * 2 ** failures);
        await sleep(1000 * seconds, null, { signal: stopping.signal }).catch(() => {});
      }
    }
  } catch (error) {
    if (error instanceof Stop) {
      await leave(pending.reverse().flat());
    }
    throw error;
  }
}

// The lines of stdin, but for blank ones. As bytes: text would lose those that are not UTF-8.
async function* lines() {
  let parts = [];
  for await (const chunk of process.stdin) {
    let start = 0;
    for (let end; (end = chunk.indexOf('\n', start)) >= 0; start = end + 1) {
      yield Buffer.concat([...parts, chunk.subarray(start, end)]);
      parts = [];
    }
    parts.push(chunk.subarray(start));
  }
  yield Buffer.concat(parts);
}

let batch = [];
let stopped = false;

async function flush() {
  const records = batch;
  batch = [];
  if (stopped) {
    await leave(records);
    return;
  }
  try {
    await send(records);
  } catch (error) {
    if (!(error instanceof Stop)) {
      throw error;
    }
    stopped = true;
  }
}

process.exitCode = 1;
try {
  for await (const line of lines()) {
    if (line.some((byte) => ![0x20, 0x09, 0x0d].includes(byte)) && batch.push(line) === BATCH) {
      await flush();
    }
  }
  if (batch.length > 0) {
    await flush();
  }
  process.exitCode = left > 0 ? 1 : 0;
} catch (error) {
  console.error(`${error.message}: stopped after ${accepted + left} records`);
}
console.error(`accepted ${accepted}, left ${left}`);
