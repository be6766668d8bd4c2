// Everything works without JavaScript.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthy, state, until, visit, word } from '../support.js';

test('a browser without JavaScript can pause and resume a route', async () => {
  await healthy();
  await visit({ javaScriptEnabled: false }, async (page) => {
    await page.getByRole('button', { name: 'Pause android', exact: true }).click();
    await page.getByRole('heading', { name: 'Pause route android?' }).waitFor();
    assert.equal((await state()).state, 'ok', 'asking changes nothing');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.locator('#notice', { hasText: 'Done: pause android' }).waitFor();
    assert.equal(await word(page), 'paused');
    assert.match(await page.locator('[data-f=audit] li').first().textContent(), /anybody pause android done/);
    await page.getByRole('button', { name: 'Resume android', exact: true }).click();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.locator('#notice', { hasText: 'Done: resume android' }).waitFor();
    await until('it is not paused', async () => (await state()).state !== 'paused');
  });
  await healthy();
});

test('a browser without JavaScript can drain and open the intake, and order the pushers', async () => {
  await visit({ javaScriptEnabled: false }, async (page) => {
    await page.getByRole('button', { name: 'Drain intake' }).click();
    await page.getByRole('button', { name: 'Drain' }).click();
    await page.locator('#notice', { hasText: 'Done: drain intake' }).waitFor();
    assert.equal(await word(page), 'draining');
    await page.getByRole('button', { name: 'Resume intake' }).click();
    await page.getByRole('button', { name: 'Resume intake' }).click();
    await page.locator('#notice', { hasText: 'Done: resume intake' }).waitFor();
    await page.getByLabel('Order by').selectOption('restarts');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.locator('#pusher-rows tr').first().waitFor();
    assert.match(await page.locator('#pusher-rows tr').first().textContent(), /android\/2/);
  });
  await healthy();
});
