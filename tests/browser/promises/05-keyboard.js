// Hands that hold no mouse reach everything, and updates do not take the focus away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { focused, healthy, live, state, tab, until, visit } from '../support.js';

test('a pusher is restarted by the keyboard alone', async () => {
  await healthy();
  const restarts = async () => (await state()).pushers[4].restarts;
  const before = await restarts();
  await visit({}, async (page) => {
    await live(page);
    await tab(page, 'Restart android/4');
    const { uptime_seconds: since } = await state();
    await until('three more states', async () => (await state()).uptime_seconds > since + 3);
    assert.equal(await focused(page), 'Restart android/4', 'updates leave the focus alone');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Restart android/4?' });
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    assert.equal(await focused(page), 'Restart android/4', 'the focus is back');
    await page.keyboard.press('Enter');
    await dialog.waitFor();
    assert.equal(await focused(page), 'Restart');
    await page.keyboard.press('Enter');
    await page.locator('#notice', { hasText: 'Done: restart android/4' }).waitFor();
  });
  assert.equal(await restarts(), before + 1);
  await healthy();
});
