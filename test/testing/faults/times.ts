import type { Fault } from './fault.js';

export const times: readonly Fault[] = [];
