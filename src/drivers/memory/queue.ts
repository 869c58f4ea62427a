import type { PeekState, PutItem, QueueStats, StoredMessage } from '../../queue/driver.js';
import type { Failure } from '../../queue/failure.js';
import { runOutside } from '../../shared/async-context.js';
import { copyBytes } from '../../shared/bytes.js';
import { LONGEST_TIMER_MS } from '../../shared/deadline.js';
import { Heap, type HeapItem } from './heap.js';

/** Whoever holds a message, as far as its queue is concerned. */
export interface Holder {
  /** The message is no longer held. */
  lose(why: string): void;
}

/** A message in a queue. */
export interface Message extends HeapItem {
  readonly id: string;
  /** Its place among the messages of the engine, in order of publication. */
  readonly age: number;
  readonly body: Buffer;
  readonly ttrMs: number;
  priority: number;
  state: PeekState | 'reserved';
  /** Deliveries since it was put or kicked. */
  attempt: number;
  /** When its delay or its lease ends, by `performance.now()`. */
  endsAt: number;
  failure: Failure | undefined;
  holder: Holder | undefined;
}

/** A reserve that waits. Given a message, it must leave the queue. */
export type Waiting = (message: Message, queue: MemoryQueue) => void;

/** A timer that fires this much later than it was set for says that the event loop was blocked. */
const LATENESS_MS = 5;

/** How long renewals may take that a blocked event loop has held up: they are timers themselves. */
const RENEWAL_MS = 5;

const sooner = (a: Message, b: Message): boolean => a.endsAt < b.endsAt || (a.endsAt === b.endsAt && a.age < b.age);
const moreUrgent = (a: Message, b: Message): boolean =>
  a.priority < b.priority || (a.priority === b.priority && a.age < b.age);

