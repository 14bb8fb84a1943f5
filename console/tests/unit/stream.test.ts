// The life of the live stream, with a clock that only we move.
import { beforeEach, describe, expect, it } from 'vitest';
import { PAUSE_MAX_MILLIS, SILENCE_MILLIS, StreamMachine } from '../../src/lib/stream/machine';

/** The middle of the spread: pauses are exactly 1, 2, 4 .. s. */
const MIDDLE = 0.5;

describe('the stream', () => {
  let machine: StreamMachine;

  beforeEach(() => {
    machine = new StreamMachine();
    expect(machine.start(0)).toEqual([{ do: 'connect', after: null }]);
  });

  it('is_live_once_it_stands_and_beats_keep_it_so', () => {
    machine.opened(10);
    expect(machine.view()).toEqual({ phase: 'live', heard: 10, lostSince: null, retryAt: null });
    for (let now = 15_010; now < 300_000; now += 15_000) {
      expect(machine.expire(now, MIDDLE)).toEqual([]);
      machine.event(now, null);
    }
    expect(machine.view().phase).toBe('live');
  });

  it('is_lost_after_forty_seconds_of_silence_and_says_since_when', () => {
    machine.opened(1_000);
    expect(machine.nextDeadline()).toBe(1_000 + SILENCE_MILLIS);
    expect(machine.expire(1_000 + SILENCE_MILLIS - 1, MIDDLE)).toEqual([]);
    expect(machine.expire(1_000 + SILENCE_MILLIS, MIDDLE)).toEqual([{ do: 'close' }]);
    expect(machine.view()).toEqual({ phase: 'waiting', heard: 1_000, lostSince: 1_000, retryAt: 1_000 + SILENCE_MILLIS + 1_000 });
  });

  it('resumes_behind_the_last_event', () => {
    machine.opened(0);
    machine.event(100, '41');
    machine.event(200, '42');
    machine.event(300, null);
    machine.dropped(400, MIDDLE);
    expect(machine.expire(1_400, MIDDLE)).toEqual([{ do: 'connect', after: '42' }]);
  });

  it('does_not_alarm_when_the_first_retry_mends_it', () => {
    machine.opened(0);
    machine.dropped(400, MIDDLE);
    expect(machine.view().lostSince).toBeNull();
    machine.expire(1_400, MIDDLE);
    machine.opened(1_500);
    expect(machine.view()).toEqual({ phase: 'live', heard: 1_500, lostSince: null, retryAt: null });
  });

  it('alarms_when_the_first_retry_fails_with_the_time_of_the_last_sign', () => {
    machine.opened(0);
    machine.event(300, '1');
    machine.dropped(400, MIDDLE);
    machine.expire(1_400, MIDDLE);
    machine.dropped(1_401, MIDDLE);
    expect(machine.view().lostSince).toBe(300);
  });

  it('waits_longer_each_time_up_to_thirty_seconds_and_never_gives_up', () => {
    let now = 0;
    const pauses: number[] = [];
    for (let round = 0; round < 12; round += 1) {
      machine.dropped(now, MIDDLE);
      const at = machine.view().retryAt ?? 0;
      pauses.push(at - now);
      now = at;
      expect(machine.expire(now, MIDDLE)).toHaveLength(1);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30].map((seconds) => seconds * 1000));
    expect(PAUSE_MAX_MILLIS).toBe(30_000);
  });

  it('spreads_the_tries_of_many_pages', () => {
    const early = new StreamMachine();
    early.start(0);
    early.dropped(0, 0);
    machine.dropped(0, 0.999);
    expect(early.view().retryAt).toBe(750);
    expect(machine.view().retryAt).toBe(1_250);
  });

  it('begins_with_short_pauses_again_after_it_was_live', () => {
    for (let round = 0; round < 5; round += 1) {
      machine.dropped(0, MIDDLE);
      machine.tryNow(0);
    }
    machine.opened(0);
    machine.dropped(0, MIDDLE);
    expect(machine.view().retryAt).toBe(1_000);
  });

  it('tries_at_once_when_asked_and_only_while_it_waits', () => {
    expect(machine.tryNow(5)).toEqual([]);
    machine.opened(10);
    expect(machine.tryNow(20)).toEqual([]);
    machine.dropped(30, MIDDLE);
    expect(machine.tryNow(40)).toEqual([{ do: 'connect', after: null }]);
  });

  it('asks_for_everything_again_after_a_reset_and_forgets_the_position', () => {
    machine.opened(0);
    machine.event(1, '41');
    expect(machine.reset(2, null)).toEqual([{ do: 'refetch' }]);
    machine.dropped(3, MIDDLE);
    expect(machine.tryNow(4)).toEqual([{ do: 'connect', after: null }]);
  });

  it('counts_a_connection_that_never_opens_as_silent', () => {
    expect(machine.expire(SILENCE_MILLIS, MIDDLE)).toEqual([{ do: 'close' }]);
    expect(machine.view().lostSince).toBe(0);
  });

  it('stays_ended_until_the_next_start_and_forgets_the_session_before', () => {
    machine.opened(0);
    machine.event(1, '41');
    expect(machine.end()).toEqual([{ do: 'close' }]);
    expect(machine.nextDeadline()).toBeNull();
    expect(machine.event(2, '42')).toEqual([]);
    expect(machine.dropped(3, MIDDLE)).toEqual([]);
    expect(machine.tryNow(4)).toEqual([]);
    expect(machine.end()).toEqual([]);
    expect(machine.start(5)).toEqual([{ do: 'connect', after: null }]);
  });

  it('ignores_late_signs_of_a_connection_it_has_closed', () => {
    machine.opened(0);
    machine.dropped(10, MIDDLE);
    expect(machine.opened(11)).toEqual([]);
    expect(machine.event(12, '9')).toEqual([]);
    expect(machine.view().phase).toBe('waiting');
    expect(machine.tryNow(13)).toEqual([{ do: 'connect', after: null }]);
  });
});
