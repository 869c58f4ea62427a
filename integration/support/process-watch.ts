/** What this process complains about from now on. */
export class ProcessWatch implements Disposable {
  readonly complaints: string[] = [];
  readonly #note = (complaint: unknown): void => {
    this.complaints.push(String(complaint));
  };

  constructor() {
    // Too many listeners of an emitter are a warning.
    process.on('warning', this.#note);
    process.on('unhandledRejection', this.#note);
  }

  [Symbol.dispose](): void {
    process.off('warning', this.#note);
    process.off('unhandledRejection', this.#note);
  }
}
