// Part 4 of 4: keeps the page that the server wrote up to date by its stream of states.

const ROWS = 200;
const SAMPLES = 900;
const SIGNS = { ok: '✓', saturated: '▲', shedding: '✗', draining: '▼', paused: '‖', degraded: '!' };
const SEVERITY = { failed: 0, backing_off: 1, connecting: 2, draining: 3, paused: 4, ready: 5 };
const ORDERS = {
  state: (a, b) => SEVERITY[a.state] - SEVERITY[b.state],
  acks: (a, b) => b.acks_per_second - a.acks_per_second,
  p99: (a, b) => b.ack_p99_ms - a.ack_p99_ms,
  restarts: (a, b) => b.restarts - a.restarts,
  error: (a, b) => (a.last_error_age_seconds ?? Infinity) - (b.last_error_age_seconds ?? Infinity),
};

const memory = { state: null, samples: [], marks: [], acks: new Map(), audit: null, page: 1, frozen: false, heard: Date.now() };

// --- header, figures, ledger

function header(state) {
  const box = document.getElementById('state');
  attribute(box, 'data-state', state.state);
  show('word', state.state);
  show('sign', SIGNS[state.state] ?? '?');
  show('why', state.why);
  show('advice', state.advice);
  show('uptime', span(Math.floor(state.uptime_seconds)));
  document.title = `${state.state} – pushweir`;
  const intake = field('intake');
  if (intake) {
    intake.value = state.state === 'draining' ? 'resume' : 'drain';
    set(intake, state.state === 'draining' ? 'Resume intake' : 'Drain intake');
  }
}

function figures({ ledger, collector, rates, routes, recent }) {
  const window = routes.reduce((sum, route) => sum + route.window, 0);
  const slowest = routes.reduce((worst, route) => (route.delivery_p99_ms > worst.delivery_p99_ms ? route : worst), routes[0]);
  show('accepted', rate(rates.accepted_per_second));
  show('delivered', rate(rates.delivered_per_second));
  show('buffered-now', `${number(collector.buffered)} of ${number(collector.capacity)}`);
  meter(field('buffered-now-meter'), collector.buffered, collector.capacity);
  const door = Math.max(collector.intake_pushes / collector.intake_capacity, collector.intake_batches / collector.intake_capacity_batches);
  show('buffered-now-more', door >= 0.1 ? `at the door ${number(collector.intake_pushes)} of ${number(collector.intake_capacity)}` : '');
  show('shed', number(recent.shed_last_minute));
  show('shed-total', `total ${number(ledger.shed)}`);
  document.querySelector('[data-tile="shed"]').classList.toggle('alarm', recent.shed_last_minute > 0);
  show('places', `${number(ledger.in_flight)} of ${number(window)}`);
  meter(field('places-meter'), ledger.in_flight, window);
  show('oldest', collector.buffered ? span(collector.oldest_age_seconds) : 'none waits');
  const drain = collector.projected_drain_seconds;
  show('drain', drain !== null ? span(drain) : collector.buffered ? 'not shrinking' : 'is empty');
  show('delivery-of', slowest?.name ?? '');
  if (slowest) show('delivery', [slowest.delivery_p50_ms, slowest.delivery_p95_ms, slowest.delivery_p99_ms].map(millis).join(' / '));
}

function ledger(books) {
  for (const term of document.querySelectorAll('[data-term]')) {
    const value = books[term.dataset.term];
    set(term, number(value));
    term.parentElement.classList.toggle('zero', value === 0);
  }
  const places = [...document.querySelectorAll('[data-sum="places"] [data-term]')].slice(1);
  tick('doors', books.received === books.refused + books.accepted);
  tick('places', books.accepted === places.reduce((sum, term) => sum + books[term.dataset.term], 0));
}

function tick(name, holds) {
  const element = field(`${name}-tick`);
  element.className = `tick ${holds ? 'good' : 'bad'}`;
  set(element, holds ? '✓ balances' : '✗ does not balance');
}

// --- routes and pushers

const cell = (row, name) => row.querySelector(`[data-c="${name}"]`);

