// Levels of risks, as people read them.
import type { Family, Shape } from './status';

export const RISK_LEVELS: Readonly<Record<string, { words: string; shape: Shape; family: Family }>> = {
  act: { words: 'Act now', shape: 'octagon', family: 'bad' },
  soon: { words: 'Soon', shape: 'triangle', family: 'warn' },
  know: { words: 'To know', shape: 'know', family: 'idle' },
};

/** The words of a level. */
export function levelWords(level: string): { words: string; shape: Shape; family: Family } {
  return RISK_LEVELS[level] ?? { words: level, shape: 'know', family: 'idle' };
}
