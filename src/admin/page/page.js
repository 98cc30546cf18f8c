// Reads /status and, where they are kept, /samples once a second; rates and quantiles are made here.
const facts = JSON.parse(document.getElementById("facts").textContent);
const HISTORY = 61; // points of a chart: a minute
const WINDOW = 10; // seconds of a rate or a quantile in a table
const ROUTES_SHOWN = 200;
const by = (id) => document.getElementById(id);

/** An element with attributes and children; texts are never read as HTML. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// ---- the last minute

/** What /status said, the latest last. */
let seen = [];

/** The one that is so many seconds older than the latest, or the oldest. */
const before = (seconds) => {
  const latest = seen.at(-1).time_ms;
  return seen.findLast((it) => latest - it.time_ms >= (seconds - 0.5) * 1000) ?? seen[0];
};

/** How much a counter grew a second; `of` finds it. One that began anew counts from 0. */
function rate(of, from = before(WINDOW), to = seen.at(-1)) {
  const now = of(to);
  const seconds = (to.time_ms - from.time_ms) / 1000;
  if (now === undefined || now === null) return undefined;
  if (seconds <= 0) return 0;
  const then = of(from) ?? 0;
  return (now >= then ? now - then : now) / seconds;
}

/** A quantile in milliseconds of what histograms observed meanwhile; undefined if nothing. */
function quantile(q, bounds, of, from = before(WINDOW), to = seen.at(-1)) {
  if (from === to) return undefined;
  const sums = new Array(bounds.length + 1).fill(0);
  for (const [status, sign] of [[to, 1], [from, -1]]) {
    for (const histogram of of(status)) histogram?.buckets.forEach((it, index) => { sums[index] += sign * it; });
  }
  const count = sums.reduce((total, it) => total + it, 0);
  if (count <= 0) return undefined;
  let upTo = 0;
  for (const [index, inside] of sums.entries()) {
    if (upTo + inside >= q * count) {
      const below = index === 0 ? 0 : bounds[index - 1];
      return below + ((bounds[index] ?? below) - below) * ((q * count - upTo) / Math.max(inside, 1));
    }
    upTo += inside;
  }
  return undefined;
}

// ---- numbers for people

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });
const count = (it) => (it === undefined ? "–" : it < 100_000 ? grouped.format(it) : short.format(it));
const perSecond = (it) => (it === undefined ? "–" : it > 0 && it < 10 ? it.toFixed(1) : count(it));
const time = (ms) => (ms === undefined ? "–" : ms < 1000 ? `${Number(ms.toPrecision(2))} ms` : `${(ms / 1000).toPrecision(2)} s`);
const percent = (it) => (it === undefined ? "–" : `${Math.round(it * 100)} %`);
function bytes(it) {
  if (it === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = it < 1 ? 0 : Math.min(Math.floor(Math.log2(it) / 10), 4);
  const scaled = it / 1024 ** power;
  return `${scaled < 10 && power > 0 ? scaled.toFixed(1) : Math.round(scaled)} ${units[power]}`;
}

// ---- tiles

const classes = ({ latency }) => [latency.accepted, latency.rejected, latency.failed];
const latency = (q) => (from, to) => quantile(q, to.bucket_bounds_ms, classes, from, to);
const counter = (of) => (from, to) => rate(of, from, to);
const refused = ({ totals }) => totals.rejected + totals.failed;
const TILES = [
  { name: "Requests/s", of: counter((it) => it.totals.accepted + refused(it)), shown: perSecond },
  { name: "Records/s", of: counter((it) => it.totals.records_delivered), shown: perSecond },
  { name: "Received/s", of: counter((it) => it.totals.body_bytes), shown: bytes },
  { name: "Refused/s", of: counter(refused), shown: perSecond },
  { name: "Latency p50", of: latency(0.5), shown: time },
  { name: "Latency p99", of: latency(0.99), shown: time },
  { name: "In flight", level: (it) => [it.in_flight.bytes, it.in_flight.bytes_max], shown: bytes },
  { name: "Connections", level: (it) => [it.connections.open, it.connections.max], shown: count },
];

/** The last minute, second by second, as a line; the figure beside it says what matters. */
function chart(values) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${HISTORY - 1} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const max = Math.max(...values.filter((it) => it !== undefined), Number.MIN_VALUE);
  const points = values.map((it, index) => `${HISTORY - values.length + index},${19 - 18 * ((it ?? 0) / max)}`);
  const line = document.createElementNS(svg.namespaceURI, "polyline");
  const look = { points: points.join(" "), fill: "none", stroke: "currentColor", "vector-effect": "non-scaling-stroke" };
  for (const [key, value] of Object.entries(look)) line.setAttribute(key, value);
  svg.append(line);
  return svg;
}

const histories = TILES.map(() => []);

