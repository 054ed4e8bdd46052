// Tails both streams and shows the newest entries. Everything comes from this server's own HTTP API.

const SHOWN = 60;
const KEY = "headwater-api-key";
const byId = (id) => document.getElementById(id);
const counts = { created: 0, updated: 0, deleted: 0 };
const recent = [];
let stop = null;

class Refused extends Error {}

async function call(path, options = {}) {
  const answer = await fetch(path, {
    ...options,
    headers: { Authorization: `Bearer ${sessionStorage.getItem(KEY)}`, ...options.headers },
  });
  if (answer.ok) return answer;
  const problem = await answer.json().catch((error) => {
    if (options.signal?.aborted) throw error; // another call was refused, and has said why
    return { detail: `The server answered ${answer.status}.`, fix: "" };
  });
  const text = `${problem.detail} ${problem.fix ?? ""}`;
  throw answer.status === 401 || answer.status === 403 ? new Refused(text) : new Error(text);
}

// --- tails: server-sent events by fetch, since an EventSource can send no key

async function* frames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const frame = {};
      for (const line of part.split("\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) frame[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, "");
      }
      yield frame;
    }
  }
}

async function tail(stream, show, signal) {
  let cursor = null;
  while (!signal.aborted) {
    try {
      const headers = cursor ? { "Last-Event-ID": cursor } : {};
      const answer = await call(`/v1/${stream}/tail`, { headers, signal });
      connected(true);
      for await (const frame of frames(answer.body)) {
        if (frame.event === "error") {
          cursor = null; // what was missed has passed out of retention: go on from now
          break;
        }
        if (frame.id) cursor = frame.id;
        if (frame.data) show(JSON.parse(frame.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused) return ask(error.message);
      connected(false);
    }
    await new Promise((done) => setTimeout(done, 1500));
  }
}

// --- what is shown

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function put(list, kind, entry, at, body) {
  const item = element("li");
  const head = element("div", "head");
  const time = element("time", "", new Date(at).toLocaleTimeString());
  time.dateTime = at;
  head.append(
    element("span", `kind ${kind}`, kind),
    element("span", "id", entry.upstream_id),
    element("span", "collection", entry.collection_id),
    time,
  );
  item.append(head, element("pre", "", body));
  list.querySelector(".empty")?.remove();
  list.prepend(item);
  while (list.children.length > SHOWN) list.lastChild.remove();
}

function showRecord(record) {
  const kind = record.deleted ? "deleted" : "";
  put(byId("record-stream"), kind, record, record.inserted_at, JSON.stringify(record.data));
}

function showEvent(event) {
  const kind = event.event === "inserted" ? "created" : event.event;
  counts[kind] += 1;
  byId(kind).textContent = counts[kind].toLocaleString();
  recent.push(Date.now());
  put(byId("event-stream"), kind, event, event.event_inserted_at, changed(event) ?? JSON.stringify(event.data));
}

function changed(event) {
  if (!event.previous_data) return null;
  return Object.entries(event.previous_data)
    .map(([name, before]) => `${name}: ${JSON.stringify(before)} → ${JSON.stringify(event.data[name] ?? null)}`)
    .join("\n");
}

function seconds(value) {
  return value === null ? "–" : value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`;
}

async function showSyncs(signal) {
  while (!signal.aborted) {
    try {
      const { data } = await (await call("/v1/syncs?limit=100", { signal })).json();
      const collections = data.flatMap((sync) => sync.collections);
      byId("records").textContent = collections.reduce((sum, one) => sum + one.records, 0).toLocaleString();
      byId("lag").textContent = seconds(worst(collections));
      byId("syncs").replaceChildren(...data.map(row));
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused) return ask(error.message);
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}

function worst(collections) {
  const lags = collections.map((one) => one.lag_seconds).filter((lag) => lag !== null);
  return lags.length ? Math.max(...lags) : null;
}

function row(sync) {
  const made = element("tr");
  const states = [...new Set(sync.collections.map((one) => one.state))].join(", ");
  const health = element("td", sync.health.status, sync.health.status);
  health.title = sync.health.notes.map((note) => note.text).join("\n");
  made.append(
    element("td", "", sync.name),
    element("td", "", sync.provider),
    element("td", "", states),
    health,
    element("td", "number", sync.collections.reduce((sum, one) => sum + one.records, 0).toLocaleString()),
    element("td", "number", seconds(worst(sync.collections))),
  );
  return made;
}

function showRate() {
  const since = Date.now() - 10_000;
  while (recent.length && recent[0] < since) recent.shift();
  byId("rate").textContent = (recent.length / 10).toFixed(1);
}

function connected(is) {
  byId("connection").textContent = is ? "Connected: both streams, as they come." : "Not connected; trying again…";
}

// --- the key

function ask(message = "") {
  stop?.abort();
  sessionStorage.removeItem(KEY);
  byId("refused").textContent = message;
  byId("ask").hidden = false;
  byId("forget").hidden = true;
  document.querySelector("main").hidden = true;
  byId("connection").textContent = "Not connected.";
  byId("key").focus();
}

function begin() {
  stop = new AbortController();
  byId("ask").hidden = true;
  byId("forget").hidden = false;
  document.querySelector("main").hidden = false;
  tail("records", showRecord, stop.signal);
  tail("events", showEvent, stop.signal);
  showSyncs(stop.signal);
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key").value.trim());
  byId("key").value = "";
  begin();
});
byId("forget").addEventListener("click", () => ask());
setInterval(showRate, 1000);
if (sessionStorage.getItem(KEY)) begin();
else ask();
