// Fails where too few of the public declarations have a comment. typedoc-plugin-coverage has counted them.
import { readFileSync } from 'node:fs';

const LEAST_PERCENT = 95;

const { percent, expected, actual, notDocumented } = JSON.parse(readFileSync('coverage/docs/coverage.json', 'utf8'));
console.log(`${actual} of ${expected} public declarations are documented (${percent} %)`);
for (const name of notDocumented) console.log(`  not documented: ${name}`);
if (percent < LEAST_PERCENT) {
  console.error(`the documented part must be at least ${LEAST_PERCENT} %`);
  process.exitCode = 1;
}
