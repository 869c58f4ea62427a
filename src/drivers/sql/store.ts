// What each SQL engine does in its own dialect. Everything else stands in this folder and is the same for all of them.

import type { MessageState } from '../../queue/capabilities.js';
import type {
  ListOptions,
  MessagePage,
  QueueStats,
  Selection,
  StoredMessage,
  Transaction,
  TransactionClient,
} from '../../queue/driver.js';

/** A message to store. */
export interface NewRow {
  readonly queue: number;
  readonly priority: number;
  readonly delayMs: number;
  readonly ttrMs: number;
  readonly body: Buffer;
}

/** What is to become of a row that is held. */
export interface RowSettlement {
  readonly kind: 'ack' | 'touch' | 'release' | 'bury';
  readonly id: string;
  /** The row is changed only if it still has this one. */
  readonly token: number;
  readonly queue: number;
  /** Undefined keeps the one that it has. */
  readonly priority?: number | undefined;
  readonly delayMs?: number | undefined;
  /** `false`: the delivery counts as none. */
  readonly counted?: boolean | undefined;
  readonly failure?: string | undefined;
}

/** What one consumer would like to take. */
export interface ClaimRequest {
  /** In the order in which they are asked. */
  readonly queues: readonly number[];
  /** Whether each gives its share; otherwise the first that has messages gives all. */
  readonly inTurn: boolean;
  readonly limit: number;
}

/** A row that was taken. */
export interface ClaimedRow {
  readonly id: string;
  readonly queue: number;
  /** Guards this delivery: whoever takes the row next puts another one in its place. */
  readonly token: number;
  readonly ttrMs: number;
  readonly attempt: number;
  readonly body: Buffer;
}

export interface Round {
  readonly settlements: readonly RowSettlement[];
  readonly claims: readonly ClaimRequest[];
}

export interface RoundResult {
  /** In order: whether the row still had the token, and so was changed. */
  readonly settled: readonly boolean[];
  /** In order, each in the order of delivery; an error where the engine could not be asked any more. */
  readonly claimed: readonly (readonly ClaimedRow[] | Error)[];
}

/** A transaction of the user: our statements run in it, and its errors are the user's to handle. */
export interface JoinedTransaction {
  /** The queue's number; it gets one, as part of the transaction, when it has none. */
  queueId(name: string): Promise<number>;
  /** @returns the ids, in order */
  put(rows: readonly NewRow[]): Promise<readonly string[]>;
  /** @returns whether the row still had that token */
  ack(id: string, token: number): Promise<boolean>;
}

/** A database. Every call is one commit, and rejects with a HaricotError. All times are by the database's clock. */
export interface SqlStore {
  readonly system: string;
  readonly maxBodyBytes: number;
  /** How many rows, and bytes of bodies, one `put` takes. */
  readonly putRows: number;
  readonly putBytes: number;
  /**
   * How long a consumer that has found nothing sleeps, the first time, the second time, and so on, before it looks whether it
   * was told of a message and did not hear it.
   */
  readonly pollMs: readonly number[];
  /** Connects, and makes or migrates the tables where that is needed. */
  setUp(): Promise<void>;
  /** Their numbers; a queue without one gets it if `create`. */
  queueIds(names: readonly string[], create: boolean): Promise<ReadonlyMap<string, number>>;
  /** Stores all or none. @returns the ids, in order */
  put(rows: readonly NewRow[]): Promise<readonly string[]>;
  /** Settles, then claims: in one commit where there is one claim. Rejects only if nothing was settled, or nobody knows. */
  round(round: Round): Promise<RoundResult>;
  join(transaction: Transaction): JoinedTransaction;
  transaction<T>(work: (client: TransactionClient) => Promise<T>): Promise<T>;
  /** The token of the latest delivery of a row; undefined where there is no such row. */
  tokenOf(id: string): Promise<number | undefined>;
  stats(names: readonly string[]): Promise<readonly (QueueStats | null)[]>;
  list(queue: { readonly id: number; readonly name: string }, options: ListOptions): Promise<MessagePage>;
  find(queue: { readonly id: number; readonly name: string }, id: string): Promise<StoredMessage | null>;
  retry(queue: number, selection: Selection, body: Buffer | undefined): Promise<number>;
  promote(queue: number, selection: Selection): Promise<number>;
  /** @returns the ids of those that were there */
  delete(queue: number, ids: readonly string[]): Promise<readonly string[]>;
  flush(queue: number, states: readonly Exclude<MessageState, 'reserved'>[]): Promise<number>;
  move(queue: number, target: number, ids: readonly string[]): Promise<number>;
  queueNames(prefix: string): Promise<readonly string[]>;
  pause(queue: number, ms: number): Promise<void>;
  /** In how many ms a delay, lease or pause of these queues ends; Infinity where none does. */
  nextDueMs(queues: readonly number[]): Promise<number>;
  /** Lets other processes tell us of messages in these queues. @returns whether they did not before: then it is to be looked again */
  listen(queues: readonly number[]): Promise<boolean>;
  /** Tells other processes that there may be something in these queues. Never rejects. */
  notify(queues: readonly number[]): void;
  /** Is called when there may be something in a queue, or in any. */
  onNotification: (queue: number | 'any') => void;
  close(): Promise<void>;
}
