/** Something that can be timed at the same work as the others. */
export interface Contender {
  readonly name: string;
  /** Puts so many jobs, with so many commands unanswered at any time. */
  put(jobs: number, inFlight: number): Promise<void>;
  /** Reserves and deletes so many jobs, in batches of `inFlight`. */
  reserveAndDelete(jobs: number, inFlight: number): Promise<void>;
  close(): void;
}
