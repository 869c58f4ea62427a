/** idle → running → stopping → stopped, never back. */
export type WorkerState = 'idle' | 'running' | 'stopping' | 'stopped';

/** A message that a worker is working on. */
export interface InFlightMessage {
  /** The queue that the message came from. */
  readonly queue: string;
  /** The engine's id of the message. */
  readonly jobId: string;
  /** Undefined where the body cannot be read. */
  readonly type: string | undefined;
  /** 1-based; undefined where the worker's `trackAttempts` is off and the engine did not tell. */
  readonly attempt: number | undefined;
  /** When the worker received the message. */
  readonly startedAt: Date;
}

/** What a worker is doing, and what it has done. */
export interface WorkerStatus {
  /** What the worker does now. */
  readonly state: WorkerState;
  /** The messages that it is working on, without those whose settlement the engine has not confirmed yet. */
  readonly inFlight: readonly InFlightMessage[];
  /** Messages that were acknowledged. */
  readonly finished: number;
  /** Messages that were buried. */
  readonly failed: number;
  /** Messages that were released, to be delivered again. */
  readonly released: number;
}
