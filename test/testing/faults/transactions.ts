import type { Fault } from './fault.js';

export const transactions: readonly Fault[] = [];
