// What people do on the pages: signing in and out, giving a device up, finding, and losing the server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pixelmatch from 'pixelmatch';
import { PNG } from 'pngjs';
import { audit, device, NOW, uuid, world } from '../mock/data.mjs';
import { startMock } from '../mock/server.mjs';
import { DESKTOP, DIST, launch, PHONE, signIn, watched } from './browser.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

async function opened(run, options = {}) {
  const mock = await startMock(DIST, { ...world(), ...options.world });
  const { context, faults } = await watched(browser, mock.url, { viewport: DESKTOP, ...options.context });
  const page = await context.newPage();
  try {
    if (options.signedIn !== false) await signIn(page, mock.url);
    await run(page, mock);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
    await mock.kill();
  }
}

const CLIPBOARD = { permissions: ['clipboard-read', 'clipboard-write'] };
const button = (page, name) => page.getByRole('button', { name, exact: true });
const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true });
const made = (mock, call) => mock.calls.filter((one) => one.call === call);
const focused = (page) => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');

test('an_activation_link_makes_the_first_account_once', async () => {
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/activate#k7Qm`);
    await page.getByLabel('New password').fill('Correct-horse');
    await page.getByLabel('Repeat').fill('Correct-horse');
    await button(page, 'Activate and sign in').click();
    await heading(page, 'Today').waitFor();
    assert.equal(new URL(page.url()).hash, '', 'the token is gone from the address');
    assert.deepEqual(made(mock, 'POST /v1/activation')[0].body, { token: 'k7Qm', account: 'administrator', password: 'Correct-horse' });
    mock.world.signedIn = false;
    await page.goto('about:blank');
    await page.goto(`${mock.url}/ui/activate#k7Qm`);
    await page.getByLabel('New password').fill('Correct-horse');
    await page.getByLabel('Repeat').fill('Correct-horse');
    await button(page, 'Activate and sign in').click();
    await page.getByText('This link was used or has ended').waitFor();
  }, { signedIn: false });
});

test('passwords_can_be_pasted_and_are_gone_after_a_failure', async () => {
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/sign-in`);
    await page.getByLabel('Account name').fill('administrator');
    await page.getByLabel('Password').evaluate((field) => {
      field.focus();
      document.execCommand('insertText', false, 'pasted words');
    });
    await button(page, 'Sign in').click();
    await page.getByText('Name or password wrong.').waitFor();
    assert.equal(await page.getByLabel('Password').inputValue(), '');
    assert.equal(made(mock, 'POST /v1/session')[0].body.password, 'pasted words');
  }, { signedIn: false });
});

// verifies: SECDEV-6.2.4-i
test('every_password_is_masked_and_cannot_be_copied', async () => {
  const kept = async (page, count) => {
    const fields = page.locator('input[autocomplete$=password]');
    await fields.nth(count - 1).waitFor();
    assert.equal(await fields.count(), count);
    for (let at = 0; at < count; at += 1) {
      await fields.nth(at).fill('Correct-horse');
      await page.evaluate(() => navigator.clipboard.writeText('something else'));
      await fields.nth(at).focus();
      for (const keys of ['Control+a', 'Control+c', 'Control+x']) await page.keyboard.press(keys);
      const left = await fields.nth(at).evaluate(async (field) => ({ type: field.type, value: field.value, clipboard: await navigator.clipboard.readText() }));
      assert.deepEqual(left, { type: 'password', value: 'Correct-horse', clipboard: 'something else' });
    }
  };
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/sign-in`);
    await kept(page, 1);
    await page.goto(`${mock.url}/ui/activate#k7Qm`);
    await kept(page, 2);
  }, { signedIn: false, context: CLIPBOARD });
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/system`);
    await button(page, 'Add a person…').click();
    await kept(page, 2);
  }, { context: CLIPBOARD });
});

test('who_comes_without_a_session_signs_in_and_arrives_where_he_wanted', async () => {
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/audit?q=who:birch`);
    await heading(page, 'Sign in').waitFor();
    await page.getByLabel('Account name').fill('administrator');
    await page.getByLabel('Password').fill('Correct-horse');
    await button(page, 'Sign in').click();
    await heading(page, 'Audit').waitFor();
    assert.equal(new URL(page.url()).search, '?q=who:birch');
    mock.world.signedIn = false;
    await page.getByRole('link', { name: 'Devices', exact: true }).first().click();
    await heading(page, 'Sign in').waitFor();
    assert.equal(await page.getByText('8f2c').count(), 0, 'nothing of the session is left on the page');
  }, { signedIn: false });
});

