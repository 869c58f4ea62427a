export interface Effort {
  /** Counted ones; one more comes before, to warm up. */
  readonly rounds: number;
  /** How long one contender works at one row in one round, about. */
  readonly sliceMs: number;
  /** Whether it is only a look: figures of long waits are shortened. */
  readonly quick: boolean;
}

/**
 * All contenders in turn, round after round: what disturbs the machine for a while disturbs all of them. The order turns from
 * round to round, because one may leave something to the next.
 */
export async function interleave<T>(
  contenders: readonly T[],
  rounds: number,
  turn: (contender: T, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) await turn(contender, round);
  }
}

/** How many jobs fill a slice at the rate that was measured: whole batches, at least one. */
export function countFor(perSecond: number, sliceMs: number, batch: number, most = 50_000): number {
  const wanted = Math.min((perSecond * sliceMs) / 1000, most);
  return Math.max(1, Math.round(wanted / batch)) * batch;
}
