// Times as people read them: absolute first, relative only beside it and only under a day.

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface Parts {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

function parts(unixMillis: number, utc: boolean): Parts {
  const at = new Date(unixMillis);
  return utc
    ? { year: at.getUTCFullYear(), month: at.getUTCMonth(), day: at.getUTCDate(), hour: at.getUTCHours(), minute: at.getUTCMinutes(), second: at.getUTCSeconds() }
    : { year: at.getFullYear(), month: at.getMonth(), day: at.getDate(), hour: at.getHours(), minute: at.getMinutes(), second: at.getSeconds() };
}

const two = (number: number): string => String(number).padStart(2, '0');

/** `3 Mar 2026`. */
export function day(unixMillis: number, utc = false): string {
  const at = parts(unixMillis, utc);
  return `${at.day} ${MONTHS[at.month]} ${at.year}`;
}

/** `14:03:12`. */
export function clock(unixMillis: number, utc = false): string {
  const at = parts(unixMillis, utc);
  return `${two(at.hour)}:${two(at.minute)}:${two(at.second)}`;
}

/** `22 Nov 2026 14:03:12`, with `UTC` behind it when it is not the local zone. */
export function moment(unixMillis: number, utc = false): string {
  return `${day(unixMillis, utc)} ${clock(unixMillis, utc)}${utc ? ' UTC' : ''}`;
}

/** `14:03:12` of today, else with its day. */
export function short(unixMillis: number, now: number, utc = false): string {
  return day(unixMillis, utc) === day(now, utc) ? clock(unixMillis, utc) : moment(unixMillis, utc);
}

/** `18,204`. */
export function count(number: number): string {
  return number.toLocaleString('en-GB');
}

/** RFC 3339 in UTC, for `datetime` and for machines. */
export function machine(unixMillis: number): string {
  return new Date(unixMillis).toISOString();
}

/** `12 s`, `4 min`, `3 h`, `12 days`: whole, rounded down. */
export function span(millis: number): string {
  const whole = Math.max(0, millis);
  if (whole < MINUTE) return `${Math.floor(whole / SECOND)} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < 2 * DAY) return `${Math.floor(whole / HOUR)} h`;
  return `${Math.floor(whole / DAY)} days`;
}

/** `12 s ago` or `in 4 min`; nothing when it is a day or more away. */
export function relative(unixMillis: number, now: number): string | null {
  const gone = now - unixMillis;
  if (Math.abs(gone) >= DAY) return null;
  if (Math.abs(gone) < SECOND) return 'now';
  return gone > 0 ? `${span(gone)} ago` : `in ${span(-gone)}`;
}

/** `+0.4 s`, `+9 s`, `+6 min`: how long one step came after another. */
export function step(millis: number): string {
  const whole = Math.max(0, millis);
  return whole < 10 * SECOND ? `+${(Math.round(whole / 100) / 10).toFixed(1)} s` : `+${span(whole)}`;
}
