// Every page in every state and theme: rules of accessibility, nothing sideways, no message, no report.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { device, uuid, world } from '../mock/data.mjs';
import { startMock } from '../mock/server.mjs';
import { DESKTOP, DIST, launch, PHONE, signIn, watched } from './browser.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const NARROW = { width: 320, height: 700 };
const DEVICE = `/ui/devices/${uuid(2)}`;
const THING = `/ui/things/${uuid(70)}`;
const open = (name) => (page) => page.getByRole('button', { name, exact: true }).first().click();
const fails = (call, status, code) => (mock) => { mock.world.failures[call] = { status, code }; };

/** Name, address, then what to change in the world before, and what to do on the page. */
const STATES = [
  ['today', '/ui/'],
  ['today-empty', '/ui/', (mock) => { Object.assign(mock.world, { devices: [], offers: [], risks: [] }); }],
  ['today-owner', '/ui/', (mock) => { Object.assign(mock.world.session, { role: 'user', duties: ['owner'] }); }],
  ['today-installer', '/ui/', (mock) => { Object.assign(mock.world.session, { role: 'user', duties: ['installer'] }); }],
  ['today-auditor', '/ui/', (mock) => { Object.assign(mock.world.session, { role: 'user', duties: ['auditor'] }); }],
  ['account-menu', '/ui/', null, (page) => page.locator('button[aria-haspopup=dialog]:visible').first().click()],
  ['password', '/ui/', null, async (page) => { await page.locator('button[aria-haspopup=dialog]:visible').first().click(); await open('Change password…')(page); await open('Change password')(page); }],
  ['keys-of-the-keyboard', '/ui/', null, (page) => page.keyboard.press('?')],
  ['devices', '/ui/devices'],
  ['devices-find', '/ui/devices?q=is:attention'],
  ['devices-no-match', '/ui/devices?q=is:offline maker:nobody'],
  ['devices-strange-field', '/ui/devices?q=colour:red'],
  ['devices-empty', '/ui/devices', (mock) => { mock.world.devices = []; }],
  ['devices-failed', '/ui/devices', fails('GET /v1/devices', 503, 'try-later')],
  ['offered', '/ui/devices?view=offered'],
  ['offered-empty', '/ui/devices?view=offered', (mock) => { mock.world.offers = []; }],
  ['accept', '/ui/devices?view=offered', null, open('Accept…')],
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 101, 102].map((status) => [`device-${status}`, DEVICE, (mock) => { mock.world.devices[1] = device(2, status); }]),
  ['device-presence-table', DEVICE, null, (page) => page.getByText('Show as table').click()],
  ['timeline', `${DEVICE}/timeline`],
  ['timeline-empty', `${DEVICE}/timeline?part=Keys`, (mock) => { mock.world.audit = []; }],
  ['keys', `${DEVICE}/keys`],
  ['keys-empty', `${DEVICE}/keys`, (mock) => { mock.world.keys = []; }],
  ['channels', `${DEVICE}/channels`],
  ['channels-empty', `${DEVICE}/channels`, (mock) => { mock.world.channels = []; }],
  ['bootstrap', DEVICE, null, open('Bootstrap again…')],
  ['transfer', DEVICE, null, open('Transfer…')],
  ['release', DEVICE, null, open('Release…')],
  ['things', '/ui/things'],
  ['things-empty', '/ui/things', (mock) => { mock.world.things = []; }],
  ['things-nothing-shared', '/ui/things', (mock) => { Object.assign(mock.world.session, { role: 'user', duties: [] }); mock.world.things = []; }],
  ['things-no-match', '/ui/things?q=nothing', (mock) => { mock.world.things = []; }],
  ['thing-values', THING],
  ['thing-change', THING, null, open('Change… Wanted temperature')],
  ['thing-change-list', THING, null, async (page) => { await open('Change… Schedule')(page); await page.getByRole('button', { name: 'Add Switching time' }).click(); await open('Change')(page); }],
  ['thing-operations', `${THING}/operations`],
  ['thing-operation-asked', `${THING}/operations`, null, async (page) => { await page.getByLabel(/For how long/).fill('20'); await open('Heat now')(page); }],
  ['thing-operation-malformed', `${THING}/operations`, null, open('Heat now')],
  ['thing-events', `${THING}/events`],
  ['thing-events-none', `${THING}/events`, (mock) => { mock.world.told = []; }],
  ['thing-access', `${THING}/access`],
  ['thing-access-nobody', `${THING}/access`, (mock) => { mock.world.grants = []; }],
  ['thing-rule', `${THING}/access`, null, async (page) => { await open('Add a rule…')(page); await open('Turn on')(page); }],
  ['thing-description', `${THING}/description`],
  ['thing-remove', `${THING}/description`, null, open('Remove this device…')],
  ['thing-not-here', `/ui/things/${uuid(901)}`],
  ['claim', '/ui/claim'],
  ['claim-type', '/ui/claim?way=type'],
  ['claim-malformed', '/ui/claim?way=type', null, async (page) => { await page.getByLabel('Case string').fill('8f2c 41d0 o'); await page.getByRole('button', { name: 'Go on' }).click(); }],
  ['audit', '/ui/audit'],
  ['audit-ring', '/ui/audit', (mock) => { mock.world.kept = 91_000; }],
  ['audit-no-match', '/ui/audit?q=who:nobody'],
  ['risks', '/ui/check'],
  ['risks-none', '/ui/check', (mock) => { mock.world.risks = []; }],
  ['risk-accept', '/ui/check', null, open('Accept until…')],
  ['people', '/ui/system'],
  ['account-add', '/ui/system', null, async (page) => { await open('Add a person…')(page); await open('Add')(page); }],
  ['account-duties', '/ui/system', null, open('Duties of ines')],
  ['account-remove', '/ui/system', null, open('Remove ines')],
  ['sessions', '/ui/system/sessions'],
  ['people-invite', '/ui/system', null, open('Invite an administrator…')],
  ['settings', '/ui/system/settings'],
  ['settings-off', '/ui/system/settings', null, (page) => page.getByLabel('Keep an audit log').uncheck()],
  ['listeners', '/ui/system/listeners'],
  ['help', '/ui/help'],
  ['help-code', '/ui/help/claim-refused'],
  ['help-unknown', '/ui/help/no-such-code'],
  ['not-here', '/ui/nowhere'],
  ['not-here-device', `/ui/devices/${uuid(900)}`],
  ['not-here-right', '/ui/system', (mock) => { Object.assign(mock.world.session, { role: 'user', duties: ['owner'] }); }],
];

