// What happens is seen at once, and a page that is not live says so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateway, healthy, live, peer, shows, state, until, visit } from '../support.js';

test('lost connections are seen without a reload, and so is the recovery', async (context) => {
  await healthy();
  await visit({}, async (page) => {
    await live(page);
    await page.evaluate(() => (window.kept = true));
    await peer('set?auth_fail=true');
    context.after(() => peer('set?auth_fail=false'));
    await peer('close');
    await until('the gateway is degraded', async () => (await state()).state === 'degraded');
    const noticed = Date.now();
    await shows(page, 'degraded');
    assert.ok(Date.now() - noticed <= 2_500, `seen ${Date.now() - noticed} ms later`);
    await page.locator('[data-f=why]', { hasText: '0 of 6 connections are ready' }).waitFor();
    await page.locator('#pusher-rows [data-state=failed]').first().waitFor();
    await page.locator('[data-f=problems]', { hasText: 'not-authorized' }).waitFor();
    await page.locator('[data-f=marks]', { hasText: 'ok → degraded' }).waitFor();
    assert.match(await page.title(), /degraded/);
    await page.screenshot({ path: `${process.env.PUSHWEIR_OUT}/degraded.png`, fullPage: true });
    await page.getByLabel('only those that are not ready').check();
    assert.equal(await page.locator('#pusher-rows tr').count(), 6);
    await peer('set?auth_fail=false');
    await shows(page, 'ok');
    await page.locator('#no-pushers').waitFor();
    assert.equal(await page.evaluate(() => window.kept), true, 'the page was not loaded again');
  });
  await healthy();
});

test('a row changes within a second and a half of its connection', async () => {
  await healthy();
  await visit({}, async (page) => {
    await live(page);
    // The page notes by itself when a row is no longer ready: the browser's clock is that of this machine.
    await page.evaluate(() => {
      window.changed = null;
      const look = () => {
        if (document.querySelector('#pusher-rows .badge:not([data-state=ready])')) window.changed ??= Date.now();
      };
      new MutationObserver(look).observe(document.getElementById('pusher-rows'), { subtree: true, attributes: true, childList: true });
    });
    await peer('set?auth_fail=true');
    const since = Date.now();
    await peer('close');
    await until('a row has changed', () => page.evaluate(() => window.changed !== null));
    const taken = (await page.evaluate(() => window.changed)) - since;
    await peer('set?auth_fail=false');
    assert.ok(taken <= 1_500, `${taken} ms`);
  });
  await healthy();
});

test('a page that hears nothing says that it is not live', async () => {
  await visit({}, async (page) => {
    await live(page);
    process.kill(gateway, 'SIGSTOP');
    try {
      await page.locator('#live', { hasText: 'NOT LIVE' }).waitFor();
    } finally {
      process.kill(gateway, 'SIGCONT');
    }
    await live(page);
  });
});
