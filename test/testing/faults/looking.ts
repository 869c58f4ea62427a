import type { Fault } from './fault.js';

export const looking: readonly Fault[] = [];
