// Smart devices come on record, MQTT clients get passwords, files go and come.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { uuid, world } from '../mock/data.mjs';
import { startMock } from '../mock/server.mjs';
import { DESKTOP, DIST, launch, signIn, watched } from './browser.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

const THING = `/ui/things/${uuid(70)}`;
const CALLS = `/things/${uuid(70)}`;
const button = (page, name) => page.getByRole('button', { name, exact: true });
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

test('a_typed_label_is_checked_here_and_sent_once', async () => {
  await opened('/ui/things/add', async (page, mock) => {
    await button(page, 'Type it').click();
    await button(page, 'Add').click();
    for (const missing of ['Type the serial.', 'Type the code.', 'Choose what it is.']) await page.getByText(missing).waitFor();
    await page.getByLabel('Serial').fill('TS 1');
    await page.getByText(/A serial has 1 to 71/).waitFor();
    await page.getByLabel('Serial').fill('TS:1');
    await page.getByLabel('Code', { exact: true }).fill('7777-7777-7777-8');
    await page.getByText('One character is wrong, or two changed places.').waitFor();
    await page.getByLabel('Code', { exact: true }).fill('7777 7777 7777 g');
    await page.getByLabel('What it is').selectOption('door-lock');
    await button(page, 'Add').click();
    await page.getByText('TS:1 was added.').waitFor();
    assert.deepEqual(made(mock, 'POST /things').map((one) => one.body), [{ model: { title: 'Door lock' }, osap: { serial: 'TS:1' }, enrolment: { code: '7777-7777-7777-G' } }]);
    await page.getByText('It may come in').waitFor();
  });
});

test('what_the_server_does_not_take_is_said_and_nothing_is_forgotten', async () => {
  await opened('/ui/things/add', async (page) => {
    await button(page, 'Type it').click();
    await page.getByLabel('Serial').fill('TS:1');
    await page.getByLabel('Code', { exact: true }).fill('7777-7777-7777-G');
    await page.getByLabel('What it is').selectOption('camera');
    await button(page, 'Add').click();
    await page.getByText(/Such a thing is there already/).waitFor();
    assert.equal(await page.getByLabel('Serial').inputValue(), 'TS:1');
  }, { failures: { 'POST /things': { status: 409, code: 'thing-exists' } } });
});

test('without_a_load_balancer_the_page_says_what_to_do', async () => {
  await opened('/ui/things/add', async (page, mock) => {
    await page.getByText(/No load balancer runs here/).waitFor();
    assert.equal(await page.getByLabel('The code on its label').isDisabled(), true);
    await page.getByLabel('Serial').fill('TS1');
    await page.getByLabel('What it is').selectOption('own');
    const model = { name: 'model.json', mimeType: 'application/json', buffer: Buffer.from('{"title":"Pump"}') };
    await page.getByLabel('W3C Thing Model in JSON').setInputFiles({ ...model, buffer: Buffer.from('[]') });
    await page.getByText(/The file is no JSON document/).waitFor();
    await page.getByLabel('W3C Thing Model in JSON').setInputFiles(model);
    await page.getByText('model.json').waitFor();
    await button(page, 'Add').click();
    await page.getByText('TS1 was added.').waitFor();
    assert.deepEqual(made(mock, 'POST /things')[0].body, { model: { title: 'Pump' }, osap: { serial: 'TS1' } });
  }, { realm: null });
});

test('the_owner_opens_the_window_blocks_and_lets_in_again', async () => {
  await opened(`${THING}/record`, async (page, mock) => {
    await page.getByText('a key it shares with us, a ticket of its last time').waitFor();
    await button(page, 'Open the window').click();
    await page.getByText(/Open until/).waitFor();
    await button(page, 'Close the window').click();
    await page.getByText('The window is closed.').waitFor();
    await button(page, 'Block…').click();
    const dialog = page.getByRole('alertdialog');
    await dialog.getByText(/its session ends at once/).waitFor();
    await page.keyboard.press('Escape');
    assert.equal(made(mock, `PUT ${CALLS}/record/block`).length, 0, 'Escape leaves it');
    await button(page, 'Block…').click();
    await dialog.getByRole('button', { name: 'Block', exact: true }).click();
    await page.getByText('Blocked: it is not let in').waitFor();
    await button(page, 'Let it in again').click();
    await page.getByText('It may come in').waitFor();
    await button(page, 'Another code…').click();
    await page.getByLabel('Code on the label').fill('777777777777g');
    await button(page, 'Set the code').click();
    await page.getByText('Radiator, kitchen has another code.').waitFor();
    assert.deepEqual(made(mock, `PUT ${CALLS}/record/code`)[0].body, { code: '7777-7777-7777-G' });
  });
});

test('a_device_without_a_record_is_put_on_it', async () => {
  await opened(`${THING}/record`, async (page, mock) => {
    await button(page, 'Put it on record…').click();
    await page.getByLabel('Code on the label').fill('7777-7777-7777-G');
    await page.getByRole('dialog').getByRole('button', { name: 'Put it on record', exact: true }).click();
    await page.getByText('the code on its label', { exact: true }).waitFor();
    assert.equal(made(mock, `POST ${CALLS}/record`).length, 1);
  }, { record: null });
});

