import type { ClaimedRow, ClaimRequest } from './store.js';

/** Claims from one queue. */
type Claim = (queue: number, limit: number) => Promise<readonly ClaimedRow[]>;

/**
 * Claims from several queues: from each its share, or from the first that has any, then from the next. Where the engine fails
 * when some are taken already, those are returned.
 */
export async function claimFromEach({ queues, inTurn, limit }: ClaimRequest, claim: Claim): Promise<ClaimedRow[]> {
  const taken: ClaimedRow[] = [];
  let giving: readonly number[] = queues;
  try {
    while (taken.length < limit && giving.length > 0) {
      const share = inTurn ? Math.ceil((limit - taken.length) / giving.length) : limit;
      const stillGiving: number[] = [];
      for (const queue of giving) {
        const wanted = Math.min(share, limit - taken.length);
        if (wanted === 0) break;
        const rows = await claim(queue, wanted);
        taken.push(...rows);
        if (rows.length === wanted) stillGiving.push(queue);
      }
      giving = stillGiving;
    }
  } catch (error) {
    if (taken.length === 0) throw error;
  }
  return taken;
}
