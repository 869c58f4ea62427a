import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, freePort } from '../../integration/support/network.js';
import { findOnPath } from '../../integration/support/process-server.js';

export interface Redis {
  readonly port: number;
  stop(): Promise<void>;
}

/** A redis-server that keeps nothing on disk; undefined where there is none. */
export async function startRedis(): Promise<Redis | undefined> {
  const path = findOnPath('redis-server');
  if (path === undefined) return undefined;
  const port = await freePort();
  const flags = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn(path, flags, { stdio: 'ignore' });
  const killNow = (): void => void child.kill('SIGKILL');
  process.once('exit', killNow);
  for (let tries = 0; ; tries++) {
    try {
      await ask('127.0.0.1', port, 'PING', /^\+PONG/);
      break;
    } catch (error) {
      if (tries === 100 || child.exitCode !== null) throw error;
      await sleep(50);
    }
  }
  return {
    port,
    async stop() {
      const ended = once(child, 'exit');
      killNow();
      await ended;
      process.off('exit', killNow);
    },
  };
}