test('a_minute_before_the_end_the_page_asks_and_staying_is_one_press', async () => {
  await opened(async (page, mock) => {
    await page.clock.install({ time: NOW });
    await signIn(page, mock.url);
    await page.clock.runFor(14 * 60_000 - 500);
    assert.equal(await page.getByRole('alertdialog').count(), 0);
    await page.clock.runFor(1_000);
    await page.getByRole('alertdialog', { name: 'Still there?' }).waitFor();
    assert.equal(await focused(page), 'Still there?');
    const before = made(mock, 'GET /v1/session').length;
    mock.world.now = () => NOW + 14 * 60_000;
    await button(page, 'Stay signed in').click();
    await page.waitForTimeout(100);
    await page.clock.runFor(600);
    await page.getByRole('alertdialog').waitFor({ state: 'detached' });
    const since = made(mock, 'GET /v1/session').slice(before);
    assert.ok(since.some((one) => one.background === null), 'it counts as activity');
  }, { signedIn: false, world: { now: () => NOW } });
});

test('after_the_end_the_page_is_blank_and_the_session_over', async () => {
  await opened(async (page, mock) => {
    await page.clock.install({ time: NOW });
    await signIn(page, mock.url);
    await page.getByRole('link', { name: 'Devices', exact: true }).first().click();
    await heading(page, 'Devices').waitFor();
    await page.clock.runFor(15 * 60_000 + 1_000);
    await heading(page, 'Sign in').waitFor();
    assert.equal(made(mock, 'DELETE /v1/session').length, 1);
    assert.equal(new URL(page.url()).searchParams.get('to'), '/ui/devices');
  }, { signedIn: false, world: { now: () => NOW } });
});

test('a_transfer_names_its_consequences_and_keeps_by_escape', async () => {
  await opened(async (page, mock) => {
    const id = uuid(2);
    await page.goto(`${mock.url}/ui/devices/${id}`);
    await button(page, 'Transfer…').click();
    const dialog = page.getByRole('alertdialog');
    await dialog.waitFor();
    assert.match(await focused(page), /^Transfer /);
    assert.match(await dialog.innerText(), /owner number 3 becomes 4/);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await focused(page), 'Transfer…', 'the focus returns to the opener');
    assert.equal(made(mock, `POST /v1/devices/${id}/transfer`).length, 0);
    await button(page, 'Transfer…').click();
    const act = dialog.locator('[data-op="owner.transfer"]');
    await page.getByLabel('To: management id of the new owner').fill('5D11A0');
    assert.equal(await act.isDisabled(), true, 'not before the id is typed');
    await page.getByLabel(`Type ${id.slice(0, 8)} to go on`).fill(id.slice(0, 8));
    await act.click();
    await page.getByText('No longer yours', { exact: true }).waitFor();
    const [sent] = made(mock, `POST /v1/devices/${id}/transfer`);
    assert.equal(sent.query, '?to=5D11A0');
    assert.equal(sent.token, 'T0KEN');
  });
});

test('a_refused_transfer_stays_open_with_what_was_typed', async () => {
  await opened(async (page, mock) => {
    const id = uuid(2);
    mock.world.failures[`POST /v1/devices/${id}/transfer`] = { status: 403, code: 'transfer-refused' };
    await page.goto(`${mock.url}/ui/devices/${id}`);
    await button(page, 'Transfer…').click();
    await page.getByLabel('To: management id of the new owner').fill('5D11A0');
    await page.getByLabel(/^Type /).fill(id.slice(0, 8));
    await page.locator('[data-op="owner.transfer"]').click();
    await page.getByRole('alert').filter({ hasText: 'Not transferred.' }).waitFor();
    assert.equal(await page.getByLabel('To: management id of the new owner').inputValue(), '5D11A0');
  });
});

test('a_release_needs_the_word_and_the_label', async () => {
  await opened(async (page, mock) => {
    const id = uuid(2);
    await page.goto(`${mock.url}/ui/devices/${id}`);
    await button(page, 'Release…').click();
    const act = page.locator('[data-op="owner.release"]');
    await page.getByLabel('Type RELEASE').fill('RELEASE');
    assert.equal(await act.isDisabled(), true);
    await page.getByLabel('I still hold the device or its label').check();
    await page.getByLabel('Type RELEASE').fill('release');
    assert.equal(await act.isDisabled(), true);
    await page.getByLabel('Type RELEASE').fill('RELEASE');
    await act.click();
    await page.getByText('No longer yours', { exact: true }).waitFor();
    assert.equal(made(mock, `POST /v1/devices/${id}/release`).length, 1);
  });
});