/** The messages of one queue, by state, and the reserves that wait for them. */
export class MemoryQueue {
  /** With the prefix of its installation. */
  readonly name: string;
  /** Consumers that look here. */
  users = 0;
  readonly #messages = new Map<string, Message>();
  readonly #ready = new Heap(moreUrgent);
  readonly #delayed = new Heap(sooner);
  readonly #leased = new Heap(sooner);
  /** In the order of burial. */
  readonly #buried = new Set<Message>();
  readonly #waiting = new Set<Waiting>();
  #pausedUntil = 0;
  /** For the next delay, lease or pause that ends; it may fire too early, when that has been settled before. */
  #timer: NodeJS.Timeout | undefined;
  #timerAt = 0;
  /** Takes back the leases that are over, a moment after the timer. */
  #leaseImmediate: NodeJS.Immediate | undefined;
  /** Before that immediate, where the event loop was blocked. */
  #leaseTimer: NodeJS.Timeout | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get isEmpty(): boolean {
    return this.#messages.size === 0;
  }

  /** Whether nobody would notice if it were gone. */
  get isIdle(): boolean {
    return this.isEmpty && this.users === 0 && !this.isPaused;
  }

  get isPaused(): boolean {
    return this.#pausedUntil > performance.now();
  }

  /** @param firstAge of the first; those behind it follow */
  put(items: readonly PutItem[], firstAge: number): string[] {
    return this.#change((now) =>
      items.map(({ body, options: { priority, delayMs, ttrMs } }, index) => {
        const age = firstAge + index;
        const message: Message = {
          id: String(age),
          age,
          // A copy: the caller may use its buffer again. It never leaves the engine, and may share its memory with others.
          body: Buffer.from(body),
          ttrMs,
          priority,
          state: 'ready',
          attempt: 0,
          endsAt: 0,
          failure: undefined,
          holder: undefined,
          heapIndex: 0,
        };
        this.#messages.set(message.id, message);
        this.#makeReady(message, now, delayMs);
        return message.id;
      }),
    );
  }

  /** The next message, leased to whoever becomes its holder. */
  take(): Message | undefined {
    return this.#change((now) => this.#lease(now));
  }

  /** Hands the next message that can be delivered to this reserve, in its turn. */
  wait(waiting: Waiting): void {
    this.#change(() => this.#waiting.add(waiting));
  }

  stopWaiting(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    if (this.#waiting.size === 0) this.#timer?.unref();
  }

  /** Whether the message is this holder's: until its lease is over and somebody else has taken it. */
  isHeld(message: Message, holder: Holder): boolean {
    return message.holder === holder;
  }

  remove(message: Message): void {
    this.#change(() => {
      this.#leave(message);
      this.#messages.delete(message.id);
    });
  }

  release(message: Message, priority: number, delayMs: number): void {
    this.#change((now) => {
      this.#leave(message);
      message.priority = priority;
      this.#makeReady(message, now, delayMs);
    });
  }

  bury(message: Message, priority: number, failure: Failure | undefined): void {
    this.#change(() => {
      this.#leave(message);
      message.priority = priority;
      message.failure = failure;
      message.state = 'buried';
      this.#buried.add(message);
    });
  }

  touch(message: Message): void {
    this.#change((now) => {
      const { holder } = message;
      this.#leave(message);
      message.holder = holder;
      this.#startLease(message, now);
    });
  }

  peek(state: PeekState, limit: number): StoredMessage[] {
    this.#change(() => {});
    return this.#first(state, limit).map(({ id, body, failure }) => ({ id, state, body: copyBytes(body), failure }));
  }

  kick(limit: number): number {
    return this.#change((now) => {
      const kicked = this.#first(this.#buried.size > 0 ? 'buried' : 'delayed', limit);
      for (const message of kicked) {
        this.#leave(message);
        message.attempt = 0;
        message.failure = undefined;
        this.#makeReady(message, now, 0);
      }
      return kicked.length;
    });
  }

  delete(id: string): boolean {
    this.#change(() => {});
    const message = this.#messages.get(id);
    if (message === undefined || message.state === 'reserved') return false;
    this.#takeFromHolder(message);
    this.remove(message);
    return true;
  }

  stats(): QueueStats {
    const pausedMs = this.#change((now) => this.#pausedUntil - now);
    return {
      pausedUntil: pausedMs > 0 ? new Date(Math.ceil(Date.now() + pausedMs)) : null,
      ready: this.#ready.size,
      delayed: this.#delayed.size,
      reserved: this.#leased.size,
      buried: this.#buried.size,
    };
  }

  pause(ms: number): void {
    this.#change((now) => {
      this.#pausedUntil = now + ms;
    });
  }

  flush(): number {
    return this.#change(() => {
      const removed = [...this.#messages.values()].filter(({ state }) => state !== 'reserved');
      this.#ready.clear();
      this.#delayed.clear();
      this.#buried.clear();
      for (const message of removed) {
        this.#messages.delete(message.id);
        this.#takeFromHolder(message);
      }
      return removed.length;
    });
  }

  /** Forgets what is to come: nobody uses the queue any more. */
  stop(): void {
    this.#stopTimer();
    clearImmediate(this.#leaseImmediate);
    clearTimeout(this.#leaseTimer);
    this.#leaseImmediate = undefined;
    this.#leaseTimer = undefined;
  }

  /** Does something between what was due before it and what it brings about. */
  #change<T>(action: (now: number) => T): T {
    const now = performance.now();
    this.#catchUp(now);
    const result = action(now);
    this.#feed(now);
    this.#schedule(now);
    return result;
  }

  /** Delays that have ended, though their timer may not have fired: the process was busy. */
  #catchUp(now: number): void {
    for (let due = this.#delayed.top; due !== undefined && due.endsAt <= now; due = this.#delayed.top) {
      this.#leave(due);
      this.#makeReady(due, now, 0);
    }
  }

  /** Makes messages ready whose lease is over. Until somebody takes one, its holder may still settle it. */
  #endLeases(): void {
    this.#leaseImmediate = undefined;
    this.#change((now) => {
      for (let due = this.#leased.top; due !== undefined && due.endsAt <= now; due = this.#leased.top) {
        this.#leased.remove(due);
        this.#makeReady(due, now, 0);
      }
    });
  }

  #feed(now: number): void {
    for (const waiting of this.#waiting) {
      const message = this.#lease(now);
      if (message === undefined) return;
      waiting(message, this);
    }
  }

  #lease(now: number): Message | undefined {
    if (this.#pausedUntil > now) return undefined;
    const message = this.#ready.pop();
    if (message === undefined) return undefined;
    message.attempt++;
    this.#startLease(message, now);
    this.#takeFromHolder(message);
    return message;
  }

  /** One whose lease is over may have kept it so far. */
  #takeFromHolder(message: Message): void {
    const { holder } = message;
    message.holder = undefined;
    holder?.lose('its lease had ended');
  }

  #startLease(message: Message, now: number): void {
    message.state = 'reserved';
    message.endsAt = now + message.ttrMs;
    this.#leased.push(message);
  }

  #makeReady(message: Message, now: number, delayMs: number): void {
    if (delayMs > 0) {
      message.state = 'delayed';
      message.endsAt = now + delayMs;
      this.#delayed.push(message);
    } else {
      message.state = 'ready';
      this.#ready.push(message);
    }
  }

  /** Takes a message out of the state it is in. */
  #leave(message: Message): void {
    message.holder = undefined;
    if (message.state === 'buried') this.#buried.delete(message);
    else this.#heapOf(message.state).remove(message);
  }

  #heapOf(state: 'ready' | 'delayed' | 'reserved'): Heap<Message> {
    if (state === 'ready') return this.#ready;
    return state === 'delayed' ? this.#delayed : this.#leased;
  }

  #first(state: PeekState, limit: number): Message[] {
    return state === 'buried' ? [...take(this.#buried, limit)] : this.#heapOf(state).first(limit);
  }

  #schedule(now: number): void {
    const next = this.#nextEnd(now);
    const isWaited = this.#waiting.size > 0;
    // One that strikes for nothing does no harm, and a new one at every step would cost. Only those who wait must not keep
    // the process alive for nothing.
    const isRight = next === undefined ? !isWaited : this.#timer !== undefined && this.#timerAt <= next;
    if (!isRight) {
      this.#stopTimer();
      if (next !== undefined) this.#start(next, now);
    }
    // Nor need a process live to see what nobody waits for.
    if (isWaited) this.#timer?.ref();
    else this.#timer?.unref();
  }

  #start(end: number, now: number): void {
    this.#timerAt = end;
    this.#timer = runOutside(() => setTimeout(() => this.#onTimer(), Math.min(Math.ceil(end - now), LONGEST_TIMER_MS)));
  }

  #onTimer(): void {
    this.#timer = undefined;
    const now = performance.now();
    if (!this.#isEndingLeases && (this.#leased.top?.endsAt ?? Number.POSITIVE_INFINITY) <= now) {
      // What was to be done meanwhile is done first: a settlement or renewal that a blocked event loop has held up.
      if (now - this.#timerAt > LATENESS_MS) this.#leaseTimer = setTimeout(() => this.#endLeasesSoon(), RENEWAL_MS);
      else this.#endLeasesSoon();
    }
    this.#change(() => {});
  }

  get #isEndingLeases(): boolean {
    return this.#leaseImmediate !== undefined || this.#leaseTimer !== undefined;
  }

  #endLeasesSoon(): void {
    this.#leaseTimer = undefined;
    this.#leaseImmediate = setImmediate(() => this.#endLeases());
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #nextEnd(now: number): number | undefined {
    const leases = this.#isEndingLeases ? undefined : this.#leased.top;
    const ends = Math.min(
      this.#delayed.top?.endsAt ?? Number.POSITIVE_INFINITY,
      leases?.endsAt ?? Number.POSITIVE_INFINITY,
      this.#pausedUntil > now ? this.#pausedUntil : Number.POSITIVE_INFINITY,
    );
    return ends === Number.POSITIVE_INFINITY ? undefined : ends;
  }
}

function* take<T>(items: Iterable<T>, limit: number): Generator<T> {
  let left = limit;
  for (const item of items) {
    if (left-- <= 0) return;
    yield item;
  }
}
