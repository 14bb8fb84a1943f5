// Times, errors, statuses, the life of a device, routes and rights.
import { describe, expect, it } from 'vitest';
import { failure } from '../../src/lib/api/answer';
import { address, OPERATIONS } from '../../src/lib/api/operations';
import { CATALOGUE, problem } from '../../src/lib/api/problem';
import type { AuditEntry, Device } from '../../src/lib/api/types';
import { may } from '../../src/lib/duties';
import { base64, groups, hexText, isUuid, uuidText } from '../../src/lib/ids';
import { lifeSteps, ownershipChain } from '../../src/lib/life';
import { presenceStretches } from '../../src/lib/presence';
import { passwordFits } from '../../src/lib/password';
import { isOurs, needsAttention, STATUSES, statusWords } from '../../src/lib/status';
import { clock, day, machine, moment, relative, short, span, step } from '../../src/lib/times';
import { operationWords, timelinePart } from '../../src/lib/words';
import { devicePath, match, ROUTES } from '../../src/routes';
import { entries } from '../../src/ui/nav';

const NOW = Date.UTC(2026, 10, 22, 14, 3, 12);

describe('times', () => {
  it('are_absolute_with_their_zone', () => {
    expect(day(NOW, true)).toBe('22 Nov 2026');
    expect(clock(NOW, true)).toBe('14:03:12');
    expect(moment(NOW, true)).toBe('22 Nov 2026 14:03:12 UTC');
    expect(machine(NOW)).toBe('2026-11-22T14:03:12.000Z');
    expect(short(NOW, NOW + 1000, true)).toBe('14:03:12');
    expect(short(NOW, NOW + 86_400_000, true)).toBe('22 Nov 2026 14:03:12 UTC');
  });

  it.each([
    [0, 'now'], [12_000, '12 s ago'], [59_999, '59 s ago'], [60_000, '1 min ago'], [3_600_000, '1 h ago'], [86_399_999, '23 h ago'], [86_400_000, null], [-240_000, 'in 4 min'],
  ])('are_relative_under_a_day_only_%i', (gone, expected) => {
    expect(relative(NOW - gone, NOW)).toBe(expected);
  });

  it('round_spans_down_and_steps_to_a_tenth', () => {
    expect([0, 119_000, 86_400_000, 172_800_000].map(span)).toEqual(['0 s', '1 min', '24 h', '2 days']);
    expect([400, 1_000, 9_100, 12_000, 360_000].map(step)).toEqual(['+0.4 s', '+1.0 s', '+9.1 s', '+12 s', '+6 min']);
  });
});

