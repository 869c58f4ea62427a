import type { MessageState } from '../../queue/capabilities.js';

// The states of a message, as the schema knows them. From 2 on: SQLite stores 0 and 1 in a narrower column.
export const READY = 2;
export const DELAYED = 3;
export const RESERVED = 4;
export const BURIED = 5;

export const STATES: Readonly<Record<MessageState, number>> = {
  ready: READY,
  delayed: DELAYED,
  reserved: RESERVED,
  buried: BURIED,
};

/** The state of a message as users know it: one whose delay or lease has ended is ready, though nothing has made it so yet. */
export function stateAt(state: number, due: number, now: number): MessageState {
  if (state === BURIED) return 'buried';
  if (state === READY || due <= now) return 'ready';
  return state === DELAYED ? 'delayed' : 'reserved';
}
