// Every action of the page can be done by mouse, by keyboard alone and without JavaScript, and the list shows each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthy, live, state, tab, until, visit } from '../support.js';

// What is pressed, what is asked, what is filled in, what is pressed then, and what the list says of it.
const deeds = [
  { press: 'Log level', title: 'Change the log level?', field: 'Filter', text: 'debug', confirm: 'Change', listed: 'log debug done' },
  { press: 'Log level', title: 'Change the log level?', field: 'Filter', text: 'info', confirm: 'Change', listed: 'log info done' },
  { press: 'Trace next pushes', title: 'Trace the next pushes?', field: 'Pushes', text: '3', confirm: 'Trace', listed: 'trace the next 3 pushes done' },
  { press: 'Test push on android', title: 'Test push on android?', field: /^Device token/, text: 't0ken', confirm: 'Send', listed: 'test push on android done delivered' },
  { press: 'Scale android', title: 'Scale android?', field: 'Connections', text: '7', confirm: 'Scale', listed: 'scale android to 7 connections done' },
  { press: 'Scale android', title: 'Scale android?', field: 'Connections', text: '6', confirm: 'Scale', listed: 'scale android to 6 connections done' },
  { press: 'Pause android/3', title: 'Pause android/3?', confirm: 'Pause', listed: 'pause android/3 done' },
  { press: 'Resume android/3', title: 'Resume android/3?', confirm: 'Resume', listed: 'resume android/3 done' },
  { press: 'Restart android/1', title: 'Restart android/1?', confirm: 'Restart', listed: 'restart android/1 done' },
  { press: 'Pause android', title: 'Pause route android?', confirm: 'Pause', listed: 'pause android done' },
  { press: 'Resume android', title: 'Resume route android?', confirm: 'Resume', listed: 'resume android done' },
  { press: 'Rolling restart of android', title: 'Rolling restart of android?', confirm: 'Restart all', listed: 'restart android done' },
  { press: 'Drain intake', title: 'Drain the intake?', confirm: 'Drain', listed: 'drain intake done' },
  { press: 'Resume intake', title: 'Resume the intake?', confirm: 'Resume intake', listed: 'resume intake done' },
];

const button = (page, name) => page.getByRole('button', { name, exact: true });
const focused = (page) => page.evaluate(() => document.activeElement.name || document.activeElement.textContent);

async function byMouse(page, { press, title, field, text, confirm }) {
  await button(page, press).click();
  const dialog = page.getByRole('dialog', { name: title });
  if (field) await dialog.getByLabel(field).fill(text);
  await button(dialog, confirm).click();
  await dialog.waitFor({ state: 'hidden' });
}

// A field has the focus and its text is selected; without one, the button that does it has the focus.
async function byKeyboard(page, { press, title, field, text, confirm }) {
  await button(page, press).waitFor();
  await tab(page, press);
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: title });
  await dialog.waitFor();
  if (field) await page.keyboard.type(text);
  else assert.equal(await focused(page), confirm);
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'hidden' });
}

async function byForm(page, { press, title, field, text, confirm, listed }) {
  await button(page, press).click();
  await page.getByRole('heading', { name: title }).waitFor();
  if (field) await page.getByLabel(field).fill(text);
  await button(page, confirm).click();
  const [deed, result = ''] = listed.split(' done');
  await page.locator('#notice', { hasText: `Done: ${deed}${result && ` –${result}`}` }).waitFor();
}

for (const [way, act, options] of [
  ['by mouse', byMouse, {}],
  ['by keyboard alone', byKeyboard, {}],
  ['without JavaScript', byForm, { javaScriptEnabled: false }],
]) {
  test(`every action is done ${way}, and listed`, async () => {
    await healthy();
    await visit(options, async (page) => {
      if (act !== byForm) await live(page);
      for (const deed of deeds) {
        await act(page, deed);
        const entry = page.locator('[data-f=audit] li').first();
        await until(`${deed.listed} is listed`, async () => (await entry.textContent()).includes(`anybody ${deed.listed}`) || entry.textContent());
        if (deed.listed.startsWith('pause android')) await until('it is paused', async () => JSON.stringify(await state()).includes('"paused"'));
        if (deed.listed.startsWith('resume')) await healthy();
      }
    });
    const { telemetry } = await state();
    assert.equal(telemetry.log, 'info');
    assert.ok(telemetry.traces.wanted <= 3, JSON.stringify(telemetry.traces));
    await healthy();
  });
}

test('more pushers than a page holds are on pages, with their graphs, with and without a script', async () => {
  await healthy();
  const scale = async (page, connections) => {
    await byMouse(page, { press: 'Scale android', title: 'Scale android?', field: 'Connections', text: String(connections), confirm: 'Scale' });
    await healthy();
  };
  await visit({}, async (page) => {
    await live(page);
    await scale(page, 206);
    await page.locator('[data-f=page]', { hasText: 'page 1 of 2' }).waitFor();
    assert.equal(await page.locator('#pusher-rows tr').count(), 200);
    await page.getByRole('link', { name: 'Next' }).click();
    await until('the others are there', async () => (await page.locator('#pusher-rows tr').count()) === 6);
    const spark = page.locator('#pusher-rows tr[data-id="android/205"] [data-c=spark]');
    await until('it has a graph', async () => (await spark.getAttribute('d')).length > 10);
    await visit({ javaScriptEnabled: false, path: '/?page=2' }, async (plain) => {
      assert.equal(await plain.locator('#pusher-rows tr').count(), 6);
    });
    await scale(page, 6);
    await until('one page is enough', async () => (await page.locator('#pager').isHidden()) && (await page.locator('#pusher-rows tr').count()) === 6);
  });
  await healthy();
});
