import { expect } from 'chai';
import { Command, type Help } from 'commander';
import { COMMANDS } from '../../src/cli/commands.js';
import { settingsOf } from '../../src/worker/options.js';
import { FakeOutput } from '../support/fake-output.js';

describe('Every command', () => {
  for (const { name, usage, load } of COMMANDS) {
    describe(`such as ${name}`, () => {
      let command: Command;

      beforeEach(async () => {
        command = new Command(name);
        (await load())(command, new FakeOutput());
      });

      it('takes the arguments that the list of commands tells', () => {
        const help: Help = command.createHelp();
        const words = command.registeredArguments.map((argument) => {
          const word = help.argumentTerm(argument) + (argument.variadic ? '...' : '');
          return argument.required ? `<${word}>` : `[${word}]`;
        });
        expect(words.join(' ')).to.equal(usage);
      });

      it('has a description, an example, and says what each argument and option is for', () => {
        let help = '';
        command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
        expect(command.description()).to.match(/^[A-Z].*\.$/);
        expect(help).to.match(new RegExp(`\nExamples?:\n {2}haricot ${name}`));
        expect(Math.max(...help.split('\n').map(({ length }) => length))).to.be.at.most(80);
        for (const { description } of [...command.registeredArguments, ...command.options])
          expect(description).not.to.equal('');
      });
    });
  }
});

describe('The defaults in the help of work', () => {
  it('are those of the worker', async () => {
    const command = new Command('work');
    const work = COMMANDS.find(({ name }) => name === 'work');
    (await work?.load())?.(command, new FakeOutput());
    const told = (name: string): string | undefined => {
      const option = command.options.find((candidate) => candidate.attributeName() === name);
      return (option?.defaultValue as string | undefined) ?? /\(default: (.*)\)/.exec(option?.description ?? '')?.[1];
    };
    const settings = settingsOf({});
    expect([told('concurrency'), told('attempts')]).to.deep.equal([`${settings.concurrency}`, `${settings.attempts}`]);
    expect([told('order'), told('unhandled')]).to.deep.equal([settings.order, settings.unhandled]);
    expect([told('grace'), settings.graceMs]).to.deep.equal(['10s', 10_000]);
    expect([told('slotTimeout'), settings.slotTimeoutMs]).to.deep.equal(['never', undefined]);
    expect([command.getOptionValue('trackAttempts'), settings.trackAttempts]).to.deep.equal([true, true]);
    // With full jitter, at most the delay.
    expect(told('backoff')).to.equal('1s..5m');
    expect(settings.retryDelay(1, undefined)).to.be.within(0, 1000);
    expect(Math.max(...Array.from({ length: 200 }, () => settings.retryDelay(60, undefined)))).to.be.within(
      150_000,
      300_000,
    );
  });
});
