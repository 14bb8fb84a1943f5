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
/** What the first walk leaves for the second. */
let left;

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
  left = { alder, birch, second, other };
});

/** Another person at the same server, with a browser of his own. */
async function visitor(owner, viewport) {
  const browser = await launch();
  browsers.push(browser);
  const origin = town.console(owner);
  const { context, faults } = await watched(browser, origin, { viewport, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const enter = async (name, password) => {
    await page.goto(`${origin}/ui/sign-in`);
    await page.getByLabel('Account name').fill(name);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  };
  return { page, origin, faults, enter };
}

const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
const row = (page, name) => page.getByRole('row').filter({ hasText: name });

test('people_settings_and_risks_are_kept_by_the_pages_alone', { timeout: 120_000 }, async () => {
  assert.ok(left !== undefined, 'the first walk left nothing');
  const { page, origin, press, see, shoot, faults } = left.alder;

  // Settings: what is out of bounds is not sent, what is changed stays.
  await page.goto(`${origin}/ui/system/settings`);
  const idle = page.getByLabel(/^Sign people out after/);
  await idle.fill('61');
  await see('A whole number from 1 to 60.');
  assert.equal(await page.locator('[data-op="settings.set"]').isDisabled(), true);
  await idle.fill('20');
  await page.getByLabel('Addresses that may reach the console').fill('192.0.2.0/24');
  await page.locator('[data-op="settings.set"]').click();
  await see('The list of allowed addresses leaves out your own.');
  await page.getByLabel('Addresses that may reach the console').fill('');
  await page.locator('[data-op="settings.set"]').click();
  await see('Settings changed.');
  await page.reload();
  await page.locator('[data-op="settings.set"]').waitFor();
  assert.equal(await idle.inputValue(), '20');
  await shoot('settings');

  // A person comes, sees what the duties show, and is shut out at once when locked.
  await page.goto(`${origin}/ui/system`);
  await press('Add a person…');
  await page.getByLabel('Account name').fill('ines');
  await page.getByLabel('Owner', { exact: false }).first().uncheck();
  await page.getByLabel('Installer', { exact: false }).first().check();
  await page.getByLabel('New password').fill(PASSWORD);
  await page.getByLabel('Repeat').fill(PASSWORD);
  await page.locator('[data-op="account.add"]').click();
  await row(page, 'ines').getByText('User: installer').waitFor();
  const ines = await visitor('alder', PHONE);
  await ines.enter('ines', PASSWORD);
  await heading(ines.page, 'Today');
  await ines.page.goto(`${ines.origin}/ui/system`);
  await heading(ines.page, 'Not here, or not yours');
  await page.getByRole('button', { name: 'Duties of ines' }).click();
  await page.getByLabel('Auditor', { exact: false }).first().check();
  await page.locator('[data-op="account.duties"]').click();
  await row(page, 'ines').getByText('User: installer, auditor').waitFor();
  await ines.page.goto(`${ines.origin}/ui/audit?q=op:account.duties`);
  await ines.page.locator('tbody tr').first().waitFor();
  await page.getByRole('button', { name: 'Lock ines' }).click();
  await row(page, 'ines').getByText('Locked by an administrator').waitFor();
  await shoot('people');
  await heading(ines.page, 'Sign in');
  await ines.enter('ines', PASSWORD);
  await ines.page.getByText('Name or password wrong.').waitFor();
  await page.getByRole('button', { name: 'Unlock ines' }).click();
  await row(page, 'ines').getByText('May sign in').waitFor();
  await ines.enter('ines', PASSWORD);
  await heading(ines.page, 'Today');
  await page.getByRole('button', { name: 'Remove ines' }).click();
  await page.getByLabel('Type ines to go on').fill('ines');
  await page.locator('[data-op="account.remove"]').click();
  await row(page, 'ines').waitFor({ state: 'detached' });
  await heading(ines.page, 'Sign in');

  // One administrator is a risk; a link makes a second one, and the risk is gone.
  await page.goto(`${origin}/ui/check`);
  await press('Accept until…');
  await page.getByLabel('Reason').fill('the second one starts next week');
  await page.locator('[data-op="risk.accept"]').click();
  await see(/Accepted by administrator until/);
  await shoot('risks');
  await page.goto(`${origin}/ui/system`);
  await press('Invite an administrator…');
  await page.locator('[data-op="account.offer"]').click();
  const link = await page.locator('dialog code').innerText();
  const olga = await visitor('alder', DESKTOP);
  await olga.page.goto(link);
  await olga.page.getByLabel('Account name').fill('olga');
  await olga.page.getByLabel('New password').fill(PASSWORD);
  await olga.page.getByLabel('Repeat').fill(PASSWORD);
  await olga.page.locator('[data-op="account.activate"]').click();
  await heading(olga.page, 'Today');
  await olga.page.goto(`${origin}/ui/check`);
  await olga.page.getByText('No risk is open.').waitFor();

  assert.deepEqual([...faults, ...ines.faults, ...olga.faults], []);
});

test('a_device_takes_a_new_image_and_is_released_by_the_pages_alone', { timeout: 120_000 }, async () => {
  assert.ok(left !== undefined, 'the first walk left nothing');
  const { birch, second, other } = left;
  const { page, origin, press } = birch;
  await page.goto(`${origin}/ui/devices/${second}`);
  await status(page, 5);
  await press('Bootstrap again…');
  await page.locator('[data-op="owner.bootstrap"]').click();
  await page.getByRole('alertdialog').waitFor({ state: 'detached' });
  await status(page, 4);
  other.say('button 5');
  await status(page, 5);
  await birch.shoot('again-phone');
  await press('Release…');
  await page.getByLabel('I still hold the device or its label').check();
  await page.getByLabel('Type RELEASE').fill('RELEASE');
  await page.locator('[data-op="owner.release"]').click();
  await page.getByText('No longer yours', { exact: true }).waitFor({ timeout: 45_000 });
  assert.deepEqual(birch.faults, []);
});
