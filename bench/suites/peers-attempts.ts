/** Peers one after the other: one that fails does not keep the others, and is told at the end, when all figures are there. */
export class Attempts {
  private readonly failures: string[] = [];

  async of(what: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Throws Error that names all that failed. */
  end(): void {
    if (this.failures.length > 0) throw new Error(this.failures.join('; '));
  }
}