describe('failures', () => {
  it('every_text_is_short_past_and_without_exclamation', () => {
    for (const [code, entry] of Object.entries(CATALOGUE)) {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(entry.title.length, code).toBeLessThan(60);
      expect(entry.title.endsWith('.'), code).toBe(false);
      expect(entry.attempts.length, code).toBeGreaterThan(0);
      const all = [entry.title, entry.why, ...entry.attempts].join(' ');
      expect(all, code).not.toMatch(/!|\bplease\b|\binvalid\b/i);
    }
  });

  it('takes_the_words_of_the_server_where_it_sends_some', () => {
    const raw = { status: 409, retryAfter: null, body: { type: '/ui/help/bootstrap-unreachable', code: 'bootstrap-unreachable', title: 'The image was not sent', detail: 'No answer for 10 s.', try: ['Try now'], request: 'r-7f31' } };
    expect(failure('owner.bootstrap', raw, 0)).toEqual({ code: 'bootstrap-unreachable', title: 'The image was not sent', why: 'No answer for 10 s.', attempts: ['Try now'], request: 'r-7f31', retryAt: null });
  });

  it.each([
    ['owner.claim', 403, 'claim-refused'], ['owner.claim', 409, 'already-yours'], ['owner.claim', 503, 'claim-limit'], ['owner.transfer', 403, 'transfer-refused'],
    ['owner.release', 409, 'leaving-already'], ['owner.bootstrap', 409, 'image-not-built'], ['owner.show', 401, 'not-here'], ['owner.list', 401, 'signed-out'], ['login', 401, 'sign-in-failed'],
    ['login', 429, 'too-many-tries'], ['account.activate', 410, 'activation-ended'], ['account.add', 409, 'account-exists'], ['account.remove', 409, 'last-administrator'],
    ['account.password', 422, 'password-too-simple'], ['settings.set', 422, 'setting-refused'], ['risk.list', 503, 'try-later'], ['risk.list', 500, 'internal'], ['owner.show', 404, 'not-here'], ['audit.list', 400, 'request-unreadable'],
  ] as const)('%s_answered_%i_without_words_is_%s', (operation, status, code) => {
    const found = failure(operation, { status, body: null, retryAfter: null }, 0);
    expect(found.code).toBe(code);
    expect(found.title).toBe(CATALOGUE[code]?.title);
  });

  it('says_when_to_try_again', () => {
    expect(failure('owner.claim', { status: 503, body: null, retryAfter: '90' }, 1_000).retryAt).toBe(91_000);
    expect(failure('owner.claim', { status: 503, body: null, retryAfter: 'soon' }, 1_000).retryAt).toBeNull();
  });

  it('the_refused_claim_never_says_which_guess_was_right', () => {
    expect(problem('claim-refused').why).toContain('It does not say why, to anybody');
    expect(problem('no-such-code').title).toBe(CATALOGUE['internal']?.title);
  });
});

describe('addresses of calls', () => {
  it('carry_ids_and_queries_escaped_and_leave_out_what_is_not_given', () => {
    expect(address('owner.show', 'a/b')).toBe('/v1/devices/a%2Fb');
    expect(address('owner.transfer', 'x', { to: '5D:11' })).toBe('/v1/devices/x/transfer?to=5D%3A11');
    expect(address('owner.list', undefined, { after: undefined })).toBe('/v1/devices');
  });

  it('no_two_operations_are_the_same_call', () => {
    const calls = Object.values(OPERATIONS).map((call) => call.join(' '));
    expect(new Set(calls).size).toBe(calls.length);
  });
});

describe('statuses', () => {
  it('are_thirteen_and_differ_in_word_and_in_shape_where_not_failed', () => {
    expect(STATUSES).toHaveLength(13);
    expect(new Set(STATUSES.map((status) => status.words)).size).toBe(13);
    expect(new Set(STATUSES.map((status) => status.find)).size).toBe(13);
    const shapes = STATUSES.filter((status) => status.number < 100).map((status) => status.shape);
    expect(new Set(shapes).size).toBe(shapes.length);
  });

  it('tells_a_status_of_a_newer_server_as_it_is', () => {
    expect(statusWords(55).words).toBe('Status 55');
    expect(needsAttention(55)).toBe(false);
    expect(isOurs(55)).toBe(false);
  });
});

function device(changes: Partial<Device> = {}): Device {
  return {
    id: '8f2c41d0-0000-4000-8000-0000000077aa', status: 4, description: '', since_unix_millis: 5_000, registrant: '', kind: null, owner_sequence_number: 1, due: null,
    image_created_unix_millis: 4_000, parameter_choice: null, info: null, goodbye: null, seen_unix_millis: null, replaced_by: null, replaces: null, ...changes,
  };
}

function entry(operation: string, unix_millis: number, result = 'done'): AuditEntry {
  return { cursor: `${unix_millis}`, unix_millis, role: 'management', actor: 'a', operation, device: device().id, result, correlation: 'c' };
}

