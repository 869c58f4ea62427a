import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HANG_MS } from './until.js';

/**
 * A free port below the range from which systems take the ports of outgoing connections. In that range a client that
 * keeps calling a killed server on loopback may be given the server's own port and connect to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(20_000, 32_000);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port between 20000 and 32000');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '0.0.0.0');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** Sends one line and collects what comes back until it matches. Rejects on refusal, on early end and on silence. */
export async function ask(host: string, port: number, line: string, expected: RegExp, timeoutMs = 5000) {
  return new Promise<RegExpExecArray>((resolve, reject) => {
    let received = '';
    const socket = connect(port, host, () => socket.write(`${line}\r\n`));
    const settle = (settlement: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      settlement();
    };
    const fail = (reason: string) => settle(() => reject(new Error(`${host}:${port}: ${reason}`)));
    const timer = setTimeout(() => fail(`no answer to ${line} within ${timeoutMs} ms`), timeoutMs);
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      received += String(chunk);
      const match = expected.exec(received);
      if (match !== null) settle(() => resolve(match));
    });
    socket.on('error', (error) => fail(error.message));
    socket.on('end', () => fail(`connection ended after ${JSON.stringify(received)}`));
  });
}

/**
 * Waits until a beanstalkd answers, and answers its process id. `checkAlive` throws once waiting has become pointless.
 * To be connected is not enough: an engine's port forwarder accepts connections while the server is not up yet.
 */
export async function waitUntilAnswers(
  host: string,
  port: number,
  checkAlive: () => void | Promise<void>,
): Promise<number> {
  const deadline = performance.now() + HANG_MS;
  for (;;) {
    await checkAlive();
    try {
      const match = await ask(host, port, 'stats', /^pid: (\d+)\n/m);
      return Number(match[1]);
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(10);
  }
}

/** Waits until nobody accepts connections there any more. */
export async function waitUntilRefused(host: string, port: number): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  while (await accepts(host, port)) {
    if (performance.now() > deadline) throw new Error(`${host}:${port} still accepts connections`);
    await sleep(10);
  }
}

async function accepts(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