function tiles() {
  const latest = seen.at(-1);
  const shown = TILES.map(({ name, of, level, shown }, index) => {
    if (level) {
      const [now, most] = level(latest);
      const meter = element("meter", { min: 0, max: most || 1, value: now, high: most * 0.8, "aria-label": name });
      return element("div", {}, element("dt", {}, name),
        element("dd", {}, shown(now), " ", element("small", {}, `of ${shown(most)}`), meter));
    }
    if (seen.length > 1) histories[index].push(of(seen.at(-2), latest));
    histories[index] = histories[index].slice(-HISTORY);
    const value = seen.length > 1 ? of(before(3), latest) : undefined;
    return element("div", {}, element("dt", {}, name), element("dd", {}, shown(value)), chart(histories[index]));
  });
  by("tiles").replaceChildren(...shown);
}

// ---- tables

/** Puts rows of cells into a table, keeping those of the same key, so that focus stays where it is. */
function fill(table, rows) {
  const body = table.tBodies[0];
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const filled = rows.map(({ key, cells }) => {
    const row = known.get(key) ?? element("tr", { "data-key": key }, ...cells.map((it, index) =>
      element(index === 0 ? "th" : "td", index === 0 ? { scope: "row" } : {})));
    cells.forEach((cell, index) => {
      const place = row.cells[index];
      if (cell instanceof Node) {
        const kept = place.firstElementChild;
        if (kept?.tagName !== cell.tagName) place.replaceChildren(cell);
        else if (kept.textContent !== cell.textContent) kept.textContent = cell.textContent;
      } else if (place.textContent !== cell) {
        place.textContent = cell;
      }
      place.classList.toggle("number", table.tHead.rows[0].cells[index].className === "number");
    });
    return row;
  });
  const isSame = filled.length === body.rows.length && filled.every((row, index) => row === body.rows[index]);
  if (!isSame) body.replaceChildren(...filled);
}

let routes = [];
let chosen;

/** How many records of a route were refused, and why the last one was, as a link to those that are kept. */
function refusals(path, invalid) {
  const last = samples?.refused.findLast((it) => it.route === path)?.faults[0];
  if (!last) return count(invalid);
  const open = (event) => {
    event.preventDefault();
    chosen = path;
    showRoute();
    by("samples").scrollIntoView();
  };
  return element("a", { href: "#samples", class: "reason", click: open },
    `${count(invalid)}, last: ${last.path}: ${last.message}`);
}

function routeTable() {
  const { routes: now, route_bucket_bounds_ms: bounds } = seen.at(-1);
  const ranked = now.length > ROUTES_SHOWN ? now.toSorted((a, b) => b.requests - a.requests) : now;
  const shown = ranked.slice(0, ROUTES_SHOWN);
  fill(by("routes"), shown.map(({ path, topic, records, records_rejected: invalid }) => {
    const its = (status) => status.routes.find((it) => it.path === path);
    const button = element("button", { type: "button", "aria-controls": "route", click: () => choose(path) }, path);
    return { key: path, cells: [
      button, topic, perSecond(rate((it) => its(it)?.requests)), perSecond(rate((it) => its(it)?.records)),
      count(records), refusals(path, invalid),
      ...[0.5, 0.99].map((q) => time(quantile(q, bounds, (it) => [its(it)?.latency]))),
    ] };
  }));
  const left = now.length - shown.length;
  by("routes-more").textContent = left > 0 ? `${left} more routes had fewer requests; /status has all.` : "";
}

function codeTable() {
  const ranked = seen.at(-1).refused.toSorted((a, b) => b.count - a.count);
  const rows = ranked.map(({ code, status, count: total }) => {
    const its = (it) => it.refused.find((other) => other.code === code)?.count ?? 0;
    return { key: code, cells: [code, String(status), perSecond(rate(its)), count(total)] };
  });
  fill(by("codes"), rows);
  by("codes").hidden = rows.length === 0;
  by("codes-none").hidden = rows.length > 0;
}

function workerTable() {
  const { workers, bucket_bounds_ms: bounds } = seen.at(-1);
  fill(by("workers"), workers.map(({ worker, state, connections_open: open, in_flight_bytes: inFlight }) => {
    const its = (status) => status.workers.find((it) => it.worker === worker);
    return { key: String(worker), cells: [
      `${worker} ${state}`, count(open), bytes(inFlight), percent(rate((it) => its(it)?.cpu_seconds)),
      time(quantile(0.99, bounds, (it) => [its(it)?.lag])),
    ] };
  }));
}

function brokerTable() {
  const { brokers, bucket_bounds_ms: bounds } = seen.at(-1);
  const states = new Map([[true, "answers in time"], [false, "late or not connected"]]);
  fill(by("brokers"), brokers.map(({ broker, address, up }) => {
    const its = (status) => [status.brokers.find((it) => it.broker === broker)?.round_trip];
    return { key: String(broker), cells: [
      address ?? String(broker), states.get(up) ?? "not used yet",
      ...[0.5, 0.99].map((q) => time(quantile(q, bounds, its))),
    ] };
  }));
  by("brokers").hidden = brokers.length === 0;
  by("brokers-none").hidden = brokers.length > 0;
}

