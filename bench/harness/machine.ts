import { execFile } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { peerTitles } from './peers.js';

/** What figures depend on. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly beanstalkd: string;
  /** With their versions. */
  readonly peers: string;
}

export async function describeMachine(): Promise<Machine> {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    node: process.versions.node,
    beanstalkd: await versionOf('beanstalkd', '-v'),
    peers: (await peerTitles()).join(', '),
  };
}

export function machineLine({ node, beanstalkd, cores, cpu, memoryGiB, date }: Machine): string {
  return `Node ${node}, beanstalkd ${beanstalkd}, ${cores} cores (${cpu}), ${memoryGiB} GiB, loopback, ${date}`;
}

async function versionOf(program: string, flag: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, [flag]);
    return /[0-9][0-9.]*[0-9]/.exec(stdout)?.[0] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}
