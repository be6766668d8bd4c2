// Who may look may look, and who may act may act.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guarded, live, logIn, visit } from '../support.js';

const as = (name, options, use) =>
  visit({ at: guarded, ...options }, async (page) => {
    await logIn(page, name);
    await live(page);
    await use(page);
  });

test('a viewer sees everything and is offered nothing to press', async () => {
  await as('look', { expected: [/403/] }, async (page) => {
    await page.locator('header', { hasText: 'look (viewer: read only)' }).waitFor();
    assert.equal(await page.locator('#pusher-rows tr').count(), 1);
    for (const name of [/^Restart/, /^Pause android/, /intake/, /^Scale/]) {
      assert.equal(await page.getByRole('button', { name }).count(), 0, String(name));
    }
    const answer = await page.evaluate(async () => {
      const response = await fetch('/admin/api/drain', { method: 'POST' });
      return [response.status, (await response.json()).error.message];
    });
    assert.equal(answer[0], 403);
    assert.match(answer[1], /viewer and may look but not act/);
    await page.locator('[data-f=audit]', { hasText: 'look attempt to act' }).waitFor();
  });
});

test('an operator pauses a pusher, and the list has the name', async () => {
  await as('ops', {}, async (page) => {
    for (const [button, confirm, done] of [['Pause android/0', 'Pause', 'pause android/0'], ['Resume android/0', 'Resume', 'resume android/0']]) {
      await page.getByRole('button', { name: button }).click();
      await page.getByRole('dialog').getByRole('button', { name: confirm }).click();
      await page.locator('[data-f=audit]', { hasText: `ops ${done} done` }).waitFor();
    }
  });
});

test('a form without the token of this process is refused', async () => {
  await as('ops', { expected: [/403/] }, async (page) => {
    const status = await page.evaluate(async () => {
      const body = new URLSearchParams({ do: 'drain', target: '', token: '0'.repeat(32) });
      return (await fetch('/admin/actions', { method: 'POST', body })).status;
    });
    assert.equal(status, 403);
    await page.locator('[data-f=audit]', { hasText: 'no valid token' }).waitFor();
    assert.notEqual(await page.locator('[data-f=word]').textContent(), 'draining');
  });
});
