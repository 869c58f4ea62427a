import { Command } from 'commander';
import type { Define } from '../../src/cli/commands.js';
import { registerDriver } from '../../src/drivers/open.js';
import { FakeDriver } from '../support/fake-driver.js';
import { FakeOutput } from '../support/fake-output.js';

let harnesses = 0;

/** One command on a fake engine. */
export class CommandHarness {
  readonly driver: FakeDriver = new FakeDriver();
  readonly output: FakeOutput = new FakeOutput();
  readonly #define: Define;
  readonly #scheme = `fake-cli${++harnesses}`;

  constructor(define: Define) {
    this.#define = define;
    registerDriver(this.#scheme, async () => this.driver);
  }

  /** Runs the command with its arguments. Rejects as it does; what Commander says is in the error's message. */
  async run(...args: string[]): Promise<void> {
    const program = new Command('haricot').option('--url <url>').option('--json').exitOverride();
    const command = program.command('tested').configureOutput({ outputError: () => {} });
    this.#define(command, this.output);
    await program.parseAsync(['--url', `${this.#scheme}:`, 'tested', ...args], { from: 'user' });
  }

  /** What the command asks of the engine; `close` must be the last. */
  get calls(): unknown[][] {
    return this.driver.calls;
  }

  /** The records of `--json`. */
  get records(): unknown[] {
    return this.output.lines.map((line) => JSON.parse(line) as unknown);
  }
}

/** A {@link CommandHarness} for each test of the suite this is called in. */
export function useCommand(define: Define): () => CommandHarness {
  let harness: CommandHarness;
  beforeEach(() => {
    harness = new CommandHarness(define);
  });
  return () => harness;
}

/** An output that is a terminal. */
export function terminal(columns = 80): FakeOutput {
  const output = new FakeOutput();
  for (const sink of [output.stdout, output.stderr]) Object.assign(sink, { isTTY: true, columns });
  return output;
}

/** Sets variables of the environment for each test of the suite this is called in. */
export function useEnvironment(variables: Readonly<Record<string, string | undefined>>): void {
  let before: NodeJS.ProcessEnv;
  beforeEach(() => {
    before = { ...process.env };
    for (const [name, value] of Object.entries(variables)) setVariable(name, value);
  });
  afterEach(() => {
    for (const name of Object.keys(variables)) setVariable(name, before[name]);
  });
}

export function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
