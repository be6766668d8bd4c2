// The page can be read by everybody: no serious finding of axe, light, dark, and with a question open.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { healthy, live, visit } from '../support.js';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function findings(page) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => window.axe.run(document));
  assert.ok(passes.length > 15, `only ${passes.length} rules applied`);
  return violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing serious in the ${colorScheme} page`, async () => {
    await healthy();
    await visit({ colorScheme }, async (page) => {
      await live(page);
      assert.deepEqual(await findings(page), []);
      await page.getByRole('button', { name: 'Restart android/0' }).click();
      await page.getByRole('dialog').waitFor();
      assert.deepEqual(await findings(page), []);
    });
    await visit({ colorScheme, viewport: { width: 320, height: 640 } }, async (page) => {
      await live(page);
      assert.deepEqual(await findings(page), []);
    });
  });
}
