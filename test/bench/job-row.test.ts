import { expect } from 'chai';
import type { JobClient } from '../../bench/contenders/job-client.js';
import type { Beanstalkd } from '../../bench/harness/beanstalkd.js';
import { Contender } from '../../bench/harness/contender.js';
import type { Measured } from '../../bench/harness/measure.js';
import type { Payloads } from '../../bench/harness/payloads.js';
import { FLOOR, find, OURS, Samples } from '../../bench/harness/report.js';
import { type JobWork, runJobWork } from '../../bench/workloads/job-row.js';

const WORK: JobWork = { put: 'put', take: 'take', size: 100, inFlight: 10, firstJobs: 10, mostJobs: 10 };
const EFFORT = { rounds: 3, sliceMs: 1, quick: true };

describe('A round of the benchmark', () => {
  let order: string[];
  let samples: Samples;

  /** Nothing is measured: contenders that answer at once. */
  class Fake extends Contender<JobClient> {
    readonly #answer: (method: string) => Partial<Measured>;

    constructor(name: string, answer: (method: string) => Partial<Measured> = () => ({})) {
      super(name, name);
      this.#answer = answer;
    }

    override async call<K extends keyof JobClient & string>(method: K): Promise<Awaited<ReturnType<JobClient[K]>>> {
      order.push(`${this.name} ${method}`);
      const figure: Measured = { count: 10, ms: 1, cpuUs: 10, intact: true, ...this.#answer(method) };
      return figure as Awaited<ReturnType<JobClient[K]>>;
    }
  }

  /** What the server is left with is what was put, unless `spoil` says otherwise. */
  async function run(contenders: readonly Contender<JobClient>[], spoils = ''): Promise<void> {
    let putter = '';
    const server = {
      async drain(payloads?: Payloads) {
        putter = order.at(-1)?.split(' ')[0] ?? '';
        for (let job = 0; payloads && job < 10; job++) payloads.see(payloads.body(putter === spoils ? 0 : job));
      },
    } as Beanstalkd;
    samples = new Samples(
      [WORK.put, WORK.take],
      contenders.map(({ name }) => name),
    );
    await runJobWork(WORK, contenders, server, samples, EFFORT);
  }

  const noteOf = (work: string, contender: string): string | undefined =>
    find(
      samples.rows(() => ['jobs/s', 1]),
      work,
      contender,
    )?.note;

  beforeEach(() => {
    order = [];
  });

  it('lets all contenders work in turn, and turns the order', async () => {
    await run([new Fake(FLOOR), new Fake(OURS)]);
    const puts = order.filter((each) => each.endsWith(' put')).slice(-6);
    expect(puts.join()).to.equal('floor put,haricot put,haricot put,floor put,floor put,haricot put');
  });

  it('does not rank who puts other bytes than it was given', async () => {
    await run([new Fake(FLOOR), new Fake('liar')], 'liar');
    expect(noteOf('put', 'liar')).to.equal('put wrong bytes');
    expect(noteOf('take', 'liar')).to.equal('not measured');
    expect(noteOf('put', FLOOR)).to.equal(undefined);
  });

  it('does not rank who returns other bytes than there were, and goes on with its puts', async () => {
    await run([new Fake(FLOOR), new Fake('mixer', (method) => (method === 'put' ? {} : { intact: false }))]);
    expect(noteOf('take', 'mixer')).to.equal('returned wrong bytes');
    expect(noteOf('put', 'mixer')).to.equal(undefined);
  });

  it('says what became of one that fails', async () => {
    const fail = (): never => {
      throw new Error('its process ended');
    };
    await run([new Fake(FLOOR), new Fake('weak', fail)]);
    expect(noteOf('put', 'weak')).to.equal('its process ended');
  });
});
