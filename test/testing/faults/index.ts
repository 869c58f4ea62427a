import { closing } from './closing.js';
import { denying } from './denying.js';
import type { Fault } from './fault.js';
import { leases } from './leases.js';
import { looking } from './looking.js';
import { operating } from './operating.js';
import { putting } from './putting.js';
import { queues } from './queues.js';
import { settling } from './settling.js';
import { times } from './times.js';
import { transactions } from './transactions.js';
import { waiting } from './waiting.js';

export const FAULTS: readonly Fault[] = [
  ...putting,
  ...settling,
  ...queues,
  ...leases,
  ...times,
  ...waiting,
  ...looking,
  ...operating,
  ...transactions,
  ...denying,
  ...closing,
];
