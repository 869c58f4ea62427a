import type { Fault } from './fault.js';

export const closing: readonly Fault[] = [];
