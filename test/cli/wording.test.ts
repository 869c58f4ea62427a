import { expect } from 'chai';
import { Command } from 'commander';
import { reword } from '../../src/cli/wording.js';

describe('An error on the command line', () => {
  const command = new Command('work')
    .option('--slot-timeout <time>')
    .option('--header <name=value>')
    .option('--ttr <t>');

  it('names an option as it is typed', () => {
    for (const [message, told] of [
      ['slotTimeout is at most 5 ms', '--slot-timeout is at most 5 ms'],
      ['ttr must be at least 1 s, got 60 ms', '--ttr must be at least 1 s, got 60 ms'],
      ['headers are strings', '--header are strings'],
      ['`ttr` is odd', '--ttr is odd'],
      ['grace is no option of this command', 'grace is no option of this command'],
      ['the ttr', 'the ttr'],
      ['ttr', 'ttr'],
      ['', ''],
    ] as const) {
      expect(reword(message, command, []), message).to.equal(told);
    }
    expect(reword('ttr is odd', undefined, [])).to.equal('ttr is odd');
  });

  it('has no password in it, however the engine writes its URL', () => {
    for (const [url, message, told] of [
      ['a://me:hunter2@host/x', 'no a://me:hunter2@host/x', 'no a://me:***@host/x'],
      ['a://me:hunter2@host/x?prefix=p', 'no a://me:hunter2@host/x', 'no a://me:***@host/x'],
      ['a://me:hun%2Fter2@host', 'wrong password "hun/ter2"', 'wrong password "***"'],
      ['a://me:hun/ter2@host', 'no "a://me:hun/ter2@host:0"', 'no "a://me:***@host:0"'],
      ['a://me:100%@host', 'no 100%', 'no ***'],
      ['a://:hunter2@host', 'hunter2', '***'],
      ['sqlite:./a.db', 'cannot open ./a.db', 'cannot open ./a.db'],
      ['a://host:11300', 'no answer from host:11300', 'no answer from host:11300'],
      ['a://me:a@host', 'a database', 'a database'],
    ] as const) {
      expect(reword(message, command, [url]), url).to.equal(told);
    }
  });
});
