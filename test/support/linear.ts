import { expect } from 'chai';

/** Strings that make a badly written expression examine each character many times. */
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
/** Work on so many characters that takes less CPU time than this is not done for each pair of them. */
const SURELY_LINEAR_MS = 20;
/** Four times as many characters take four times as long, or sixteen times if the time is quadratic. */
const MOST_GROWTH = 9;

/** Fails when `work` takes time that grows with the square of the length. */
export function expectLinear(make: (length: number) => string, work: (text: string) => void): void {
  const long = shortest(make(LENGTH), work);
  if (long < SURELY_LINEAR_MS) return;
  const growth = long / shortest(make(LENGTH / 4), work);
  expect(growth, `time for 4 × ${JSON.stringify(make(8))}…`).to.be.below(MOST_GROWTH);
}

/** The CPU time of the fastest try: other processes on the machine do not count. */
function shortest(text: string, work: (text: string) => void): number {
  let ms = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5 && ms > SURELY_LINEAR_MS; i++) {
    const start = process.cpuUsage();
    work(text);
    const { user, system } = process.cpuUsage(start);
    ms = Math.min(ms, (user + system) / 1000);
  }
  return ms;
}
