import type { Fault } from './fault.js';

export const denying: readonly Fault[] = [];
