// The picture of a series.
import { describe, expect, it } from 'vitest';
import { HEIGHT, lineOf, WIDTH } from '../../src/lib/chart';
import type { Sample } from '../../src/lib/api/types';

const sample = (value: Sample['value'], at: number): Sample => ({ value, at_unix_millis: at, received_unix_millis: at, version: at });

describe('lines', () => {
  it('need two numbers or switches', () => {
    expect(lineOf([])).toBeNull();
    expect(lineOf([sample(1, 1)])).toBeNull();
    expect(lineOf([sample('a', 1), sample('b', 2), sample(null, 3)])).toBeNull();
  });

  it('stay inside the picture and keep the order of time', () => {
    const line = lineOf([sample(-5, 300), sample(10, 100), sample('lost', 150), sample(2, 200)]);
    expect(line).toMatchObject({ least: -5, most: 10, from: 100, to: 300 });
    const points = (line?.points ?? '').split(' ').map((point) => point.split(',').map(Number));
    expect(points.length).toBe(3);
    for (const [x = NaN, y = NaN] of points) {
      expect(x >= 0 && x <= WIDTH && y >= 0 && y <= HEIGHT).toBe(true);
    }
    expect(points.map(([x = 0]) => x)).toEqual([...points.map(([x = 0]) => x)].sort((left, right) => left - right));
  });

  it('lie in the middle when nothing changes, and jump for switches', () => {
    expect(lineOf([sample(7, 1), sample(7, 2)])?.points).toBe('6.0,100.0 634.0,100.0');
    expect(lineOf([sample(false, 1), sample(true, 2)])?.points).toBe('6.0,194.0 634.0,194.0 634.0,6.0');
  });
});
