import type { SettlementResult } from './driver.js';

/** What is answered for one message: as it is for a call with that alone, which nearly all are. */
export type Outcome = readonly [SettlementResult];

/** Of everything that went well. */
export const DONE: Outcome = Object.freeze([Object.freeze({})]);

/** Does it to each, without waiting for one after the other; of one alone nothing is collected. */
export function each<T>(
  items: readonly T[],
  action: (item: T) => Promise<Outcome>,
): Promise<readonly SettlementResult[]> {
  const [only] = items;
  return only !== undefined && items.length === 1 ? action(only) : all(items.map(action));
}

async function all(outcomes: readonly Promise<Outcome>[]): Promise<readonly SettlementResult[]> {
  return (await Promise.all(outcomes)).flat();
}
