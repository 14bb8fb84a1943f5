// Pictures of every page for people to look at: node tests/browser/shots.mjs [folder]
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { NOW, uuid, world } from '../mock/data.mjs';
import { startMock } from '../mock/server.mjs';
import { DESKTOP, DIST, launch, OUT, PHONE, signIn, watched } from './browser.mjs';

const PAGES = [
  ['today', '/ui/'], ['devices', '/ui/devices'], ['devices-find', '/ui/devices?q=is:attention'], ['offered', '/ui/devices?view=offered'],
  ['device', `/ui/devices/${uuid(2)}`], ['device-waiting', `/ui/devices/${uuid(7)}`], ['timeline', `/ui/devices/${uuid(2)}/timeline`], ['keys', `/ui/devices/${uuid(2)}/keys`], ['channels', `/ui/devices/${uuid(2)}/channels`],
  ['claim', '/ui/claim'], ['claim-type', '/ui/claim?way=type'], ['audit', '/ui/audit'], ['risks', '/ui/check'], ['people', '/ui/system'], ['sessions', '/ui/system/sessions'], ['settings', '/ui/system/settings'], ['listeners', '/ui/system/listeners'],
  ['things', '/ui/things'], ['thing-add', '/ui/things/add'], ['thing', `/ui/things/${uuid(70)}`], ['thing-record', `/ui/things/${uuid(70)}/record`], ['thing-files', `/ui/things/${uuid(70)}/files`], ['clients', '/ui/system/clients'],
  ['help', '/ui/help'], ['help-code', '/ui/help/claim-refused'], ['not-here', '/ui/nowhere'],
];

const out = process.argv[2] ?? join(OUT, 'shots');
const only = process.argv[3];
mkdirSync(out, { recursive: true });
const browser = await launch();
for (const scheme of ['light', 'dark']) {
  for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    const mock = await startMock(DIST, { ...world(), now: () => NOW });
    const { context, faults } = await watched(browser, mock.url, { viewport, colorScheme: scheme, timezoneId: 'UTC' });
    const page = await context.newPage();
    await page.clock.install({ time: NOW });
    const shoot = async (name) => {
      await page.clock.runFor(400);
      await page.waitForTimeout(60);
      await page.screenshot({ path: join(out, `${name}-${size}-${scheme}.png`) });
    };
    await page.goto(`${mock.url}/ui/activate#k7Qm`);
    await page.getByLabel('New password').fill('Correct-horse');
    await shoot('activate');
    await signIn(page, mock.url);
    for (const [name, path] of PAGES) {
      if (only !== undefined && !name.startsWith(only)) continue;
      await page.goto(mock.url + path);
      await page.locator('h1').first().waitFor();
      await shoot(name);
    }
    await page.goto(`${mock.url}/ui/devices/${uuid(2)}`);
    await page.getByRole('button', { name: 'Transfer…' }).click();
    await shoot('transfer');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Release…' }).click();
    await shoot('release');
    await context.close();
    await mock.kill();
    if (faults.length > 0) console.log(scheme, size, faults);
  }
}
await browser.close();
