// Claiming by camera, photo and hand, and each way in which it does not work.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { device, LABEL_BYTES, LABEL_CASE, LABEL_DEVICE, world } from '../mock/data.mjs';
import { startMock } from '../mock/server.mjs';
import { DESKTOP, DIST, launch, OUT, PHONE, signIn, watched } from './browser.mjs';
import { photo, writeFilm } from './label.mjs';

const FILM = join(OUT, 'label.y4m');
const CAMERA = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${FILM}`];
let camera;
let none;
let denied;

before(async () => {
  mkdirSync(OUT, { recursive: true });
  writeFilm(FILM, LABEL_BYTES);
  [camera, none, denied] = [await launch(CAMERA), await launch(), await launch(['--use-fake-device-for-media-stream', '--deny-permission-prompts'])];
});
after(() => Promise.all([camera, none, denied].map((one) => one.close())));

async function opened(browser, path, run, viewport = PHONE) {
  const mock = await startMock(DIST, world());
  const { context, faults } = await watched(browser, mock.url, { viewport });
  const page = await context.newPage();
  try {
    await signIn(page, mock.url);
    await page.goto(mock.url + path);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await run(page, mock, context);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
    await mock.kill();
  }
}

const button = (page, name) => page.getByRole('button', { name, exact: true });
const claims = (mock) => mock.calls.filter((one) => one.call === 'POST /v1/claims');

async function type(page, id = LABEL_DEVICE, caseString = LABEL_CASE) {
  await page.getByLabel('Device id').fill(id);
  await page.getByLabel('Case string').fill(caseString);
  await button(page, 'Go on').click();
}

for (const [words, viewport] of [['a_phone', PHONE], ['a_desk', DESKTOP]]) {
  test(`a_label_before_the_camera_is_claimed_in_two_presses_on_${words}`, async () => {
    await opened(camera, '/ui/claim', async (page, mock) => {
      await button(page, 'Start camera').click();
      await page.getByRole('heading', { name: 'Label read' }).waitFor();
      assert.equal(claims(mock).length, 0, 'nothing is sent before the press');
      assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Label read');
      assert.equal(await page.locator('video').count(), 0, 'the camera is off');
      await button(page, 'Claim').click();
      await page.getByRole('heading', { name: /is yours/ }).waitFor();
      assert.deepEqual(Buffer.from(claims(mock)[0].body.label, 'base64'), Buffer.from(LABEL_BYTES));
      const claimed = mock.world.devices.at(-1);
      for (const status of [3, 4, 5]) {
        Object.assign(claimed, { status, image_created_unix_millis: status > 3 ? Date.now() : null, seen_unix_millis: status === 5 ? Date.now() : null });
        mock.push('device', { device: claimed });
      }
      await page.getByRole('status').filter({ hasText: 'In service.' }).waitFor();
    }, viewport);
  });
}

test('a_camera_that_opens_after_its_page_was_left_is_put_out', async () => {
  await opened(camera, '/ui/claim', async (page) => {
    await page.evaluate(() => {
      const blank = document.createElement('canvas');
      navigator.mediaDevices.getUserMedia = async () => {
        await new Promise((resolve) => { window.letCameraOpen = resolve; });
        blank.getContext('2d').fillRect(0, 0, blank.width, blank.height);
        window.opened = blank.captureStream(10);
        return window.opened;
      };
    });
    await button(page, 'Start camera').click();
    await page.waitForFunction(() => window.letCameraOpen !== undefined);
    await page.getByRole('link', { name: 'Today' }).first().click();
    await page.getByRole('heading', { level: 1, name: 'Today', exact: true }).waitFor();
    await page.evaluate(() => window.letCameraOpen());
    await page.waitForFunction(() => window.opened?.getTracks().every((track) => track.readyState === 'ended'));
  }, DESKTOP);
});

test('a_blocked_camera_says_so_and_a_photo_still_works', async () => {
  await opened(denied, '/ui/claim', async (page) => {
    await button(page, 'Start camera').click();
    await page.getByText('The camera is blocked for this site.').waitFor();
    await page.locator('input[type=file]').setInputFiles({ name: 'label.png', mimeType: 'image/png', buffer: photo(LABEL_BYTES) });
    await page.getByRole('heading', { name: 'Label read' }).waitFor();
  });
});

test('a_missing_camera_says_so', async () => {
  await opened(none, '/ui/claim', async (page) => {
    await button(page, 'Start camera').click();
    await page.getByText('No camera here.').waitFor();
  });
});

test('photos_without_a_code_links_and_newer_labels_are_named_and_nothing_is_sent', async () => {
  await opened(none, '/ui/claim', async (page, mock) => {
    const give = (name, buffer) => page.locator('input[type=file]').setInputFiles({ name, mimeType: 'image/png', buffer });
    await give('grey.png', photo(null));
    await page.getByText('No code was found in this photo.').waitFor();
    await give('text.png', Buffer.from('no picture'));
    await page.getByText('This file is no picture.').waitFor();
    await give('link.png', photo(new TextEncoder().encode('https://thing.example/product')));
    await page.getByText('This is a web link, not a device label.').waitFor();
    await give('newer.png', photo(Uint8Array.of(0x83, 3, ...LABEL_BYTES.slice(2))));
    await page.getByText('A Thingstead label of a newer kind (3).').waitFor();
    assert.equal(claims(mock).length, 0);
  });
});

test('typing_names_the_character_that_cannot_be', async () => {
  await opened(none, '/ui/claim?way=type', async (page) => {
    await page.getByLabel('Case string').fill('a1b2c3d4o5');
    await page.getByText("Character 9 is 'o'; only 0-9 and a-f occur. Did you mean 0?").waitFor();
    await page.getByLabel('Case string').fill(LABEL_CASE.slice(1));
    await page.getByText('Case string: 31 of 32 characters').waitFor();
    await type(page, LABEL_DEVICE.toUpperCase(), LABEL_CASE.match(/.{4}/g).join(' '));
    await page.getByRole('heading', { name: 'Label read' }).waitFor();
  });
});

test('a_device_that_is_ours_or_offered_is_no_error', async () => {
  await opened(none, '/ui/claim?way=type', async (page, mock) => {
    mock.world.devices.push({ ...device(1, 5), id: LABEL_DEVICE });
    mock.push('device', { device: mock.world.devices.at(-1) });
    await type(page);
    await page.getByText('You already own this: Acme P2').waitFor();
    assert.equal(await button(page, 'Claim').count(), 0);
  });
  await opened(none, '/ui/devices', async (page, mock) => {
    mock.world.offers = [{ device: LABEL_DEVICE, from: 'B1', since_unix_millis: Date.now() - 5_000 }];
    await page.goto(`${mock.url}/ui/claim?way=type`);
    await type(page);
    await page.getByText('This is offered to you').waitFor();
  });
});

test('a_refused_claim_gives_no_reason_and_three_ways_on', async () => {
  await opened(none, '/ui/claim?way=type', async (page, mock) => {
    mock.world.claimAnswer = { status: 403, code: 'claim-refused' };
    await type(page);
    await button(page, 'Claim').click();
    const note = page.getByRole('alert').filter({ hasText: 'The authority did not give you this device.' });
    await note.waitFor();
    assert.match(await note.innerText(), /It does not say why, to anybody/);
    await button(page, 'Copy for the seller a message for the seller').waitFor();
    await button(page, 'Check the string').click();
    assert.equal(await page.getByLabel('Device id').inputValue(), LABEL_DEVICE);
    assert.equal(await page.getByLabel('Case string').inputValue(), '', 'a case string is not kept');
  });
});

test('the_limit_names_the_time_and_holds_the_button', async () => {
  await opened(none, '/ui/claim?way=type', async (page, mock) => {
    mock.world.claimAnswer = { status: 503, code: 'claim-limit', headers: { 'retry-after': '600' } };
    await type(page);
    await button(page, 'Claim').click();
    await page.getByText(/Next at \d\d:\d\d:\d\d/).waitFor();
    assert.equal(await button(page, 'Claim').isDisabled(), true);
  });
});

test('an_unknown_outcome_is_asked_again_as_the_same_claim', async () => {
  await opened(none, '/ui/claim?way=type', async (page, mock) => {
    mock.world.failures['POST /v1/claims'] = 'break';
    await type(page);
    await button(page, 'Claim').click();
    await page.getByText('We do not know if it worked.').waitFor();
    delete mock.world.failures['POST /v1/claims'];
    await button(page, 'Ask again').click();
    await page.getByRole('heading', { name: /is yours/ }).waitFor();
    const requests = new Set(claims(mock).map((one) => one.body.request));
    assert.equal(requests.size, 1);
    assert.ok(claims(mock).length >= 2);
  });
});

test('without_a_network_it_is_not_sent_and_kept', async () => {
  await opened(none, '/ui/claim?way=type', async (page, mock, context) => {
    await type(page);
    await context.setOffline(true);
    await button(page, 'Claim').click();
    await page.getByText('Not sent.').waitFor();
    assert.equal(claims(mock).length, 0);
    await context.setOffline(false);
    await button(page, 'Send it now').click();
    await page.getByRole('heading', { name: /is yours/ }).waitFor();
  });
});
