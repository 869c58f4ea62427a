import type { Fault } from './fault.js';

export const waiting: readonly Fault[] = [];
