import { expect } from 'chai';
import type { SlotContext } from '../../src/signals/signals.js';

/** The context of a slot that is called without a worker. */
export function slotContext(signal: AbortSignal = new AbortController().signal): SlotContext {
  const noTransaction = async (): Promise<never> => expect.fail('no transaction');
  return {
    ...{ queue: 'mail', jobId: '7', attempt: 1, signal, state: new Map(), touch: async () => {} },
    ...{ finish: noTransaction, transaction: noTransaction },
  };
}
