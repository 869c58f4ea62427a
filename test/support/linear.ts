import { expect } from 'chai';

/** Texts that make a badly written expression look at each character many times. */
export const HOSTILE: readonly ((length: number) => string)[] = [
  (length) => '-'.repeat(length),
  (length) => '-a'.repeat(length / 2),
  (length) => 'a'.repeat(length),
  (length) => '0'.repeat(length),
  (length) => ' '.repeat(length),
  (length) => `x${' '.repeat(length)}y`,
  (length) => '\r'.repeat(length),
  (length) => '\n'.repeat(length),
  (length) => '"'.repeat(length),
  (length) => ':'.repeat(length),
  (length) => 'a:'.repeat(length / 2),
  (length) => '/'.repeat(length),
  (length) => '@'.repeat(length),
  (length) => `${'a'.repeat(length)}@`,
  (length) => '['.repeat(length),
  (length) => ']'.repeat(length),
  (length) => 'a.+-'.repeat(length / 4),
  (length) => `beanstalkd://${'a'.repeat(length)}`,
  (length) => `beanstalkd://${':'.repeat(length)}`,
  (length) => `beanstalkd+unix://${'/'.repeat(length)}`,
  (length) => '\u202e'.repeat(length),
  (length) => '\ud800'.repeat(length),
];

const LENGTH = 100_000;
/** What is done with so many characters in this time is not done for each pair of them. */
const SURELY_LINEAR_MS = 20;
/** Four times as many take four times as long, or sixteen times where the time is quadratic. */
const MOST_GROWTH = 9;

/** Fails when `work` takes time that grows with the square of the length. */
export function expectLinear(make: (length: number) => string, work: (text: string) => void): void {
  const long = shortest(make(LENGTH), work);
  if (long < SURELY_LINEAR_MS) return;
  const growth = long / shortest(make(LENGTH / 4), work);
  expect(growth, `time for 4 × ${JSON.stringify(make(8))}…`).to.be.below(MOST_GROWTH);
}

/** Whatever else the machine does, one of the tries is hardly disturbed. */
function shortest(text: string, work: (text: string) => void): number {
  let ms = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5 && ms > SURELY_LINEAR_MS; i++) {
    const start = performance.now();
    work(text);
    ms = Math.min(ms, performance.now() - start);
  }
  return ms;
}
