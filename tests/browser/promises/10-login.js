// A person logs in by a form, with or without a script, by keyboard; a session that has ended leads back to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guarded, live, logIn, out, until, visit } from '../support.js';

for (const javaScriptEnabled of [true, false]) {
  test(`login and logout ${javaScriptEnabled ? 'with' : 'without'} a script`, async () => {
    await visit({ at: guarded, path: '/?sort=p99', javaScriptEnabled, expected: [/401/] }, async (page) => {
      assert.match(page.url(), /\/login\?next=/);
      await logIn(page, 'ops', 'wrong');
      await page.getByRole('alert').filter({ hasText: 'Name or password is wrong' }).waitFor();
      assert.equal(await page.getByLabel('Name').inputValue(), 'ops', 'the name is kept');
      await page.screenshot({ path: `${out}/login.png` });
      await page.getByLabel('Password').fill('secret');
      await page.keyboard.press('Enter');
      await page.waitForURL('**/?sort=p99');
      const [cookie] = await page.context().cookies();
      assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.expires], [true, 'Strict', -1]);
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.waitForURL('**/login');
      assert.deepEqual(await page.context().cookies(), []);
    });
  });
}

test('a page whose session has ended asks to log in again', async () => {
  await visit({ at: guarded, expected: [/401/] }, async (page) => {
    await logIn(page, 'ops');
    await live(page);
    const other = await page.context().newPage();
    await other.goto(guarded);
    await other.getByRole('button', { name: 'Log out' }).click();
    await other.waitForURL('**/login');
    await until('it is led to the login', async () => /\/login\?next=/.test(page.url()) || page.url());
  });
});
