import type { Output } from '../../src/cli/output/output.js';

/** What a command has written. */
export class FakeOutput implements Output {
  out = '';
  err = '';
  readonly stdout: Output['stdout'] = {
    write: (text) => {
      this.out += text;
    },
  };
  readonly stderr: Output['stderr'] = {
    write: (text) => {
      this.err += text;
    },
  };

  /** The lines on standard output. */
  get lines(): string[] {
    return this.out.split('\n').slice(0, -1);
  }
}
