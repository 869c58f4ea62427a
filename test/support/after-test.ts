type CleanUp = () => unknown;

const cleanUps: CleanUp[] = [];

/** Runs `cleanUp` when the current test is over, after the hooks of its suites, even if one of those has failed. */
export function afterTest(cleanUp: CleanUp): void {
  cleanUps.push(cleanUp);
}

/** Runs and forgets what was registered, the latest first. */
export async function runCleanUps(): Promise<void> {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
}
