import type { Machine } from './machine.js';
import type { Result } from './report.js';
import type { Effort } from './rounds.js';

/** What a workload is run with. */
export interface Setting {
  readonly effort: Effort;
  /** Whether the peers could be installed. */
  readonly hasPeers: boolean;
}

export interface Workload {
  run(setting: Setting): Promise<Result>;
}

/** What is kept of a run. */
export interface SavedResult extends Result {
  readonly rounds: number;
  readonly machine: Machine;
}
