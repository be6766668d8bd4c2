// The page is small, complete and quiet, and asks nobody else for anything.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, healthy, live, visit } from '../support.js';

test('the page loads without complaints, from one origin, in 100 KiB', async () => {
  await healthy();
  await visit({}, async (page, seen) => {
    await live(page);
    assert.equal(await page.locator('[data-f=word]').textContent(), 'ok');
    assert.equal(await page.locator('#pusher-rows tr').count(), 6);
    const foreign = seen.requests.filter((url) => new URL(url).origin !== new URL(address).origin);
    assert.deepEqual(foreign, []);
    const paths = new Set(seen.requests.map((url) => new URL(url)).filter((url) => url.pathname !== '/admin/api/events'));
    let bytes = 0;
    for (const url of paths) bytes += (await (await fetch(url)).arrayBuffer()).byteLength;
    assert.ok(paths.size >= 4 && bytes <= 100 * 1024, `${bytes} bytes in ${paths.size} requests`);
  });
});

test('scripts and styles of others have no chance', async () => {
  const response = await fetch(address);
  const policy = response.headers.get('content-security-policy');
  assert.match(policy, /default-src 'self'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  await visit({ expected: [/Content Security Policy/] }, async (page, seen) => {
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.injected = true';
      document.body.append(script);
    });
    assert.equal(await page.evaluate(() => window.injected), undefined);
    assert.ok(seen.complaints.some((text) => text.includes('Content Security Policy')), 'the browser blocked it');
  });
});