// ---- one route

const base = `${facts.scheme}://${location.hostname}:${facts.port}`;
const target = facts.socket ? `--unix-socket '${facts.socket}' ${facts.scheme}://localhost` : base;

function choose(path) {
  chosen = chosen === path ? undefined : path;
  showRoute();
}

function showRoute() {
  const place = by("route");
  const route = routes.find((it) => it.path === chosen);
  place.hidden = !route;
  if (!route) return;
  const example = JSON.stringify(route.example);
  const authorization = facts.authenticated ? " -H 'Authorization: Bearer TOKEN'" : "";
  const command = `curl ${target}${route.path}${authorization} -d '${example.replaceAll("'", "'\\''")}'`;
  const fields = (route.fields ?? []).map(({ name, type, required }) =>
    element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, type),
      element("td", {}, required ? "required" : "optional")));
  place.replaceChildren(
    element("h3", {}, `${route.model} ${route.version}`),
    route.fields
      ? element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {},
        ...["Field", "Type", ""].map((it) => element("th", { scope: "col" }, it)))), element("tbody", {}, ...fields)))
      : element("p", {}, "Any JSON object is a valid record."),
    element("h3", {}, "A first request"),
    element("pre", {}, command),
    copyButton(command),
    ...(facts.dev && facts.port ? form(route) : []),
    element("h3", {}, "Last refused records"),
    element("div", { id: "samples" }),
  );
  showSamples();
}

function copyButton(text) {
  const button = element("button", { type: "button", click: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select the line and copy it";
    }
  } }, "Copy");
  return button;
}

/** Sends a record as a client would, from another origin than the route's: --dev allows it. */
function form(route) {
  const record = element("textarea", { id: "record", spellcheck: "false", "aria-label": "Body of the request" });
  record.value = JSON.stringify(route.example, undefined, 2);
  const answer = element("pre", { role: "status", id: "answer" });
  const send = async () => {
    try {
      const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: record.value };
      const response = await fetch(`${base}${route.path}`, options);
      answer.textContent = `${response.status} ${await response.text()}`;
    } catch (error) {
      answer.textContent = `not sent: ${error.message}`;
    }
  };
  return [element("h3", {}, "Send it from here"), record,
    element("button", { type: "button", id: "send", click: send }, "Send"), answer];
}

// ---- samples

/** What /samples says; undefined where none are kept. */
let samples;

function showSamples() {
  const place = by("samples");
  if (!place) return;
  if (!samples) {
    place.replaceChildren(element("p", {}, "Not kept: management.samples = true keeps some."));
    return;
  }
  const refused = samples.refused.filter((it) => it.route === chosen);
  const shown = refused.toReversed().map((it) => element("div", {},
    element("p", {}, `${it.at}, record ${it.index} of its request`),
    ...it.faults.map(({ path, message }) => element("p", { class: "fault" }, `${path}: ${message}`)),
    element("pre", {}, it.value)));
  place.replaceChildren(...(shown.length > 0 ? shown : [element("p", {}, "None.")]));
}

function showArrived() {
  by("arrived").hidden = !samples?.taken;
  if (!samples?.taken) return;
  by("arrived").querySelector("ol").replaceChildren(...samples.taken.toReversed().map((it) => element("li", {},
    `${it.topic} partition ${it.partition} offset ${it.offset} key ${it.key ?? "–"} ${it.value}`)));
}

// ---- every second

function readiness() {
  const { ready, reason, detail, degraded } = seen.at(-1);
  const place = by("ready");
  const text = ready ? `ready${degraded ? ` (${degraded})` : ""}` : `not ready: ${detail ?? reason}`;
  if (place.textContent !== text) place.textContent = text;
  place.className = ready ? "good" : "bad";
}

const read = async (path) => (await fetch(path)).json();

let generation;

async function update() {
  seen = [...seen, await read("status")].slice(-HISTORY - 1);
  const now = seen.at(-1).configuration.generation;
  if (now !== generation) {
    routes = await read("routes");
    generation = now;
    showRoute();
  }
  if (facts.samples) {
    samples = await read("samples");
    showSamples();
    showArrived();
  }
  by("version").textContent = seen.at(-1).version;
  for (const show of [readiness, tiles, routeTable, codeTable, workerTable, brokerTable]) show();
}

async function run() {
  try {
    await update();
    by("updated").textContent = `updated ${new Date().toLocaleTimeString()}`;
  } catch (error) {
    by("ready").className = "bad";
    by("ready").textContent = "ringest does not answer";
    by("updated").textContent = String(error.message);
  }
  setTimeout(run, document.hidden ? 5000 : 1000);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) seen = seen.slice(-1);
});
run();
