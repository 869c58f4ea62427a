import type { Fault } from './fault.js';

export const leases: readonly Fault[] = [];
