import type { Sink } from './output.js';

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

export type Style = keyof typeof CODES;

/** Gives text a style, or leaves it as it is where colours are not wanted. */
export type Paint = (style: Style, text: string) => string;

export const plain: Paint = (_, text) => text;

const styled: Paint = (style, text) => {
  const [on, off] = CODES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
};

/** Colours for a terminal, unless NO_COLOR says no; FORCE_COLOR says yes or, with 0 or false, no to everything. */
export function painter(sink: Sink, env: NodeJS.ProcessEnv = process.env): Paint {
  return wantsColour(sink, env) ? styled : plain;
}

function wantsColour({ isTTY }: Sink, env: NodeJS.ProcessEnv): boolean {
  const { FORCE_COLOR: force, NO_COLOR: no, TERM: terminal } = env;
  if (force !== undefined) return force !== '0' && force !== 'false';
  return isTTY === true && !no && terminal !== 'dumb';
}