function state(row, word) {
  const element = cell(row, 'state');
  attribute(element, 'data-state', word);
  set(element, words(word));
}

function toggle(row, name, paused) {
  const button = cell(row, 'toggle');
  if (!button) return;
  const text = paused ? 'Resume' : 'Pause';
  button.value = paused ? 'resume' : 'pause';
  set(button, text);
  attribute(button, 'aria-label', `${text} ${name}`);
}

function places(row, taken, window) {
  meter(cell(row, 'meter'), taken, window);
  set(cell(row, 'window'), `${number(taken)} of ${number(window)}`);
}

function breaker({ state, reason, until_seconds }) {
  switch (state) {
    case 'open':
      return `breaker open (${reason}), ${span(until_seconds)} left`;
    case 'half_open':
      return `breaker half open (${reason})`;
    case 'ramping':
      return 'breaker ramping';
    default:
      return '';
  }
}

function routes(rows) {
  for (const route of rows) {
    const row = document.querySelector(`[data-route="${CSS.escape(route.name)}"]`);
    if (!row) continue;
    state(row, route.state);
    set(cell(row, 'breaker'), breaker(route.breaker));
    set(cell(row, 'ready'), `${route.ready} of ${route.connections}`);
    places(row, route.in_flight, route.window);
    set(cell(row, 'buffered'), number(route.buffered));
    set(cell(row, 'delivered'), number(route.ledger.delivered));
    set(cell(row, 'shed'), number(route.ledger.shed));
    set(cell(row, 'delivery'), `${millis(route.delivery_p50_ms)} / ${millis(route.delivery_p99_ms)}`);
    toggle(row, route.name, route.state === 'paused');
  }
}

function chosen(pushers) {
  const { sort, show: only } = document.getElementById('controls').elements;
  const some = only.checked ? pushers.filter((pusher) => pusher.state !== 'ready') : [...pushers];
  return ORDERS[sort.value] ? some.sort(ORDERS[sort.value]) : some;
}

function pushers(all) {
  const rows = chosen(all);
  const pages = Math.max(Math.ceil(rows.length / ROWS), 1);
  memory.page = Math.min(Math.max(memory.page, 1), pages);
  const shown = rows.slice((memory.page - 1) * ROWS, memory.page * ROWS);
  const body = document.getElementById('pusher-rows');
  const present = new Map([...body.children].map((row) => [row.dataset.id, row]));
  const paused = new Set(memory.state.routes.filter((route) => route.state === 'paused').map((route) => route.name));
  let before = null;
  for (const pusher of shown) {
    const row = present.get(pusher.id) ?? born(pusher.id);
    present.delete(pusher.id);
    fill(row, pusher, paused.has(pusher.route));
    // Rows that stay in their places are not touched: a move would take the focus from their buttons.
    const place = before ? before.nextElementSibling : body.firstElementChild;
    if (place !== row) body.insertBefore(row, place);
    before = row;
  }
  present.forEach((row) => row.remove());
  document.getElementById('no-pushers').hidden = shown.length > 0;
  const pager = document.getElementById('pager');
  pager.hidden = pages === 1;
  pager.querySelector('[rel=prev]').hidden = memory.page === 1;
  pager.querySelector('[rel=next]').hidden = memory.page === pages;
  show('page', `page ${memory.page} of ${pages}`);
}

function born(id) {
  const row = document.getElementById('pusher-row').content.firstElementChild.cloneNode(true);
  row.dataset.id = id;
  set(cell(row, 'id'), id);
  const target = row.querySelector('[name=target]');
  if (target) target.value = id;
  attribute(cell(row, 'restart'), 'aria-label', `Restart ${id}`);
  attribute(cell(row, 'meter'), 'aria-label', `Window of ${id}`);
  return row;
}

