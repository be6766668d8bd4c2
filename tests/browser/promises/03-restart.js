// An action is asked about first, carried out once, and listed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, healthy, live, state, until, visit } from '../support.js';

const restarts = async (id) => (await state()).pushers.find((pusher) => pusher.id === id).restarts;

test('restart asks, does nothing when cancelled, and is listed when done', async () => {
  await healthy();
  const before = await restarts('android/2');
  await visit({}, async (page) => {
    await live(page);
    const button = page.getByRole('button', { name: 'Restart android/2' });
    await button.click();
    const dialog = page.getByRole('dialog', { name: 'Restart android/2?' });
    await dialog.waitFor();
    await dialog.getByRole('link', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'hidden' });
    assert.equal(await button.evaluate((element) => element === document.activeElement), true, 'the focus is back');
    await button.click();
    await dialog.getByLabel('Force').check();
    await page.screenshot({ path: `${process.env.PUSHWEIR_OUT}/dialog.png` });
    await dialog.getByRole('button', { name: 'Restart' }).click();
    await page.locator('#notice', { hasText: 'Done: restart android/2 (force)' }).waitFor();
    const entry = page.locator('[data-f=audit] li').first();
    await until('it is listed', async () => (await entry.textContent()).includes('anybody restart android/2 (force)') || entry.textContent());
  });
  assert.equal(await restarts('android/2'), before + 1);
  const { entries } = await (await fetch(`${address}/admin/api/audit`)).json();
  assert.deepEqual([entries[0].action, entries[0].target, entries[0].is_done], ['restart', 'android/2 (force)', true]);
  await healthy();
});

test('a route is scaled from the page, and its new pushers get rows', async () => {
  await visit({}, async (page) => {
    await live(page);
    for (const connections of [8, 6]) {
      await page.getByRole('button', { name: 'Scale android' }).click();
      await page.getByRole('dialog').getByLabel('Connections').fill(String(connections));
      await page.getByRole('dialog').getByRole('button', { name: 'Scale' }).click();
      await page.locator('#notice', { hasText: `Done: scale android to ${connections} connections` }).waitFor();
      await until(`${connections} rows`, async () => (await page.locator('#pusher-rows tr').count()) === connections);
    }
  });
  await healthy();
});
