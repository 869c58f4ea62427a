import { expect } from 'chai';
import { CommanderError } from 'commander';
import { definePause } from '../../src/cli/pause.js';
import { defineResume } from '../../src/cli/resume.js';
import { rejection } from '../support/failures.js';
import { useCommand } from './harness.js';

describe('haricot pause', () => {
  const harness = useCommand(definePause);

  it('pauses a queue for so long', async () => {
    await harness().run('mail', '90s');
    expect(harness().output.out).to.equal('"mail" is paused for 1m 30s\n');
    expect(harness().calls).to.deep.equal([['pause', 'mail', 90_000], ['close']]);
  });

  it('is a record with --json', async () => {
    await harness().run('mail', '5m', '--json');
    expect(harness().records).to.deep.equal([{ queue: 'mail', pausedMs: 300_000 }]);
  });

  it('refuses a pause that is none', async () => {
    expect((await rejection(harness().run('mail', '0'), CommanderError)).message).to.contain(
      'A pause is longer than that; haricot resume ends one.',
    );
    expect((await rejection(harness().run('mail', 'soon'), CommanderError)).message).to.contain(
      'Allowed are 500ms, 30s',
    );
    expect(harness().calls).to.deep.equal([]);
  });
});

describe('haricot resume', () => {
  const harness = useCommand(defineResume);

  it('ends a pause', async () => {
    await harness().run('mail');
    expect(harness().output.out).to.equal('"mail" is not paused\n');
    expect(harness().calls).to.deep.equal([['pause', 'mail', 0], ['close']]);
  });

  it('is a record with --json', async () => {
    await harness().run('mail', '--json');
    expect(harness().records).to.deep.equal([{ queue: 'mail', pausedMs: 0 }]);
  });
});
