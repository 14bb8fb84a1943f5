// Smart devices on the pages: seen live, changed, called, shared.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NOW, uuid, world } from '../mock/data.mjs';
import { startMock } from '../mock/server.mjs';
import { DESKTOP, DIST, launch, signIn, watched } from './browser.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

const THING = `/ui/things/${uuid(70)}`;
const CALLS = `/things/${uuid(70)}`;
const button = (page, name) => page.getByRole('button', { name, exact: true });
const row = (page, name) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });
const made = (mock, call) => mock.calls.filter((one) => one.call === call);

async function opened(path, run, change = {}) {
  const mock = await startMock(DIST, { ...world(), ...change });
  const { context, faults } = await watched(browser, mock.url, { viewport: DESKTOP });
  const page = await context.newPage();
  try {
    await signIn(page, mock.url);
    await page.goto(mock.url + path);
    await run(page, mock);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
    await mock.kill();
  }
}

test('a_value_and_an_event_are_seen_as_they_come', async () => {
  await opened(THING, async (page, mock) => {
    await row(page, /^Temperature/).getByText('21.4').waitFor();
    await page.getByText('Shown as it happens').waitFor();
    mock.push('value', { name: 'temperature', value: 25.5, at_unix_millis: NOW, version: 42 });
    await row(page, /^Temperature/).getByText('25.5').waitFor();
    mock.push('event', { number: 9, id: uuid(79), name: 'window-open', data: 99, at_unix_millis: NOW, received_unix_millis: NOW, lost_before: 0 });
    await page.getByRole('link', { name: 'Events' }).click();
    assert.match(await page.getByRole('row').nth(1).textContent(), /99/, 'the newest stands first');
    assert.equal(await page.getByRole('row').count(), 4, 'the two that were kept are there too');
  });
});

test('a_refused_wish_says_what_the_device_said', async () => {
  await opened(THING, async (page) => {
    await row(page, /^Mode/).getByText(/the device said no: locked by hand/).waitFor();
    await row(page, /^Wanted temperature/).getByText(/23\s°C, asked/).waitFor();
  });
});

test('a_change_is_checked_here_before_it_is_sent', async () => {
  await opened(THING, async (page, mock) => {
    await button(page, 'Change… Wanted temperature').click();
    const field = page.getByLabel('Wanted temperature (°C)');
    await field.fill('31');
    await button(page, 'Change').click();
    await page.getByText('At most 30.', { exact: true }).waitFor();
    assert.equal(made(mock, `PUT ${CALLS}/properties/setpoint`).length, 0);
    await field.fill('19.5');
    await button(page, 'Change').click();
    await page.getByText('Wanted temperature is now 19.5.').waitFor();
    assert.equal(made(mock, `PUT ${CALLS}/properties/setpoint`)[0].body, 19.5);
    await row(page, /^Wanted temperature/).getByText('19.5').first().waitFor();
  });
});

test('an_operation_that_cannot_be_taken_back_is_asked_about_with_what_was_filled_in', async () => {
  await opened(`${THING}/operations`, async (page, mock) => {
    await page.getByLabel('For how long (min)').fill('20');
    await button(page, 'Heat now').click();
    const dialog = page.getByRole('alertdialog');
    await dialog.getByText('{"minutes":20}').waitFor();
    await page.keyboard.press('Escape');
    assert.equal(made(mock, `POST ${CALLS}/actions/boost`).length, 0, 'Escape leaves it');
    await button(page, 'Heat now').click();
    await dialog.getByRole('button', { name: 'Heat now' }).click();
    await page.getByText('Done: {"warmed":true}').waitFor();
    assert.deepEqual(made(mock, `POST ${CALLS}/actions/boost`)[0].body, { minutes: 20 });
  });
});

test('an_operation_that_may_be_repeated_is_sent_at_once', async () => {
  await opened(`${THING}/operations`, async (page, mock) => {
    await button(page, 'Blink').click();
    await page.getByText('Done: {"warmed":true}').waitFor();
    assert.equal(made(mock, `POST ${CALLS}/actions/identify`).length, 1);
  });
});

test('an_operation_for_a_device_that_is_away_waits_and_can_be_withdrawn', async () => {
  await opened(`${THING}/operations`, async (page, mock) => {
    await button(page, 'Blink').click();
    await page.getByText(/Queued: the device is not there; will be sent until/).waitFor();
    await button(page, 'Withdraw').click();
    await page.getByText('Withdrawn: it was not sent.').waitFor();
    assert.equal(made(mock, `DELETE ${CALLS}/actions/identify/5`).length, 1);
  }, { operation: 'queued' });
});

test('a_rule_is_made_and_taken_back', async () => {
  await opened(`${THING}/access`, async (page, mock) => {
    await button(page, 'Add a rule…').click();
    await button(page, 'Turn on').click();
    await page.getByText('Whose account?').waitFor();
    await page.getByLabel('Account name').fill('omar');
    await page.getByLabel('Call').check();
    await page.getByLabel('Blink').check();
    await button(page, 'Turn on').click();
    await page.getByText('omar may now.').waitFor();
    assert.deepEqual(made(mock, 'POST /v1/grants')[0].body, { party: 'person:omar', thing: uuid(70), acts: ['read', 'call'], names: ['identify'], from_unix_millis: null, until_unix_millis: null });
    await button(page, 'Take back the rule for person:ines').click();
    await page.getByText('person:ines may not any more. What was being followed has ended.').waitFor();
    assert.equal(made(mock, `DELETE /v1/grants/${uuid(80)}`).length, 1);
  });
});

test('values_are_marked_old_while_the_server_is_away', async () => {
  await opened(THING, async (page, mock) => {
    await page.getByText('Shown as it happens').waitFor();
    await mock.kill();
    await page.getByText('Shown as last known').waitFor();
    assert.match(await row(page, /^Temperature/).locator('.now').getAttribute('class'), /old/);
  });
});

test('a_device_is_removed_after_its_consequences_were_named', async () => {
  await opened(`${THING}/description`, async (page, mock) => {
    await button(page, 'Remove this device…').click();
    await page.getByRole('alertdialog').getByText(/rules are erased at once/).waitFor();
    await page.keyboard.press('Escape');
    assert.equal(made(mock, `DELETE ${CALLS}`).length, 0, 'Escape keeps it');
    await button(page, 'Remove this device…').click();
    await button(page, 'Remove it').click();
    await page.getByRole('heading', { level: 1, name: 'Smart devices' }).waitFor();
    assert.equal(made(mock, `DELETE ${CALLS}`).length, 1);
    await page.getByText('Back door').waitFor();
    assert.equal(await page.getByText('Radiator, kitchen', { exact: true }).count(), 0);
  });
});