describe('presence', () => {
  it('is_told_from_the_first_word_on_without_holes', () => {
    const entries = [entry('device.presence', 8_000), entry('device.goodbye', 5_000, 'local shutdown'), entry('device.presence', 3_000), entry('owner.claim', 1_000), entry('device.lost', 9_000, 'unreachable')];
    expect(presenceStretches(entries, 2_000, 10_000)).toEqual([
      { from: 2_000, to: 3_000, state: 'untold' },
      { from: 3_000, to: 5_000, state: 'there' },
      { from: 5_000, to: 8_000, state: 'away' },
      { from: 8_000, to: 9_000, state: 'there' },
      { from: 9_000, to: 10_000, state: 'away' },
    ]);
  });

  it('knows_the_state_at_the_beginning_from_what_was_before', () => {
    const entries = [entry('device.presence', 1_000), entry('device.presence', 4_000)];
    expect(presenceStretches(entries, 2_000, 10_000)).toEqual([{ from: 2_000, to: 10_000, state: 'there' }]);
    expect(presenceStretches([], 2_000, 10_000)).toEqual([{ from: 2_000, to: 10_000, state: 'untold' }]);
    expect(presenceStretches([entry('device.presence', 11_000)], 2_000, 10_000)).toEqual([{ from: 2_000, to: 10_000, state: 'untold' }]);
  });
});

describe('the life of a device', () => {
  it('shows_what_is_done_what_goes_on_and_what_is_to_come', () => {
    const steps = lifeSteps(device(), [entry('owner.claim', 2_000), entry('owner.configure', 3_000)]);
    expect(steps.map((one) => one.progress)).toEqual(['done', 'done', 'done', 'done', 'now']);
    expect(steps.map((one) => one.at)).toEqual([null, 2_000, 3_000, 4_000, null]);
  });

  it('shows_a_failed_bootstrap_at_its_step', () => {
    expect(lifeSteps(device({ status: 101 }), []).map((one) => one.progress)).toEqual(['done', 'done', 'done', 'done', 'failed']);
    expect(lifeSteps(device({ status: 102 }), []).at(-1)?.progress).toBe('failed');
    expect(lifeSteps(device({ status: 100 }), [])[1]?.progress).toBe('failed');
  });

  it('takes_no_refused_claim_for_a_claim', () => {
    expect(lifeSteps(device(), [entry('owner.claim', 2_000, 'refused')])[1]?.at).toBeNull();
  });

  it('names_nobody_else_in_the_chain_and_proves_only_what_was_seen', () => {
    const chain = ownershipChain(device({ status: 5, owner_sequence_number: 3 }), [entry('owner.accept', 2_000), entry('owner.configure', 3_000)]);
    expect(chain.map((owner) => owner.words)).toEqual(['Its maker', 'An earlier owner', 'An earlier owner', 'You']);
    expect(chain.map((owner) => owner.proven)).toEqual([true, false, false, true]);
    expect(chain.at(-1)).toMatchObject({ act: 'transfer', at: 3_000 });
  });

  it('draws_a_release_as_one', () => {
    const chain = ownershipChain(device({ status: 9 }), [entry('owner.release', 9_000), entry('owner.claim', 1_000)]);
    expect(chain.at(-1)).toMatchObject({ kind: 'nobody', act: 'release', at: 9_000 });
    const gone = ownershipChain(device({ status: 9, owner_sequence_number: null }), [entry('owner.release', 9_000), entry('owner.claim', 1_000)]);
    expect(gone.map((owner) => owner.kind)).toEqual(['maker', 'us', 'nobody']);
    expect(ownershipChain(device({ status: 9 }), []).at(-1)).toMatchObject({ kind: 'next', act: 'transfer' });
  });

  it('folds_a_long_past', () => {
    expect(ownershipChain(device({ owner_sequence_number: 9 }), []).map((owner) => owner.words)).toEqual(['Its maker', 'An earlier owner', 'An earlier owner', '6 earlier owners', 'You']);
    expect(ownershipChain(device({ owner_sequence_number: null }), [])).toHaveLength(1);
  });
});