test('a_lost_server_is_said_and_everything_resumes_without_a_second_act', async () => {
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/devices/${uuid(1)}`);
    await page.locator('[data-live=yes]').waitFor();
    mock.push('device', { device: { ...device(1, 5), seen_unix_millis: Date.now() } });
    await page.waitForTimeout(200);
    const { port, world: same } = mock;
    await mock.kill();
    await page.getByRole('alert').filter({ hasText: 'Live updates lost' }).waitFor();
    await page.getByText('as of').first().waitFor();
    await page.locator('[data-live=no]').waitFor();
    const again = await startMock(DIST, same, port);
    Object.assign(same.devices[0], { status: 7, since_unix_millis: Date.now() });
    await button(page, 'Try now').click().catch(() => undefined);
    await page.locator('[data-live=yes]').waitFor();
    assert.equal(await page.getByText('Live updates lost').count(), 0);
    again.push('reset', {});
    await page.getByText('Unreachable').first().waitFor();
    assert.equal(again.calls.filter((one) => one.call.startsWith('POST')).length, 0);
    await again.kill();
  });
});

test('changes_come_live_and_the_list_does_not_jump', async () => {
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/devices?q=is:in-service`);
    await page.locator('tbody tr').first().waitFor();
    await page.locator('[data-live=yes]').waitFor();
    const rows = () => page.locator('tbody tr th').allInnerTexts();
    const before = await rows();
    const changed = { ...mock.world.devices[0], status: 7, since_unix_millis: Date.now() };
    mock.push('device', { device: changed });
    await page.getByText('Unreachable', { exact: true }).waitFor();
    assert.deepEqual(await rows(), before);
    await button(page, '1 changed: show').click();
    assert.equal((await rows()).length, before.length - 1);
  });
});

test('a_filter_is_saved_in_the_address_and_survives_going_back', async () => {
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/devices`);
    await page.getByRole('combobox', { name: 'Find devices', exact: true }).fill('is:unreachable -maker:nordwerk');
    await page.waitForURL((url) => url.searchParams.get('q') === 'is:unreachable -maker:nordwerk');
    await page.getByText('1 of 18 devices').waitFor();
    assert.equal(await page.locator('tbody tr').count(), 1);
    await page.locator('tbody tr a').first().click();
    await page.getByText('Yours').first().waitFor();
    await page.goBack();
    await page.locator('tbody tr').first().waitFor();
    assert.equal(await page.getByRole('combobox', { name: 'Find devices', exact: true }).inputValue(), 'is:unreachable -maker:nordwerk');
  });
});

test('an_answer_for_a_page_that_was_left_is_dropped', async () => {
  await opened(async (page, mock) => {
    const timeline = `GET /v1/devices/${mock.world.devices[0].id}/timeline`;
    let release;
    mock.world.held[timeline] = new Promise((resolve) => { release = resolve; });
    await page.goto(`${mock.url}/ui/devices?q=id:${mock.world.devices[0].id}`);
    await page.locator('tbody tr a').first().click();
    await page.getByText('Yours').first().waitFor();
    while (made(mock, timeline).length === 0) await page.waitForTimeout(10);
    await page.goBack();
    await page.locator('tbody tr').first().waitFor();
    const answered = page.waitForResponse((response) => response.url().endsWith('/timeline'));
    release();
    await (await answered).finished();
    await page.waitForTimeout(50);
  });
});

test('words_typed_just_before_leaving_stay_behind', async () => {
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/devices`);
    await page.locator('tbody tr a').first().waitFor();
    await page.evaluate(() => {
      const field = document.querySelector('main [data-find]');
      field.value = 'is:unreachable';
      field.dispatchEvent(new Event('input', { bubbles: true }));
      document.querySelector('tbody tr a').click();
    });
    await page.getByText('Yours').first().waitFor();
    await page.waitForTimeout(300);
    assert.equal(new URL(page.url()).search, '');
  });
});

