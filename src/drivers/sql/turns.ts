import type { ClaimedRow, ClaimRequest } from './store.js';

/**
 * From which queue to take next, and how many messages at most: from each its share, or all from the first that has any and then
 * from the next. `next` is told how many the queue has given.
 */
export function* turns<Q>(
  queues: readonly Q[],
  inTurn: boolean,
  limit: number,
): Generator<{ readonly queue: Q; readonly limit: number }, void, number> {
  let left = limit;
  let giving = queues;
  while (left > 0 && giving.length > 0) {
    const share = inTurn ? Math.ceil(left / giving.length) : limit;
    const stillGiving: Q[] = [];
    for (const queue of giving) {
      const wanted = Math.min(share, left);
      if (wanted === 0) break;
      const given = yield { queue, limit: wanted };
      left -= given;
      if (given === wanted) stillGiving.push(queue);
    }
    giving = stillGiving;
  }
}

/** Claims from one queue. */
type Claim = (queue: number, limit: number) => Promise<readonly ClaimedRow[]>;

/** Claims from several queues. Where the engine fails when some are taken already, those are returned. */
export async function claimFromEach({ queues, inTurn, limit }: ClaimRequest, claim: Claim): Promise<ClaimedRow[]> {
  const taken: ClaimedRow[] = [];
  const asking = turns(queues, inTurn, limit);
  try {
    for (let turn = asking.next(0); !turn.done; ) {
      const rows = await claim(turn.value.queue, turn.value.limit);
      taken.push(...rows);
      turn = asking.next(rows.length);
    }
  } catch (error) {
    if (taken.length === 0) throw error;
  }
  return taken;
}
