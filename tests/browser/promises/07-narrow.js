// A telephone is enough.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthy, live, out, visit } from '../support.js';

const widths = (page) => page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);

test('nothing scrolls sideways at 320 px', async () => {
  await healthy();
  const viewport = { width: 320, height: 640 };
  await visit({ viewport }, async (page) => {
    await live(page);
    await page.screenshot({ path: `${out}/narrow.png`, fullPage: true });
    assert.deepEqual(await widths(page), [320, 320]);
    await page.getByRole('button', { name: 'Scale android' }).click();
    const box = await page.getByRole('dialog').boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 320, JSON.stringify(box));
  });
  await visit({ viewport, javaScriptEnabled: false, path: '/confirm?do=restart&target=android%2F0' }, async (page) => {
    assert.deepEqual(await widths(page), [320, 320]);
  });
});
