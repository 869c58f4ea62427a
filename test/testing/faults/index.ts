import { attempts } from './attempts.js';
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
import { waits } from './waiting.js';

export const FAULTS: readonly Fault[] = [
  ...putting,
  ...settling,
  ...attempts,
  ...queues,
  ...leases,
  ...times,
  ...waits,
  ...looking,
  ...operating,
  ...transactions,
  ...denying,
  ...closing,
];
