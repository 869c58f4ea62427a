import { expect } from 'chai';
import { Command } from 'commander';
import { reword, rewordCommander } from '../../src/cli/wording.js';

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

  it('has one grammar, also where Commander has found it', () => {
    for (const [message, told] of [
      [
        "option '--delay <time>' argument 'soon' is invalid. a duration with its unit",
        '--delay must be a duration with its unit, got "soon"',
      ],
      [
        "option '--order <order>' argument 'it''s\nodd' is invalid. Allowed choices are fair, strict.",
        `--order must be fair or strict, got "it''s\\nodd"`,
      ],
      [
        "command-argument value '0' is invalid for argument 'for'. longer than 0",
        '<for> must be longer than 0, got "0"',
      ],
      ["missing required argument 'type'", '<type> must be given, got none'],
      ["required option '--slots <module>' not specified", '--slots must be given, got none'],
      ["option '--url <url>' argument missing", '--url must have a value, got none'],
      ["option '--all' cannot be used with option '--limit <n>'", 'cannot use --all together with --limit'],
      ["unknown option '--fast'", 'unknown option "--fast"'],
      ["unknown option '--limt'\n(Did you mean --limit?)", 'unknown option "--limt" (did you mean --limit?)'],
      ["unknown command 'pubish'\n(Did you mean publish?)", 'unknown command "pubish" (did you mean publish?)'],
      ["unknown command 'a'\n(Did you mean one of b, c?)", 'unknown command "a" (did you mean one of b, c?)'],
      [
        "too many arguments for 'queues'. Expected 0 arguments but got 1.",
        'the arguments of queues must be none, got 1',
      ],
      [
        "too many arguments for 'stats'. Expected 1 argument but got 2.",
        'the arguments of stats must be at most 1, got 2',
      ],
      ['something new', 'something new'],
    ] as const) {
      expect(rewordCommander(message), message).to.equal(told);
    }
  });

  it('shows what was typed escaped and cut, in no time', () => {
    const value = `${'x '.repeat(50_000)}\u001b[2J`;
    const told = rewordCommander(`option '--delay <time>' argument '${value}' is invalid. a duration`);
    expect(told).to.match(/^--delay must be a duration, got "[x ]+…"$/);
  });
});
