import type { Consumer, ReservedMessage, Settlement, SettlementResult, Transaction } from '../../queue/driver.js';

type Kind = Settlement['kind'];
type OptionsOf<K extends Kind> = Omit<Extract<Settlement, { kind: K }>, 'kind' | 'message'>;

/** What a holder can do with a message. */
export const COMMANDS = ['ack', 'release', 'bury', 'touch'] as const;

/** A message that is held, with methods that reject where its settlement has failed. */
export class HeldMessage {
  readonly message: ReservedMessage;
  readonly consumer: Consumer;

  constructor(message: ReservedMessage, consumer: Consumer) {
    this.message = message;
    this.consumer = consumer;
  }

  get jobId(): string {
    return this.message.jobId;
  }

  get queue(): string {
    return this.message.queue;
  }

  get body(): Buffer {
    return this.message.body;
  }

  get attempt(): number | undefined {
    return this.message.attempt;
  }

  get ttrMs(): number {
    return this.message.ttrMs;
  }

  get leaseEndsAt(): number {
    return this.message.leaseEndsAt;
  }

  get lost(): AbortSignal {
    return this.message.lost;
  }

  ack(options: { readonly transaction?: Transaction } = {}): Promise<void> {
    return this.#settle({ kind: 'ack', message: this.message, ...options });
  }

  release(options: OptionsOf<'release'> = {}): Promise<void> {
    return this.#settle({ kind: 'release', message: this.message, ...options });
  }

  bury(options: OptionsOf<'bury'> = {}): Promise<void> {
    return this.#settle({ kind: 'bury', message: this.message, ...options });
  }

  async touch(): Promise<void> {
    rejectWith(await this.consumer.touch([this.message]));
  }

  async #settle(settlement: Settlement): Promise<void> {
    rejectWith(await this.consumer.settle([settlement]));
  }
}

function rejectWith([result]: readonly SettlementResult[]): void {
  if (result === undefined) throw new Error('a settlement of one message had no result');
  if (result.error !== undefined) throw result.error;
}
