import { closeSync, openSync, readSync } from 'node:fs';

/** One time that a message was handed to a slot. */
export interface Handling {
  readonly message: number;
  readonly ledger: WorkLedger;
  /** By the clock that all processes share. */
  readonly begunAt: bigint;
  ended: boolean;
  /** The engine has confirmed that it is done. */
  acked: boolean;
}

/** What one worker process has done, as it wrote to its file. */
export class WorkLedger {
  readonly name: string;
  readonly handlings: Handling[] = [];
  /** Lines about what should not have happened: messages released, expired or buried, and errors of the engine. */
  readonly complaints: string[] = [];
  /** When the process was killed, by the same clock. */
  killedAt: bigint | undefined;
  /** How many messages were handled to the end. */
  ended = 0;
  readonly #open = new Map<number, Handling>();
  readonly #file: number;
  readonly #buffer: Buffer = Buffer.alloc(64 * 1024);
  #rest = '';

  constructor(name: string, path: string) {
    this.name = name;
    this.#file = openSync(path, 'a+');
  }

  /** Reads what has been written since the last time. @returns how many messages the process has begun to handle */
  read(): number {
    for (let size = this.#next(); size > 0; size = this.#next()) {
      const lines = (this.#rest + this.#buffer.toString('latin1', 0, size)).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#enter(line);
    }
    return this.handlings.length;
  }

  close(): void {
    closeSync(this.#file);
  }

  #next(): number {
    return readSync(this.#file, this.#buffer, 0, this.#buffer.length, null);
  }

  #enter(line: string): void {
    const [what = '', about, at = '0'] = line.split(' ');
    const message = Number(about);
    const handling = this.#open.get(message);
    if (what === 'begun') this.#begin(message, BigInt(at));
    else if (what === 'ended' && handling) this.#end(handling);
    else if (what === 'acked' && handling) handling.acked = true;
    else this.complaints.push(`${this.name}: ${line}`);
  }

  #end(handling: Handling): void {
    handling.ended = true;
    this.ended++;
  }

  #begin(message: number, begunAt: bigint): void {
    const handling = { message, ledger: this, begunAt, ended: false, acked: false };
    this.handlings.push(handling);
    this.#open.set(message, handling);
  }
}

/**
 * What the ledgers show that an engine must not do: a message that nobody has handled to the end, or one that was given to
 * a second process although the first had not been killed while it held it.
 */
export function violations(messages: number, ledgers: readonly WorkLedger[]): string[] {
  const found = ledgers.flatMap(({ complaints }) => complaints);
  const byMessage = Array.from({ length: messages }, (): Handling[] => []);
  for (const handling of ledgers.flatMap(({ handlings }) => handlings)) byMessage[handling.message]?.push(handling);
  byMessage.forEach((handlings, message) => {
    handlings.sort((a, b) => Number(a.begunAt - b.begunAt));
    if (!handlings.some(({ ended }) => ended)) found.push(`message ${message} was lost`);
    handlings.forEach((handling, index) => {
      const fault = faultOf(handling, handlings[index + 1]);
      if (fault !== undefined) found.push(`message ${message} ${fault}`);
    });
  });
  return found;
}

function faultOf({ ledger, acked }: Handling, next: Handling | undefined): string | undefined {
  const { name, killedAt } = ledger;
  if (next === undefined) {
    return acked || killedAt !== undefined ? undefined : `was not acknowledged by ${name}, which ended in order`;
  }
  if (acked) return `was delivered to ${next.ledger.name} when ${name} had acknowledged it`;
  if (killedAt !== undefined && killedAt < next.begunAt) return undefined;
  return `was delivered to ${next.ledger.name} while ${name} had it`;
}
