// A device's whole life by the pages, against the real program: two owners, a desk and a phone.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DESKTOP, launch, OUT, PHONE, ROOT, watched } from '../browser/browser.mjs';
import { writeFilm } from '../browser/label.mjs';
import { Town } from './town.mjs';

const PROGRAM = process.env.THINGSTEAD ?? ['debug', 'release'].map((kind) => join(ROOT, '../target', kind, 'thingstead')).find((path) => existsSync(path));
const PICTURES = process.env.PICTURES;
const PASSWORD = 'Correct horse battery';

let town;
const browsers = [];

before(async () => {
  assert.ok(PROGRAM !== undefined, 'the program is not built: cargo build --package thingstead');
  mkdirSync(OUT, { recursive: true });
  town = await Town.build(PROGRAM);
}, { timeout: 120_000 });
after(async () => {
  await Promise.all(browsers.map((one) => one.close()));
  await town?.end();
});

/** A person with a browser, whose camera sees a device's label. */
async function person(owner, device, viewport) {
  const film = join(OUT, `${owner}.y4m`);
  writeFilm(film, town.label(device));
  const browser = await launch(['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${film}`]);
  browsers.push(browser);
  const origin = town.console(owner);
  const { context, faults } = await watched(browser, origin, { viewport, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const press = (name) => page.getByRole('button', { name, exact: true }).click();
  const see = (words) => page.getByText(words).first().waitFor({ timeout: 45_000 });
  const shoot = async (name) => {
    if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}.png`) });
  };
  return { origin, page, faults, press, see, shoot };
}

/** The first administrator, by the link that the server left. */
async function activate({ page, press }, owner) {
  await page.goto(town.activation(owner));
  await page.getByLabel('New password').fill(PASSWORD);
  await page.getByLabel('Repeat').fill(PASSWORD);
  await press('Activate and sign in');
  await page.getByRole('heading', { level: 1, name: 'Today' }).waitFor();
}

async function claim({ page, press, origin }) {
  await page.goto(`${origin}/ui/claim`);
  await press('Start camera');
  await page.getByRole('heading', { name: 'Label read' }).waitFor();
  await press('Claim');
  await page.getByRole('heading', { name: /is yours/ }).waitFor();
}

const status = (page, number) => page.locator(`[data-status="${number}"]`).waitFor({ timeout: 45_000 });

test('a_device_lives_through_two_owners_by_the_pages_alone', { timeout: 170_000 }, async () => {
  const [lamp, second] = town.devices;
  let alderServer = await town.owner('alder');
  await town.owner('birch');

  // The first owner, at a desk.
  const alder = await person('alder', lamp, DESKTOP);
  await activate(alder, 'alder');
  await alder.page.goto(`${alder.origin}/ui/sign-in`);
  await alder.page.getByLabel('Account name').fill('administrator');
  await alder.page.getByLabel('Password').fill('wrong words here');
  await alder.press('Sign in');
  await alder.see('Name or password wrong.');
  await alder.page.getByLabel('Password').fill(PASSWORD);
  await alder.press('Sign in');
  await alder.page.getByRole('heading', { level: 1, name: 'Today' }).waitFor();
  await claim(alder);
  await alder.see('Waiting for the device');
  await alder.shoot('claimed');
  const device = town.device(lamp);
  await device.line('in service');
  await alder.see('In service.');
  await alder.page.goto(`${alder.origin}/ui/devices/${lamp}`);
  await status(alder.page, 5);
  await alder.shoot('device');
  for (const part of ['timeline', 'keys', 'channels']) {
    await alder.page.goto(`${alder.origin}/ui/devices/${lamp}/${part}`);
    await alder.page.locator('tbody tr, ol.card li').first().waitFor();
    await alder.shoot(part);
  }

  // Its server is killed in the middle of a page, and comes back.
  await alder.page.goto(`${alder.origin}/ui/devices/${lamp}`);
  await alder.page.locator('[data-live=yes]').waitFor();
  await status(alder.page, 5);
  await alderServer.kill();
  await alder.page.getByRole('alert').filter({ hasText: 'Live updates lost' }).waitFor({ timeout: 45_000 });
  await alder.see('as of');
  await alder.shoot('lost');
  alderServer = await town.owner('alder', true);
  await alder.page.locator('[data-live=yes]').waitFor({ timeout: 45_000 });
  assert.equal(await alder.page.getByText('Live updates lost').count(), 0);
  await status(alder.page, 5);

  // The second owner, with a phone: says that it takes the device.
  const birch = await person('birch', second, PHONE);
  await activate(birch, 'birch');
  await birch.page.goto(`${birch.origin}/ui/devices?view=offered`);
  const id = await birch.page.locator('section code').first().innerText();
  await birch.shoot('offered-phone');
  await birch.press('Accept a device by its id…');
  await birch.page.getByLabel('Device id').fill(lamp);
  await birch.page.locator('[data-op="owner.accept"]').click();
  await birch.page.getByRole('alertdialog').waitFor({ state: 'detached' });

  // It is passed on.
  await alder.press('Transfer…');
  await alder.page.getByLabel('To: management id of the new owner').fill(id);
  await alder.page.getByLabel(/^Type /).fill(lamp.slice(0, 8));
  await alder.shoot('transfer');
  await alder.page.locator('[data-op="owner.transfer"]').click();
  await status(alder.page, 9);
  await birch.page.goto(`${birch.origin}/ui/devices/${lamp}`);
  await status(birch.page, 4);
  device.say('button 5');
  await status(birch.page, 5);
  await birch.shoot('second-owner-phone');
  await birch.see('Yours');

  // A second device, by the phone's camera.
  await claim(birch);
  await birch.see('Waiting for the device');
  await birch.shoot('claimed-phone');
  const other = town.device(second);
  await other.line('in service');
  await birch.see('In service.');
  await birch.page.goto(`${birch.origin}/ui/audit?q=op:owner`);
  await birch.page.locator('tbody tr').first().waitFor();
  await birch.shoot('audit-phone');

  assert.deepEqual([...alder.faults, ...birch.faults], []);
});
