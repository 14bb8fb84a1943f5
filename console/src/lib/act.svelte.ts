// A call that changes something, as a form shows it: under way, done, or failed with the reason beside it.
import { call, type Given } from './api/client';
import type { Answers, Operation } from './api/operations';
import type { Problem } from './api/problem';

export class Act<O extends Operation> {
  /** The answer is not there yet: the button waits. */
  sending = $state(false);
  /** Why the last try failed; stays until the next one ends. */
  problem = $state.raw<Problem | null>(null);
  readonly #operation: O;

  constructor(operation: O) {
    this.#operation = operation;
  }

  /** Makes the call; `then` is for the good end alone, the bad one is kept in `problem`. */
  async send(given: Given, then: (answer: Answers[O]) => void): Promise<void> {
    this.sending = true;
    const outcome = await call(this.#operation, given);
    this.sending = false;
    if (outcome.ok) then(outcome.value);
    else this.problem = outcome.problem;
  }
}
