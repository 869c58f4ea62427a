import { expect } from 'chai';
import { decodeList, decodeStats, type JobStats, type ServerStats, type TubeStats } from '../../src/protocol/stats.js';
import { expectLinear, HOSTILE } from '../support/linear.js';
import { latin1 } from '../support/replies.js';
import { JOB_1_12, STATS_1_10, STATS_1_12, STATS_1_13, TUBE_1_12, withName } from '../support/stats-output.js';

/** Names that a YAML parser would read as something else. */
const NAMES = ['null', '123', '1e3', 'true', 'No', '0x1F', '007', '1.10', '.5', '$a;b'];

const SERVER: ServerStats = {
  currentJobsUrgent: 1,
  currentJobsReady: 2,
  currentJobsReserved: 3,
  currentJobsDelayed: 4,
  currentJobsBuried: 5,
  cmdPut: 6,
  cmdPeek: 7,
  cmdPeekReady: 8,
  cmdPeekDelayed: 9,
  cmdPeekBuried: 10,
  cmdReserve: 11,
  cmdReserveWithTimeout: 12,
  cmdDelete: 13,
  cmdRelease: 14,
  cmdUse: 15,
  cmdWatch: 16,
  cmdIgnore: 17,
  cmdBury: 18,
  cmdKick: 19,
  cmdTouch: 20,
  cmdStats: 21,
  cmdStatsJob: 22,
  cmdStatsTube: 23,
  cmdListTubes: 24,
  cmdListTubeUsed: 25,
  cmdListTubesWatched: 26,
  cmdPauseTube: 27,
  jobTimeouts: 28,
  totalJobs: 29,
  maxJobSize: 65535,
  currentTubes: 31,
  currentConnections: 32,
  currentProducers: 33,
  currentWorkers: 34,
  currentWaiting: 35,
  totalConnections: 36,
  pid: 30762,
  version: '1.12',
  rusageUtime: 0.001875,
  rusageStime: 0,
  uptime: 39,
  binlogOldestIndex: 40,
  binlogCurrentIndex: 41,
  binlogRecordsMigrated: 42,
  binlogRecordsWritten: 43,
  binlogMaxSize: 10485760,
  draining: false,
  id: '9c179300c6d74967',
  hostname: 'vm',
  os: '#1 SMP PREEMPT_DYNAMIC @0',
  platform: 'x86_64',
};

const TUBE: TubeStats = {
  name: 'mail',
  currentJobsUrgent: 1,
  currentJobsReady: 2,
  currentJobsReserved: 3,
  currentJobsDelayed: 4,
  currentJobsBuried: 5,
  totalJobs: 6,
  currentUsing: 7,
  currentWatching: 8,
  currentWaiting: 9,
  cmdDelete: 10,
  cmdPauseTube: 11,
  pause: 12,
  pauseTimeLeft: 13,
};

const JOB: JobStats = {
  id: '18446744073709551615',
  tube: 'mail',
  state: 'reserved',
  pri: 4294967295,
  age: 1,
  delay: 2,
  ttr: 60,
  timeLeft: -3,
  file: 4,
  reserves: 5,
  timeouts: 6,
  releases: 7,
  buries: 8,
  kicks: 9,
};

function decode(output: string): ServerStats {
  return decodeStats<ServerStats>(Buffer.from(output));
}