function fill(row, pusher, routePaused) {
  state(row, pusher.state);
  places(row, pusher.in_flight, pusher.window);
  set(cell(row, 'acks'), rate(pusher.acks_per_second));
  attribute(cell(row, 'spark'), 'd', sparkline(memory.acks.get(pusher.id) ?? []));
  set(cell(row, 'p99'), millis(pusher.ack_p99_ms));
  set(cell(row, 'restarts'), number(pusher.restarts));
  set(cell(row, 'connected'), pusher.connected_seconds > 0 ? span(pusher.connected_seconds) : '–');
  const age = pusher.last_error_age_seconds;
  set(cell(row, 'error'), pusher.last_error === null ? '–' : `${ago(age ?? 0)}: ${pusher.last_error}`);
  toggle(row, pusher.id, pusher.state === 'paused' && !routePaused);
}

// --- lists

function list(name, items, render) {
  const key = JSON.stringify(items);
  const element = field(name);
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  element.replaceChildren(...items.map(render));
  const none = document.getElementById(`no-${name}`);
  if (none) none.hidden = items.length > 0;
}

const time = (at) => make('time', {}, stamp(at));

function problem({ last, count, kind, reason, pusher }) {
  const item = make('li', {}, time(last), ' ', make('b', {}, `${number(count)}×`), ' ', make('span', { class: 'kind' }, kind), ` ${reason}`);
  if (pusher) item.append(' ', make('small', {}, `last: ${pusher}`));
  return item;
}

function entry({ at, actor, action, target, is_done, result, times, number: own }) {
  const item = make('li', { 'data-entry': own }, time(at), ' ', make('b', {}, actor), ` ${action} ${target} `, badge(is_done ? 'done' : 'refused'));
  if (result !== 'done') item.append(` ${result}`);
  if (times > 1) item.append(' ', make('small', {}, `${number(times)}×`));
  return item;
}

const mark = ({ at, kind, text }) =>
  make('li', {}, make('b', { class: 'sign', 'aria-hidden': 'true' }, LETTERS[kind] ?? '•'), ' ', make('time', {}, `${clock(at)} UTC`), ' ', make('span', { class: 'kind' }, kind), ` ${text}`);

function node(of) {
  const item = make('li', {}, make('b', {}, of.id), ' ', badge(of.state), ` ${of.kind}`);
  if (of.strategy) item.append(`, ${of.strategy}`);
  item.append(`, ${of.restarts === 1 ? '1 restart' : `${number(of.restarts)} restarts`}`);
  if (of.last_exit) item.append(`, last exit: ${of.last_exit}`);
  const workers = of.children.filter((child) => child.id.includes('/'));
  const others = of.children.filter((child) => !child.id.includes('/'));
  const counts = Map.groupBy ? Map.groupBy(workers, (child) => child.state) : new Map([['children', workers]]);
  const texts = [...counts].sort().map(([word, children]) => `${children.length} ${word}`);
  if (workers.length) item.append(`; pushers: ${texts.join(', ')}`);
  if (others.length) item.append(make('ul', {}, ...others.map(node)));
  return item;
}

async function audit(changes) {
  if (memory.audit === changes) return;
  const { entries } = await json('/admin/api/audit');
  memory.audit = changes;
  list('audit', entries.slice(0, 20), entry);
}

// --- history

const graphs = {
  rates: new Graph(document.querySelector('[data-graph=rates]'), [
    { key: 'shed', name: 'shed', kind: 'area shed' },
    { key: 'accepted', name: 'accepted', kind: 'line accepted' },
    { key: 'delivered', name: 'delivered', kind: 'line delivered' },
  ]),
  buffered: new Graph(document.querySelector('[data-graph=buffered]'), [{ key: 'buffered', name: 'buffered', kind: 'area buffered' }], { limit: true, shade: 'shed' }),
};

async function past() {
  const { first, marks, acks, at, ...columns } = await json('/admin/api/history');
  const keys = ['accepted', 'delivered', 'shed', 'buffered', 'in_flight'];
  const sample = (moment, index) => Object.fromEntries([['number', first + index], ['at', moment], ...keys.map((key) => [key, columns[key][index]])]);
  memory.samples = at.map(sample);
  memory.marks = marks;
  memory.acks = new Map(Object.entries(acks));
}

