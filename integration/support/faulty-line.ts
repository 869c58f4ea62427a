import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpProxy } from './proxy.js';
import type { Direction } from './proxy-pipe.js';

/** Lets one fault after the other happen to the connections through a proxy, until told to stop; then the line is whole. */
export async function spoilLine(
  proxy: TcpProxy,
  random: () => number,
  { isOver, onFault }: { readonly isOver: () => boolean; readonly onFault: () => void },
): Promise<void> {
  const direction = (): Direction => (random() < 0.5 ? 'toServer' : 'toClient');
  const faults: (() => void | Promise<void>)[] = [
    () => proxy.reset(),
    () => proxy.plan({ direction: direction(), at: Math.floor(random() * 20_000), effect: 'reset' }),
    () => proxy.plan({ direction: direction(), at: Math.floor(random() * 20_000), effect: 'half-close' }),
    async () => {
      proxy.stall(direction());
      await sleep(random() * 2000);
      proxy.resume();
    },
    async () => {
      proxy.refuse();
      proxy.reset();
      await sleep(random() * 500);
      proxy.accept();
    },
    async () => {
      proxy.flow = { toServer: { pieceBytes: 7 }, toClient: { coalesceMs: 2 } };
      await sleep(500);
      proxy.flow = { toServer: { delayMs: 1 }, toClient: { pieceBytes: 100 } };
      await sleep(500);
      proxy.flow = { toServer: {}, toClient: {} };
    },
  ];
  while (!isOver()) {
    await sleep(random() * 500);
    onFault();
    await faults[Math.floor(random() * faults.length)]?.();
  }
  proxy.resume();
  proxy.accept();
}