describe('decodeStats', () => {
  it('reads the stats of 1.12, os unquoted', () => expect(decode(STATS_1_12)).to.deep.equal(SERVER));

  it('reads the stats of 1.13, everything quoted', () => {
    expect(decode(STATS_1_13)).to.deep.equal({ ...SERVER, version: '1.13' });
  });

  it('reads the stats of 1.10, which has fewer keys and its version unquoted', () => {
    const { draining, os, platform, ...older } = SERVER;
    expect(decode(STATS_1_10)).to.deep.equal({ ...older, version: '1.10' });
  });

  it('reads the stats of a tube and of a job', () => {
    expect(decodeStats<TubeStats>(latin1(TUBE_1_12))).to.deep.equal(TUBE);
    expect(decodeStats<JobStats>(latin1(JOB_1_12))).to.deep.equal(JOB);
  });

  it('reads the state of a job that is being uploaded', () => {
    const output = JOB_1_12.replace('reserved', 'invalid');
    expect(decodeStats<JobStats>(latin1(output))).to.deep.equal({ ...JOB, state: 'invalid' });
  });

  for (const name of NAMES) {
    it(`keeps ${name} as the name of a tube, quoted or not`, () => {
      for (const sent of [name, `"${name}"`]) {
        expect(decodeStats<TubeStats>(latin1(withName(TUBE_1_12, sent)))).to.deep.equal({ ...TUBE, name });
        expect(decodeStats<JobStats>(latin1(withName(JOB_1_12, sent)))).to.deep.equal({ ...JOB, tube: name });
      }
    });
  }

  it('keeps an id and a host in digits as text', () => {
    const output = 'id: 1234567890123456\nhostname: 42\nversion: 2\nplatform: 0\nos: true\n';
    expect(decode(output)).to.deep.equal({
      id: '1234567890123456',
      hostname: '42',
      version: '2',
      platform: '0',
      os: 'true',
    });
  });

  it('keeps keys it does not know, as numbers only where those print the same', () => {
    const output =
      'new-key: 5\nNew_Key2: x: y\na--b: 1.50\nc: 1e3\nd: -7\ne: 007\nf: 0.5\ng: 18446744073709551615\nh: NaN\n' +
      'i: Infinity\nj: "9"\nk:\nl: ""\ntrailing-: 1\n';
    expect(decode(output)).to.deep.equal({
      newKey: 5,
      New_Key2: 'x: y',
      aB: '1.50',
      c: '1e3',
      d: -7,
      e: '007',
      f: 0.5,
      g: '18446744073709551615',
      h: 'NaN',
      i: 'Infinity',
      j: 9,
      k: '',
      l: '',
      'trailing-': 1,
    });
  });

  it('reads draining as a boolean, quoted or not, and so what it does not know where it says true or false', () => {
    expect(decode('draining: true\n').draining).to.equal(true);
    expect(decode('draining: "true"\n').draining).to.equal(true);
    expect(decode('draining: false\n').draining).to.equal(false);
    expect(decode('new-flag: true\nother: "false"\nthird: True\n')).to.deep.equal({
      newFlag: true,
      other: false,
      third: 'True',
    });
  });

  it('keeps the text of a number that is none', () => {
    expect(decode('pid: \nuptime: soon\ncmd-put: Infinity\nage: "5"\n')).to.deep.equal({
      pid: '',
      uptime: 'soon',
      cmdPut: 'Infinity',
      age: 5,
    });
  });

  it('takes time linear in the length, whatever is sent', () => {
    for (const make of HOSTILE) {
      expectLinear(make, (text) => decode(text));
      expectLinear(make, (text) => decode(`${text}: 1`));
      expectLinear(make, (text) => decode(`key: ${text}`));
      expectLinear(make, (text) => decodeList(Buffer.from(`- ${text}`)));
    }
  });

  it('passes over lines that are no pair', () => {
    expect(decode('---\nnonsense\n: 5\n\npid: 1\n')).to.deep.equal({ pid: 1 });
    expect(decode('')).to.deep.equal({});
  });

  it('takes no harm from keys that objects have', () => {
    const stats = decode('__proto__: x\nconstructor: y\ntoString: z\n');
    expect(Object.getPrototypeOf(stats)).to.equal(Object.prototype);
    expect(Object.entries(stats)).to.deep.equal([
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['toString', 'z'],
    ]);
  });

  it('reads on in the same way when more keys came than it remembers', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `other-key-${i}: ${i}`).join('\n');
    for (let round = 0; round < 2; round++) {
      const stats = decode(many);
      expect(Object.keys(stats)).to.have.length(1000);
      expect(stats).to.have.property('otherKey999', 999);
    }
    expect(decode(STATS_1_12)).to.deep.equal(SERVER);
  });

  it('reads text beyond ASCII', () => expect(decode('hostname: bücher\n').hostname).to.equal('bücher'));

  it('leaves a quote that is not one of a pair', () => {
    expect(decode('hostname: "a\nos: a"\nplatform: "\n')).to.deep.equal({ hostname: '"a', os: 'a"', platform: '"' });
  });
});

describe('decodeList', () => {
  it('takes the names as they are, in the order of the server', () => {
    const output = `---\n${NAMES.map((name) => `- ${name}\n`).join('')}`;
    expect(decodeList(latin1(output))).to.deep.equal(NAMES);
  });

  it('takes quotes off', () => {
    expect(decodeList(latin1('---\n- "default"\n- "123"\n- a\n'))).to.deep.equal(['default', '123', 'a']);
  });

  it('keeps a name that begins with what marks an item', () => {
    expect(decodeList(latin1('---\n- a-b\n- +-\n'))).to.deep.equal(['a-b', '+-']);
  });

  it('is empty for an empty list', () => expect(decodeList(latin1('---\n'))).to.deep.equal([]));
});