// Takes the samples that are new; more than the event holds were missed if there is a gap.
async function remember({ samples, marks }) {
  const last = memory.samples.at(-1)?.number ?? 0;
  const fresh = samples.filter((sample) => sample.number > last);
  if (!memory.samples.length || (fresh.length && fresh[0].number > last + 1) || (samples.length && samples.at(-1).number < last)) await past();
  else memory.samples.push(...fresh);
  memory.samples.splice(0, memory.samples.length - SAMPLES);
  const seen = memory.marks.at(-1)?.number ?? 0;
  memory.marks.push(...marks.filter((one) => one.number > seen));
  memory.marks.splice(0, memory.marks.length - 200);
  return fresh.length > 0;
}

function summary(capacity) {
  const most = (key) => memory.samples.reduce((best, sample) => (sample[key] > best[key] ? sample : best), memory.samples[0]);
  if (!memory.samples.length) return;
  const [taken, given, held] = [most('accepted'), most('delivered'), most('buffered')];
  const shed = memory.samples.reduce((sum, sample) => sum + sample.shed, 0);
  const rates = `Peaks: ${number(taken.accepted)} accepted at ${clock(taken.at)}, ${number(given.delivered)} delivered at ${clock(given.at)}; ${number(shed)} shed.`;
  const buffered = `Peak: ${number(held.buffered)} at ${clock(held.at)} UTC; capacity ${number(capacity)}.`;
  show('rates', rates);
  show('buffered', buffered);
  graphs.rates.update(memory.samples, memory.marks, `Pushes per second over up to 15 minutes. ${rates}`);
  graphs.buffered.update(memory.samples, memory.marks, `Pushes buffered over up to 15 minutes. ${buffered}`, capacity);
}

function acknowledge(all) {
  for (const { id, acks_per_second: acks } of all) {
    const values = memory.acks.get(id) ?? [];
    values.push(Math.round(acks));
    memory.acks.set(id, values.slice(-60));
  }
}

// --- the stream

async function json(address, options) {
  const response = await fetch(address, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error?.message ?? `HTTP ${response.status}`);
  return answer;
}

async function update(fresh) {
  const before = memory.state;
  memory.heard = Date.now();
  // Another process: its token, and maybe its page, are others.
  if (before && fresh.uptime_seconds < before.uptime_seconds - 1) return location.reload();
  memory.state = fresh;
  // Without the past the present is still worth showing; the next event asks for it again.
  if (await remember(fresh.recent).catch(() => false)) acknowledge(fresh.pushers);
  if (memory.frozen) return undefined;
  return render();
}

async function render() {
  const fresh = memory.state;
  header(fresh);
  figures(fresh);
  ledger(fresh.ledger);
  routes(fresh.routes);
  pushers(fresh.pushers);
  list('problems', fresh.recent.problems, problem);
  list('marks', memory.marks.slice(-12).reverse(), mark);
  list('tree', [fresh.tree], node);
  summary(fresh.collector.capacity);
  await audit(fresh.recent.audit);
}

function listen() {
  const stream = new EventSource('/admin/api/events');
  stream.addEventListener('state', (event) => update(JSON.parse(event.data)).catch(() => {}));
  stream.addEventListener('error', async () => {
    // A browser gives up after an answer that is no stream; one that says "log in" is for the person.
    if (stream.readyState !== EventSource.CLOSED) return;
    const answer = await fetch('/admin/api/audit').catch(() => null);
    if (answer?.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    else setTimeout(listen, 5000);
  });
}

// Old figures that look like new ones are worse than none.
function watch() {
  const silent = Math.floor((Date.now() - memory.heard) / 1000);
  const lost = silent > 3;
  document.body.classList.toggle('lost', lost);
  const text = lost ? `✗ NOT LIVE: no word from pushweir for ${span(silent)}` : memory.frozen ? '‖ updates paused' : '● live';
  set(document.getElementById('live'), text);
}

memory.page = Number(new URLSearchParams(location.search).get('page')) || 1;
document.querySelector('#controls button').hidden = true;
document.getElementById('freeze').hidden = false;
setInterval(watch, 1000);
listen();