describe('routes', () => {
  it('lead_back_to_themselves', () => {
    for (const route of ROUTES) expect(match(`/ui/${route.path.replace(':id', 'x').replace(':code', 'y')}`).route).toBe(route);
  });

  it.each(['/ui/nowhere', '/ui/devices/a/b/c', '/ui/devices/x/values', '/other', '/ui/devices/%zz'])('%s_is_not_here', (path) => {
    expect(match(path).route.page).toBe('not-here');
  });

  it('have_a_page_each', () => {
    const there = Object.keys(import.meta.glob('../../src/pages/*.svelte'));
    const files: Record<string, string> = { 'sign-in': 'SignIn', 'not-here': 'NotHere', 'thing-add': 'ThingAdd' };
    for (const { page } of ROUTES) {
      const name = files[page] ?? `${page[0]?.toUpperCase() ?? ''}${page.slice(1)}`;
      expect(there, page).toContain(`../../src/pages/${name}.svelte`);
    }
  });

  it('escape_ids', () => {
    expect(devicePath('a/b', 'keys')).toBe('/ui/devices/a%2Fb/keys');
    expect(match('/ui/devices/a%2Fb/keys').parameters).toEqual({ id: 'a/b' });
  });
});

describe('rights', () => {
  const pages = (role: string, duties: string[]): string[] => entries(may({ role, duties })).map((one) => one.words);

  it('leave_out_what_would_be_refused', () => {
    expect(pages('administrator', [])).toEqual(['Today', 'Devices', 'Smart devices', 'Claim', 'Risks', 'Audit', 'System']);
    expect(pages('user', ['owner'])).toEqual(['Today', 'Devices', 'Smart devices', 'Claim']);
    expect(pages('user', ['installer'])).toEqual(['Today', 'Devices', 'Smart devices', 'Claim']);
    expect(pages('user', ['auditor'])).toEqual(['Today', 'Devices', 'Smart devices', 'Risks', 'Audit', 'Listeners']);
    expect(pages('user', [])).toEqual(['Today', 'Smart devices']);
    expect(entries(may(null)).map((one) => one.words)).toEqual(['Today', 'Smart devices']);
  });
});

describe('small things', () => {
  it('ids', () => {
    const bytes = Uint8Array.from({ length: 16 }, (_, index) => index * 16);
    expect(uuidText(bytes)).toBe('00102030-4050-6070-8090-a0b0c0d0e0f0');
    expect(isUuid(uuidText(bytes))).toBe(true);
    expect(isUuid('8F2C41D0-0000-4000-8000-0000000077AA')).toBe(false);
    expect(hexText(Uint8Array.of(0, 255))).toBe('00ff');
    expect(groups('8f2c41d0')).toBe('8f2c 41d0');
    expect(base64(Uint8Array.of(0x83, 1, 0x50))).toBe('gwFQ');
  });

  it.each([
    ['abcdefg1', true], ['ABCDEFGh', true], ['1234567!', true], ['~~~~~~~a', true], ['ää ää ä1a', true], ['ääääää1', false],
    ['abcdefgh', false], ['!!!!!!!!', false], ['abcdefg ', false], ['abcdefgä', false], ['ääääääää', false],
    ['short1A', false], ['longenough', false], ['long enough', false], ['Longenough', true], ['a'.repeat(129), false], ['aA'.repeat(64), true],
  ])('password_%s', (password, fits) => {
    expect(passwordFits(password)).toBe(fits);
  });

  it('operations_have_words_and_a_part_of_the_timeline', () => {
    expect(operationWords('owner.claim')).toBe('Claimed');
    expect(operationWords('new.thing')).toBe('new.thing');
    expect(['owner.transfer', 'owner.rekey', 'device.put-channel', 'device.goodbye', 'login'].map(timelinePart)).toEqual(['Ownership', 'Keys', 'Channels', 'Presence', 'Other']);
  });
});
