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
