#!/usr/bin/env node
// Sends records to ringest: NDJSON from stdin, in batches, over a kept connection. Node 18 or later, no packages.
//
//   INGEST_URL=http://127.0.0.1:4000/ingest/RawEvent/1.0 INGEST_TOKEN=… node send.mjs <records.ndjson >left.ndjson
//
// Records that were not accepted go to stdout, the reasons to stderr. Exit code: 0 if every record was accepted, else 1.
// Why each answer is handled as it is: ../python/send.py.
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const URL = process.env.INGEST_URL ?? 'http://127.0.0.1:4000/ingest/RawEvent/1.0';
const BATCH = Number(process.env.INGEST_BATCH ?? 500);
const ATTEMPTS = Number(process.env.INGEST_ATTEMPTS ?? 10);
const RETRYABLE = new Set([408, 429, 502, 503, 504]);
const HEADERS = { 'Content-Type': 'application/x-ndjson' };
if (process.env.INGEST_TOKEN) {
  HEADERS.Authorization = `Bearer ${process.env.INGEST_TOKEN}`;
}

class Stop extends Error {}

let accepted = 0;
let left = 0;

function leave(records) {
  left += records.length;
  records.forEach((record) => console.log(record));
}

// Prints the records that an answer lists as invalid; their indices.
function refuse(batch, { errors }) {
  for (const { index, path, message } of errors) {
    console.error(`record ${index} of ${batch.length}: ${path}: ${message}`);
  }
  const invalid = new Set(errors.map(({ index }) => index));
  leave(batch.filter((_, index) => invalid.has(index)));
  return invalid;
}

// A request, with its answer read to the end, so that the connection can be used again.
async function post(batch) {
  const answer = await fetch(URL, {
    method: 'POST',
    headers: HEADERS,
    body: batch.join('\n'),
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
  if (status === 200) {
    accepted += batch.length;
    return { again: [] };
  }
  if (status === 207) {
    accepted += problem.accepted;
    left += batch.length - problem.accepted - new Set(problem.errors.map(({ index }) => index)).size;
    refuse(batch, problem);
    return { again: [] };
  }
  console.error(`${status} ${problem.code}: ${problem.detail} (request ${problem.request_id})`);
  if (status === 400 && problem.errors?.length > 0) {
    const invalid = refuse(batch, problem);
    return { again: [batch.filter((_, index) => !invalid.has(index))] };
  }
  if (status === 413 && batch.length > 1) {
    const half = batch.length >> 1;
    return { again: [batch.slice(half), batch.slice(0, half)] };
  }
  if (status === 413) {
    leave(batch);
    return { again: [] };
  }
  if (problem.persisted === 'partial') {
    const { delivered, not_delivered: notDelivered, unknown } = problem;
    const missing = new Set([...notDelivered, ...unknown]);
    accepted += delivered.length;
    leave(batch.filter((_, index) => !missing.has(index) && !delivered.includes(index)));
    batch = batch.filter((_, index) => missing.has(index));
    if (status === 500) {
      leave(batch);
      return { again: [] };
    }
  }
  if (RETRYABLE.has(status)) {
    return { again: [batch], wait };
  }
  leave(batch);
  throw new Stop();
}

async function send(records) {
  const pending = [records];
  let failures = 0;
  try {
    while (pending.length > 0) {
      const { again, wait } = await attempt(pending.pop());
      failures = wait === undefined ? 0 : failures + 1;
      pending.push(...again.filter((part) => part.length > 0));
      if (failures === ATTEMPTS) {
        throw new Stop();
      }
      if (wait !== undefined) {
        await sleep(1000 * (wait + Math.random() * Math.min(30, 0.1 * 2 ** failures)));
      }
    }
  } catch (error) {
    pending.reverse().forEach(leave);
    throw error;
  }
}

let batch = [];
let stopped = false;

async function flush() {
  const records = batch;
  batch = [];
  if (stopped) {
    leave(records);
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

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const record = line.trim();
  if (record !== '' && batch.push(record) === BATCH) {
    await flush();
  }
}
if (batch.length > 0) {
  await flush();
}
console.error(`accepted ${accepted}, left ${left}`);
process.exitCode = left > 0 ? 1 : 0;