test('where_not_all_devices_are_loaded_the_server_looks', async () => {
  const many = Array.from({ length: 5_000 }, (_, index) => device(index + 1, 5));
  const far = { ...device(1, 7), id: 'feedf00d-0000-4000-8000-000000000001' };
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/devices`);
    await page.getByText('Only the first 5,000 devices were looked at.').waitFor();
    await page.getByRole('combobox', { name: 'Find devices', exact: true }).fill('id:feed');
    await page.locator('tbody tr').filter({ hasText: 'feedf00d' }).waitFor();
    await page.getByText('The server has looked through all devices.').waitFor();
    assert.equal(await page.locator('tbody tr').count(), 1);
    const asked = made(mock, 'GET /v1/devices').filter((one) => one.query.includes('q='));
    assert.deepEqual(asked.map((one) => one.query), ['?q=id%3Afeed']);
    await page.getByText("thingstead owner list --find 'id:feed'").waitFor();
  }, { world: { devices: many, hidden: [far] } });
});

test('keys_and_the_skip_link_lead_through_the_pages', async () => {
  await opened(async (page) => {
    await page.reload();
    await heading(page, 'Today').waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Skip to the page');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'content');
    await page.keyboard.press('g');
    await page.keyboard.press('d');
    await heading(page, 'Devices').waitFor();
    await page.waitForFunction(() => document.activeElement?.tagName === 'H1');
    assert.equal(await page.title(), 'Devices - Thingstead');
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('type')), 'search');
  });
});

test('every_focus_is_seen_and_not_covered', async () => {
  await opened(async (page, mock) => {
    for (const path of ['/ui/', `/ui/devices/${uuid(2)}`, '/ui/system/settings']) {
      await page.goto(mock.url + path);
      await heading(page, path === '/ui/' ? 'Today' : path.includes('system') ? 'Settings' : 'Nordwerk V7 valve').waitFor();
      await page.waitForTimeout(150);
      for (let step = 0; step < 25; step += 1) {
        await page.keyboard.press('Tab');
        const wrong = await page.evaluate(() => {
          const one = document.activeElement;
          if (one === null || one === document.body || one.classList.contains('seen-by-readers')) return null;
          const box = one.getBoundingClientRect();
          const style = getComputedStyle(one);
          if (style.outlineStyle === 'none' && one.id !== 'content') return `${one.outerHTML.slice(0, 90)}: no outline`;
          const top = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 20));
          return top !== null && (one.contains(top) || top.contains(one) || top.closest('label') !== null) ? null : `${one.outerHTML.slice(0, 90)}: covered by ${top?.outerHTML.slice(0, 60) ?? 'nothing'}`;
        });
        assert.equal(wrong, null, path);
      }
    }
  }, { context: { viewport: { width: 1280, height: 500 } } });
});

/** A quarter, a half and three quarters of one disc are one family: their words differ too. */
function family(status) {
  return [2, 3, 4].includes(status) ? 'wait' : [5, 7, 100].includes(status) ? status : 'idle';
}

test('statuses_differ_in_shape_when_colour_is_taken_away', async () => {
  const statuses = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100];
  await opened(async (page, mock) => {
    const pictures = [];
    for (const status of statuses) {
      Object.assign(mock.world, { devices: [device(2, status)] });
      await page.goto(`${mock.url}/ui/devices`);
      const icon = page.locator('tbody .status svg').first();
      await icon.waitFor();
      await page.evaluate(() => { document.documentElement.style.filter = 'grayscale(1)'; });
      const box = await icon.boundingBox();
      pictures.push(PNG.sync.read(await page.screenshot({ clip: { x: Math.floor(box.x), y: Math.floor(box.y), width: 18, height: 18 } })));
    }
    const alike = [];
    for (const [left, one] of pictures.entries()) {
      for (const [right, other] of pictures.entries()) {
        if (left >= right) continue;
        const differ = pixelmatch(one.data, other.data, null, 18, 18, { threshold: 0.1, includeAA: true }) / (18 * 18);
        const wanted = family(statuses[left]) === family(statuses[right]) ? 0.1 : 0.15;
        if (differ <= wanted) alike.push(`${statuses[left]} and ${statuses[right]} differ in ${(differ * 100).toFixed(0)} % only`);
      }
    }
    assert.deepEqual(alike, []);
  }, { context: { viewport: DESKTOP } });
});

test('a_locked_person_is_seen_as_such_and_can_be_unlocked', async () => {
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/system`);
    const lena = page.getByRole('row').filter({ hasText: 'lena' });
    await lena.getByText('Locked by an administrator').waitFor();
    await lena.getByRole('button', { name: 'Unlock lena' }).click();
    await page.getByText('lena may sign in again.').waitFor();
    assert.equal(made(mock, 'DELETE /v1/accounts/lena/lock').length, 1);
    assert.equal(await page.getByRole('row').filter({ hasText: 'ines' }).getByText('May sign in').count(), 1);
  });
});

