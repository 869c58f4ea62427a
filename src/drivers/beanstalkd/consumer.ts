import { Client } from '../../client/client.js';
import type { ConsumeOptions, Consumer, Reservation, ReserveOptions } from '../../queue/driver.js';
import { DriverClosedError } from '../../queue/errors.js';
import { Budgets } from './budget.js';
import { Lane, type LaneOptions } from './lane.js';
import { SharedLane } from './shared-lane.js';
import { MAX_BODY_BYTES, type Tubes, toSeconds } from './tubes.js';
import { Turns } from './turns.js';

/**
 * Takes what is ready down one shared connection, where the settlement of one message and the reserves of the next ones
 * have writes in common. Waits on a connection for each reserve: one that waits blocks its connection, and a job can be
 * settled only on the connection that reserved it.
 *
 * A connection on which a message came is free again as soon as the command that settles it is on its way, and the one
 * freed last is taken first: then the next reserve is in the same write.
 */
export class BeanstalkdConsumer implements Consumer {
  readonly #slots: number;
  readonly #laneOptions: LaneOptions;
  readonly #lanes = new Set<Lane>();
  readonly #free: Lane[] = [];
  readonly #shared: SharedLane;
  /** Whether messages may be ready: the last answer was one. */
  #hasMore = false;
  #isClosed = false;
  onClose: () => void = () => {};

  constructor(
    url: string,
    tubes: Tubes,
    watched: readonly string[],
    slots: number,
    { order = 'fair', trackAttempts = true }: ConsumeOptions = {},
    budgets: Budgets = new Budgets(),
  ) {
    this.#slots = slots;
    this.#laneOptions = {
      connect: (signal) => Client.connect(url, { reconnect: false, maxBodyBytes: MAX_BODY_BYTES, signal }),
      tubes,
      turns: new Turns(watched, order),
      trackAttempts,
      budgets,
      onFree: (lane) => this.#takeBack(lane),
      onEnd: (lane) => this.#lanes.delete(lane),
    };
    this.#shared = new SharedLane(this.#laneOptions);
  }

  async reserve({ timeoutMs, signal }: ReserveOptions = {}): Promise<Reservation | null> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new DriverClosedError('the consumer is closed');
    const timeout = timeoutMs === undefined ? undefined : toSeconds(timeoutMs);
    const ready = this.#hasMore ? await this.#shared.take(signal) : null;
    if (ready !== null || this.#isClosed) return ready;
    // It may have aborted since the answer came, and would tell nobody any more.
    signal?.throwIfAborted();
    this.#hasMore = false;
    const awaited = await this.#freeLane().reserve(timeout, signal);
    this.#hasMore = awaited !== null && this.#slots > 1;
    return awaited;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const lane of this.#lanes) lane.destroy();
    this.#shared.destroy();
    this.onClose();
  }

  #freeLane(): Lane {
    for (let lane = this.#free.pop(); lane; lane = this.#free.pop()) {
      if (lane.isOpen) return lane;
    }
    const lane = new Lane(this.#laneOptions);
    this.#lanes.add(lane);
    return lane;
  }

  #takeBack(lane: Lane): void {
    if (!lane.isOpen) return;
    if (this.#free.length < this.#slots) this.#free.push(lane);
    else lane.quit();
  }
}
