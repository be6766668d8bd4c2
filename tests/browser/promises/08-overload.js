// Under overload the page shows what the books say, does not jump, and is fit to be looked at, light and dark.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { healthy, ingest, live, load, out, peer, shows, state, until, visit } from '../support.js';

const tops = (page) =>
  page.evaluate(() => [...document.querySelectorAll('main > section, main > dl')].map((element) => Math.round(element.getBoundingClientRect().top + scrollY)));

test('an overload is told in words, figures and graphs', async () => {
  await healthy();
  await peer('set?latency=400ms');
  const options = ['load', '--to', ingest, '--route', 'android', '--rate', '2500', '--for', '14s', '--batch', '50'];
  const sender = spawn(load, options, { stdio: 'ignore' });
  try {
    for (const colorScheme of ['light', 'dark']) {
      await visit({ colorScheme }, async (page) => {
        await shows(page, 'shedding');
        await live(page);
        await page.locator('[data-f=why]', { hasText: 'a second are dropped' }).waitFor();
        await page.locator('[data-tile=shed].alarm').waitFor();
        const before = (await tops(page)).slice(0, 4);
        const { uptime_seconds: since } = await state();
        await until('two more states', async () => (await state()).uptime_seconds > since + 2);
        assert.deepEqual((await tops(page)).slice(0, 4), before, 'nothing jumps');
        assert.equal(await page.locator('.tick.good').count(), 2, 'both sums hold in every state');
        await page.screenshot({ path: `${out}/${colorScheme}.png`, fullPage: true });
        await page.screenshot({ path: `${out}/${colorScheme}-first-screen.png` });
      });
    }
  } finally {
    sender.kill();
    await once(sender, 'exit');
    await peer('set?latency=20ms');
  }
  await until('the buffer is empty', async () => (await state()).collector.buffered === 0);
  await visit({}, async (page) => {
    await shows(page, 'ok');
    await live(page);
    const { ledger } = await state();
    for (const term of ['received', 'accepted', 'delivered', 'shed']) {
      const shown = page.locator(`[data-sum] [data-term=${term}]`).first();
      await until(`${term} is that of the API`, async () => (await shown.textContent()) === ledger[term].toLocaleString('en-US') || shown.textContent());
    }
    // The past is there in a page that was opened afterwards.
    assert.ok((await page.locator('[data-graph=rates] path.accepted').last().getAttribute('d')).length > 200);
    const label = await page.locator('[data-graph=buffered] svg[role=img]').getAttribute('aria-label');
    const peak = Number(/Peak: ([\d,]+) /.exec(label)[1].replaceAll(',', ''));
    // A sample is taken once a second, between two dispatches.
    assert.ok(peak > 2_400 && peak <= 3_000, label);
  });
  await healthy();
});