test('an_invitation_is_shown_once_as_a_link', async () => {
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/system`);
    await button(page, 'Invite an administrator…').click();
    await page.locator('[data-op="account.offer"]').click();
    await page.getByText(`${mock.url}/ui/activate#c0ffee`).waitFor();
    await button(page, 'Done').click();
    assert.equal(await page.getByText('c0ffee').count(), 0);
    assert.equal(made(mock, 'POST /v1/activation/offer').length, 1);
  });
});

test('a_configuration_is_fetched_again_where_that_is_asked_for', async () => {
  await opened(async (page, mock) => {
    const id = uuid(2);
    await page.goto(`${mock.url}/ui/devices/${id}`);
    await button(page, 'Bootstrap again…').click();
    await page.getByLabel('Fetch its configuration from the authority first').check();
    await page.locator('[data-op="owner.fetch"]').click();
    await page.getByRole('alertdialog').waitFor({ state: 'detached' });
    assert.equal(made(mock, `POST /v1/devices/${id}/configuration`).length, 1);
    assert.equal(made(mock, `POST /v1/devices/${id}/bootstrap`).length, 0);
  });
});

test('the_log_is_filtered_and_grows_only_when_asked', async () => {
  await opened(async (page, mock) => {
    await page.goto(`${mock.url}/ui/audit?q=result:failed`);
    await page.locator('tbody tr').first().waitFor();
    assert.equal(await page.locator('tbody tr').count(), 2);
    await page.locator('[data-live=yes]').waitFor();
    mock.push('audit', audit(-1, 'owner.claim', { result: 'refused' }));
    await button(page, '1 new: show').click();
    assert.equal(await page.locator('tbody tr').count(), 3);
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Export CSV' }).click();
    assert.match((await download).url(), /\/v1\/audit\/export\?format=csv$/);
  });
});

test('every_acting_control_bears_an_operation_of_the_contract', async () => {
  const { readdirSync, readFileSync } = await import('node:fs');
  const { join } = await import('node:path');
  const { ROOT } = await import('./browser.mjs');
  const operations = readFileSync(join(ROOT, 'src/lib/api/operations.ts'), 'utf8');
  const used = new Set();
  for (const folder of ['src/pages', 'src/ui']) {
    for (const name of readdirSync(join(ROOT, folder))) {
      const text = readFileSync(join(ROOT, folder, name), 'utf8');
      for (const [, one] of text.matchAll(/data-op="([^"]+)"/g)) used.add(one);
      for (const [, either] of text.matchAll(/data-op=\{([^}]+)\}/g)) for (const [, one] of either.matchAll(/'([^']+)'/g)) used.add(one);
    }
  }
  for (const one of used) assert.ok(one === 'audit.export' || operations.includes(`'${one}':`) || operations.includes(`  ${one}:`), one);
  const writes = [...operations.matchAll(/^ {2}'?([\w.-]+)'?: \['(POST|PUT|DELETE)'/gm)].map((found) => found[1]);
  assert.deepEqual(writes.filter((one) => !used.has(one)), [], 'every write has a control');
});

test('on_a_phone_all_pages_are_under_more', async () => {
  await opened(async (page) => {
    await button(page, 'More').click();
    await page.getByRole('dialog').getByRole('link', { name: 'Audit' }).click();
    await heading(page, 'Audit').waitFor();
    assert.equal(await page.getByRole('dialog').count(), 0);
  }, { context: { viewport: PHONE } });
});

test('a_second_tab_keeps_the_first_one_signed_in', async () => {
  await opened(async (page, mock) => {
    await page.clock.install({ time: NOW });
    await signIn(page, mock.url);
    // The other tab was used ten minutes later: the server knows.
    mock.world.session.ends_unix_millis = NOW + 25 * 60_000;
    await page.clock.runFor(14 * 60_000 + 500);
    await page.waitForTimeout(200);
    await page.clock.runFor(60_000);
    assert.equal(await page.getByRole('alertdialog').count(), 0);
    assert.equal(await heading(page, 'Today').count(), 1);
    assert.equal(made(mock, 'DELETE /v1/session').length, 0);
  }, { signedIn: false, world: { now: () => NOW } });
});

test('a_clock_that_is_wrong_by_hours_signs_nobody_out', async () => {
  await opened(async (page, mock) => {
    await page.clock.install({ time: NOW + 5 * 3_600_000 });
    await signIn(page, mock.url);
    await page.clock.runFor(5_000);
    assert.equal(await page.getByRole('alertdialog').count(), 0);
    assert.equal(await heading(page, 'Today').count(), 1);
  }, { signedIn: false, world: { now: () => NOW } });
});