/** States without a session. */
const OPEN_STATES = [
  ['activate', '/ui/activate#k7Qm'],
  ['activate-bad', '/ui/activate#k7Qm', null, (page) => page.getByRole('button', { name: 'Activate and sign in' }).click()],
  ['activate-ended', '/ui/activate#old', null, async (page) => { await page.getByLabel('New password').fill('Correct-horse'); await page.getByLabel('Repeat').fill('Correct-horse'); await page.getByRole('button', { name: 'Activate and sign in' }).click(); await page.getByText('This link was used or has ended').waitFor(); }],
  ['sign-in', '/ui/sign-in'],
  ['sign-in-failed', '/ui/sign-in', (mock) => { mock.world.signInAnswer = { status: 401, code: 'sign-in-failed' }; }, tryToSignIn],
  ['sign-in-locked', '/ui/sign-in', (mock) => { mock.world.signInAnswer = { status: 429, code: 'too-many-tries', headers: { 'retry-after': '900' } }; }, tryToSignIn],
  ['help-outside', '/ui/help/sign-in-failed'],
];

async function tryToSignIn(page) {
  await page.getByLabel('Account name').fill('administrator');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').filter({ hasText: /wrong|Wait until/ }).waitFor();
}

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

async function settle(page) {
  await page.locator('h1').first().waitFor();
  await page.waitForFunction(() => ![...document.querySelectorAll('[role=status]')].some((one) => /^Asking/.test(one.textContent ?? '')));
}

async function rules(page, name, only = null) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
  const broken = await page.evaluate(async ([tags, one]) => {
    const wanted = one === null ? { runOnly: { type: 'tag', values: tags }, rules: { 'target-size': { enabled: true } } } : { runOnly: { type: 'rule', values: one } };
    const { violations } = await window.axe.run(document, { ...wanted, resultTypes: ['violations'], preload: false, elementRef: false });
    return violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target.join(' ')} (${node.failureSummary?.split('\n')[1]?.trim() ?? ''})`).slice(0, 3).join('; ')}`);
  }, [TAGS, only]);
  return broken.map((one) => `${name}: ${one}`);
}

async function isNotSideways(page, name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  return wide <= 0 ? [] : [`${name}: ${wide} px sideways`];
}

/** What is looked at in each state: the rules when wide and light, contrast in the dark, then phones. */
async function look(page, name) {
  const found = [...await rules(page, name), ...await isNotSideways(page, name)];
  await page.emulateMedia({ colorScheme: 'dark' });
  found.push(...await rules(page, `${name}, dark`, ['color-contrast']));
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(PHONE);
  found.push(...await rules(page, `${name}, phone`, ['target-size', 'scrollable-region-focusable', 'region', 'landmark-unique', 'heading-order']));
  await page.setViewportSize(NARROW);
  found.push(...await isNotSideways(page, `${name}, 320 px`));
  await page.setViewportSize(DESKTOP);
  return found;
}

async function visit(states, signedIn) {
  const mock = await startMock(DIST, world());
  const { context, faults } = await watched(browser, mock.url, { viewport: DESKTOP, colorScheme: 'light' });
  const page = await context.newPage();
  const found = [];
  try {
    if (signedIn) await signIn(page, mock.url);
    for (const [name, path, prepare, act] of states) {
      Object.assign(mock.world, { ...world(), failures: {}, signedIn });
      prepare?.(mock);
      await page.goto('about:blank');
      await page.goto(mock.url + path);
      await settle(page);
      await page.waitForTimeout(60);
      const asked = mock.calls.length;
      await act?.(page);
      found.push(...await look(page, name));
      const more = mock.calls.slice(asked).filter((one) => one.call.startsWith('GET '));
      if (more.length > 0) found.push(`${name}, left alone, asked ${more.map((one) => one.call).join(', ')}`);
    }
    assert.deepEqual([...found, ...faults], []);
  } finally {
    await context.close();
    await mock.kill();
  }
}

const RULE = 'no_rule_of_accessibility_is_broken_nothing_runs_sideways_and_nothing_is_asked_twice';

describe('every page in every state', { concurrency: 2 }, () => {
  test(`${RULE}_without_a_session`, () => visit(OPEN_STATES, false));
  test(`${RULE}_in_half_of_the_states`, () => visit(STATES.filter((_, index) => index % 2 === 0), true));
  test(`${RULE}_in_the_other_half`, () => visit(STATES.filter((_, index) => index % 2 === 1), true));
});
