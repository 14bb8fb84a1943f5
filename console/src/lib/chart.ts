// From samples to the points of a line: time goes to the right, values go up.
import type { Sample } from './api/types';

/** Sides of the picture, in its own units. */
export const WIDTH = 640;
export const HEIGHT = 200;
/** Room for the line's own thickness. */
const MARGIN = 6;

/** A line that can be drawn. */
export interface Line {
  /** For `points` of a polyline. */
  readonly points: string;
  readonly least: number;
  readonly most: number;
  readonly from: number;
  readonly to: number;
}

const numberOf = (value: unknown): number | null => (typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : null);

/** The line through samples that are numbers or switches; null when fewer than two are. Switches jump, numbers glide. */
export function lineOf(samples: readonly Sample[]): Line | null {
  const seen = samples.map((sample) => ({ at: sample.at_unix_millis, value: numberOf(sample.value), jumps: typeof sample.value === 'boolean' }));
  const dots = seen.filter((one): one is { at: number; value: number; jumps: boolean } => one.value !== null).sort((left, right) => left.at - right.at);
  const [first, last] = [dots[0], dots.at(-1)];
  if (first === undefined || last === undefined || dots.length < 2) return null;
  const values = dots.map((dot) => dot.value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const across = (at: number): number => (last.at === first.at ? WIDTH / 2 : MARGIN + ((at - first.at) / (last.at - first.at)) * (WIDTH - 2 * MARGIN));
  const up = (value: number): number => (most === least ? HEIGHT / 2 : HEIGHT - MARGIN - ((value - least) / (most - least)) * (HEIGHT - 2 * MARGIN));
  const points: string[] = [];
  for (const [index, dot] of dots.entries()) {
    const before = dots[index - 1];
    if (dot.jumps && before !== undefined) points.push(`${across(dot.at).toFixed(1)},${up(before.value).toFixed(1)}`);
    points.push(`${across(dot.at).toFixed(1)},${up(dot.value).toFixed(1)}`);
  }
  return { points: points.join(' '), least, most, from: first.at, to: last.at };
}
