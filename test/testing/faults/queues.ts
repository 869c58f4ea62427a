import type { Fault } from './fault.js';

export const queues: readonly Fault[] = [];
