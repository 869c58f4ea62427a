// The dispatcher alone: messages handed to a slot that does nothing, through middlewares that do nothing.
import type { SlotContext } from '../../src/signals/signals.js';
import { type Measured, measure } from '../harness/measure.js';
import { loadHaricot } from '../harness/package.js';
import { dataOf, TYPE } from './message-worker.js';

export interface Dispatches {
  readonly middlewares: number;
  readonly messages: number;
}

export type Dispatcher = {
  dispatch(dispatches: Dispatches): Promise<Measured>;
};

export async function open(): Promise<Dispatcher> {
  const { defineMessage, SignalDispatcher } = await loadHaricot();
  const message = { id: '1', type: TYPE, data: dataOf(1), time: new Date(), headers: {}, source: '/bench' };
  const context = { queue: 'bench', jobId: '1', attempt: 1 } as SlotContext;

  return {
    async dispatch({ middlewares, messages }) {
      const signals = new SignalDispatcher();
      let slotCalls = 0;
      signals.connect(defineMessage(TYPE), async () => {
        slotCalls++;
      });
      for (let n = 0; n < middlewares; n++) {
        signals.use(async (_message, _context, next) => {
          await next();
        });
      }
      const measured = await measure(messages, async () => {
        for (let n = 0; n < messages; n++) {
          const call = await signals.prepare(message, (_type, data) => data);
          await call?.run(context);
        }
      });
      return { ...measured, intact: slotCalls === messages };
    },
  };
}