test('a_client_gets_a_password_that_is_drawn_and_shown_once', async () => {
  await opened('/ui/system/clients', async (page, mock) => {
    await button(page, 'Add a client…').click();
    await page.getByLabel('Name', { exact: true }).fill('Hall Lamp');
    await button(page, 'Add').click();
    await page.getByText(/A name is 1 to 48/).waitFor();
    await page.getByLabel('Name', { exact: true }).fill('hall-lamp');
    await page.getByLabel('It acts for the owner').check();
    await page.getByText('This cannot be changed later.').waitFor();
    await button(page, 'Add').click();
    const shown = page.getByRole('dialog').locator('.drawn code');
    await shown.waitFor();
    const [{ body }] = made(mock, 'POST /v1/clients');
    assert.equal(await shown.textContent(), body.password);
    assert.equal(body.for_owner, true);
    assert.match(body.password, /^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/);
    await button(page, 'Done').click();
    await page.getByRole('row').filter({ hasText: 'hall-lamp' }).waitFor();
    await button(page, 'New password for hall-lamp').click();
    await button(page, 'Draw a new one').click();
    await shown.waitFor();
    assert.notEqual(made(mock, 'PUT /v1/clients/hall-lamp/password')[0].body.password, body.password);
    await button(page, 'Done').click();
    await button(page, 'Key of hall-lamp for CoAP').click();
    await button(page, 'Draw a key').click();
    await shown.waitFor();
    assert.match(await shown.textContent(), /^[0-9a-f]{32}$/);
    await button(page, 'Done').click();
    await button(page, 'Key of hall-lamp for CoAP').click();
    await button(page, 'Take it back').click();
    await page.getByText('hall-lamp has no key any more.').waitFor();
    assert.equal(made(mock, 'DELETE /v1/clients/hall-lamp/key').length, 1);
    await button(page, 'Certificate of hall-lamp').click();
    await page.getByLabel('In PEM').fill('-----BEGIN CERTIFICATE-----');
    await button(page, 'Give it').click();
    await page.getByText('hall-lamp signs in by certificate.').waitFor();
    await button(page, 'Certificate of hall-lamp').click();
    await button(page, 'Take it back').click();
    await page.getByText('hall-lamp has no certificate any more.').waitFor();
    assert.equal(made(mock, 'DELETE /v1/clients/hall-lamp/certificate').length, 1);
    await button(page, 'Remove hall-lamp').click();
    await button(page, 'Remove it').click();
    await page.getByText('hall-lamp was removed.').waitFor();
    assert.equal(await page.getByRole('row').filter({ hasText: 'hall-lamp' }).count(), 0);
  });
});

test('without_clients_and_files_the_pages_say_what_to_do_next', async () => {
  await opened('/ui/system/clients', async (page, mock) => {
    await page.getByText('No MQTT clients yet.').waitFor();
    await button(page, 'Add a client…').waitFor();
    await page.goto(`${mock.url}${THING}/files`);
    await page.getByText('No files yet.').waitFor();
    await page.getByText('Bring a file…').waitFor();
  }, { clients: [], files: [] });
});

test('a_file_is_brought_in_pieces_fetched_with_its_digest_and_removed', async () => {
  await opened(`${THING}/files`, async (page, mock) => {
    const bytes = Buffer.alloc(150_000, 'thing');
    await page.getByLabel('Bring a file…').setInputFiles({ name: 'plan.bin', mimeType: 'application/octet-stream', buffer: bytes });
    await page.getByText('plan.bin is there.').waitFor();
    const id = 'f3'.padEnd(32, '0');
    assert.deepEqual(mock.world.brought[id], bytes);
    assert.equal(made(mock, `PATCH /v1/files/${id}`).length, 3, 'in pieces of 60 KiB');
    const waits = page.waitForEvent('download');
    await button(page, 'Fetch clip.mp4').click();
    const download = await waits;
    assert.equal(download.suggestedFilename(), 'clip.mp4');
    assert.equal(await readFile(await download.path(), 'utf8'), 'hello world');
    await button(page, 'Remove log.txt').click();
    await button(page, 'Remove it').click();
    await page.getByText('log.txt was removed.').waitFor();
  });
});

test('a_file_that_arrives_with_other_bytes_is_not_kept', async () => {
  const files = world().files.map((file) => ({ ...file, sha256: '00'.repeat(32) }));
  await opened(`${THING}/files`, async (page) => {
    await button(page, 'Fetch clip.mp4').click();
    await page.getByText(/are not the announced ones/).waitFor();
  }, { files });
});

test('what_a_value_was_is_a_line_and_words', async () => {
  await opened(THING, async (page) => {
    await button(page, 'History… of Temperature').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('img', { name: /Temperature from 19 to 23.5.°C, 6 reports/ }).waitFor();
    const points = await dialog.locator('polyline').getAttribute('points');
    assert.equal(points.split(' ').length, 6);
    assert.match(points, /^6\.0,194\.0 .*,6\.0 /, 'the least stands at the bottom, the most at the top');
    await dialog.getByText('3 earlier reports are not kept any more, or not yours to see.').waitFor();
    assert.match(await dialog.getByRole('row').nth(1).textContent(), /21\.4/, 'the newest stands first');
  });
});
