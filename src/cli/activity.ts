import type { Message } from '../queue/message.js';
import { SignalDispatcher } from '../signals/dispatcher.js';
import type { SlotCall, Validate } from '../signals/message-slots.js';

/** What a worker has done with its messages. */
export interface Counts {
  readonly finished: number;
  readonly retried: number;
  readonly buried: number;
}

/** Counts what the signals of a worker tell. */
export class Tally {
  #finished = 0;
  #retried = 0;
  #buried = 0;

  constructor(signals: SignalDispatcher) {
    signals.connect('messageFinished', () => {
      this.#finished++;
    });
    const onRetry = (): void => {
      this.#retried++;
    };
    signals.connect('messageReleased', onRetry);
    // Its lease was lost: it will be delivered again.
    signals.connect('messageExpired', onRetry);
    signals.connect('messageFailed', () => {
      this.#buried++;
    });
  }

  get counts(): Counts {
    return { finished: this.#finished, retried: this.#retried, buried: this.#buried };
  }
}

/**
 * Signals that know how many messages are with their slots. No signal tells that one begins, so it is counted where the
 * worker asks for the call of its slots. That costs a little for each message: for workers that somebody watches.
 */
export class BusySignals extends SignalDispatcher {
  inProgress = 0;

  override async prepare(message: Message, validate: Validate): Promise<SlotCall | null> {
    const call = await super.prepare(message, validate);
    return call && ((context) => this.#count(() => call(context)));
  }

  async #count(work: () => unknown): Promise<void> {
    this.inProgress++;
    try {
      await work();
    } finally {
      this.inProgress--;
    }
  }
}
