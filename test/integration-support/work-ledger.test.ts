import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { violations, WorkLedger } from '../../integration/support/work-ledger.js';

describe('The ledgers of killed workers', () => {
  let folder: string;
  const ledgers: WorkLedger[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-ledger-'));
  });

  afterEach(async () => {
    for (const ledger of ledgers.splice(0)) ledger.close();
    await rm(folder, { recursive: true });
  });

  /** A process that wrote these lines, and was killed at this time. */
  async function ledger(lines: readonly string[], killedAt?: bigint): Promise<WorkLedger> {
    const name = `worker ${ledgers.length + 1}`;
    const ledger = new WorkLedger(name, join(folder, name));
    ledgers.push(ledger);
    for (const line of lines) await appendFile(join(folder, name), `${line} \n`);
    ledger.killedAt = killedAt;
    ledger.read();
    return ledger;
  }

  it('show nothing wrong when each message was handled and acknowledged once', async () => {
    await ledger(['begun 0 10', 'begun 1 11', 'ended 1 12', 'ended 0 13', 'acked 1 14', 'acked 0 15']);
    expect(violations(2, ledgers)).to.deep.equal([]);
  });

  it('allow a second handling of what a process had not acknowledged when it was killed', async () => {
    await ledger(['begun 0 10', 'begun 1 11', 'ended 1 12'], 20n);
    await ledger(['begun 1 21', 'ended 1 22', 'acked 1 23', 'begun 0 24', 'ended 0 25', 'acked 0 26']);
    expect(violations(2, ledgers)).to.deep.equal([]);
  });

  it('allow that nobody has heard of the acknowledgement of a killed process', async () => {
    await ledger(['begun 0 10', 'ended 0 12'], 20n);
    expect(violations(1, ledgers)).to.deep.equal([]);
  });

  it('show a message that nobody has handled to the end', async () => {
    await ledger(['begun 0 10'], 20n);
    expect(violations(2, ledgers)).to.deep.equal(['message 0 was lost', 'message 1 was lost']);
  });

  it('show a message that two had at once, though one of them is killed later', async () => {
    await ledger(['begun 0 10', 'ended 0 30'], 20n);
    await ledger(['begun 0 15', 'ended 0 16', 'acked 0 17']);
    expect(violations(1, ledgers)).to.deep.equal(['message 0 was delivered to worker 2 while worker 1 had it']);
  });

  it('show a message that came back after it was acknowledged', async () => {
    await ledger(['begun 0 10', 'ended 0 11', 'acked 0 12'], 20n);
    await ledger(['begun 0 25', 'ended 0 26', 'acked 0 27']);
    expect(violations(1, ledgers)).to.deep.equal([
      'message 0 was delivered to worker 2 when worker 1 had acknowledged it',
    ]);
  });

  it('show a message that a process has not acknowledged although it ended in order', async () => {
    await ledger(['begun 0 10', 'ended 0 11']);
    expect(violations(1, ledgers)).to.deep.equal(['message 0 was not acknowledged by worker 1, which ended in order']);
  });

  it('show what the worker complained of', async () => {
    await ledger(['begun 0 10', 'ended 0 11', 'acked 0 12', 'expired 0 13', 'error - 14 Error: no']);
    expect(violations(1, ledgers)).to.deep.equal(['worker 1: expired 0 13 ', 'worker 1: error - 14 Error: no ']);
  });

  it('are read on from where they were read before, half lines included', async () => {
    const one = await ledger(['begun 0 10']);
    const path = join(folder, one.name);
    await appendFile(path, 'ended 0');
    expect([one.read(), one.ended]).to.deep.equal([1, 0]);
    await appendFile(path, ' 11\n');
    expect([one.read(), one.ended]).to.deep.equal([1, 1]);
  });
});
