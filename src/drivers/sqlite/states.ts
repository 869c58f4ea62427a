import type { PeekState } from '../../queue/driver.js';

// The states of a message, as the schema knows them. From 2 on: SQLite stores 0 and 1 in a narrower column.
export const READY = 2;
export const DELAYED = 3;
export const RESERVED = 4;
export const BURIED = 5;

export const STATES: Readonly<Record<PeekState, number>> = { ready: READY, delayed: DELAYED, buried: BURIED };
