// What the promises share: the browser, the gateways, and waiting for what they bring about.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const { PUSHWEIR_OPEN, PUSHWEIR_GUARDED, PUSHWEIR_INGEST, PUSHWEIR_PID, PUSHWEIR_LOAD, PUSHWEIR_OUT, PEER_CONTROL } = process.env;

export const address = PUSHWEIR_OPEN;
export const guarded = PUSHWEIR_GUARDED;
export const ingest = PUSHWEIR_INGEST;
export const gateway = Number(PUSHWEIR_PID);
export const load = PUSHWEIR_LOAD;
export const out = PUSHWEIR_OUT;

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

export const close = () => browser.close();

// Opens a page in a browser profile of its own, hands it to `use`, and checks that nothing was complained about.
export async function visit(options, use) {
  const { at = address, path = '/', expected = [], ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, ...rest });
  const page = await context.newPage();
  const seen = { complaints: [], requests: [], bytes: 0 };
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) seen.complaints.push(message.text());
  });
  page.on('pageerror', (error) => seen.complaints.push(String(error)));
  page.on('request', (request) => seen.requests.push(request.url()));
  page.setDefaultTimeout(10_000);
  try {
    await page.goto(at + path, { waitUntil: 'load' });
    await use(page, seen);
  } finally {
    await context.close();
  }
  const unexpected = seen.complaints.filter((text) => !expected.some((pattern) => pattern.test(text)));
  assert.deepEqual(unexpected, [], 'the browser complains about nothing');
}

export async function state(at = address) {
  return (await fetch(`${at}/admin/api/state`)).json();
}

export async function command(path) {
  const response = await fetch(`${address}/admin/api/${path}`, { method: 'POST' });
  assert.ok(response.ok, `${path}: ${response.status}`);
}

export async function peer(path) {
  const response = await fetch(`${PEER_CONTROL}/${path}`, { method: 'POST' });
  assert.ok(response.ok, `${path}: ${response.status}`);
}

// Asks until it is so; the last answer is the message.
export async function until(what, ask, within = 15_000) {
  const end = Date.now() + within;
  let answer;
  do {
    answer = await ask();
    if (answer === true) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while (Date.now() < end);
  assert.fail(`${what}, not within ${within} ms: ${JSON.stringify(answer)}`);
}

export const word = (page) => page.locator('[data-f=word]').textContent();

export async function shows(page, expected) {
  await until(`the page says ${expected}`, async () => (await word(page)) === expected || word(page));
}

export const healthy = () => until('the gateway is ok', async () => {
  const { state: now, why, pushers } = await state();
  return (now === 'ok' && pushers.every((pusher) => pusher.state === 'ready')) || why;
});

export const focused = (page) => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);

// Presses Tab until something has the focus; the order goes round.
export async function tab(page, label) {
  for (let presses = 0; presses < 120; presses += 1) {
    await page.keyboard.press('Tab');
    if ((await focused(page)) === label) return;
  }
  assert.fail(`Tab does not reach ${label}`);
}

// Logs in by the form that a browser is led to.
export async function logIn(page, name, password = 'secret') {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

// The page has got its first state and drawn it.
export const live = (page) => page.locator('#live', { hasText: 'live' }).and(page.locator('text=● live')).waitFor();
