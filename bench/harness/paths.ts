/** Where the programs lie that a benchmark starts. This file runs from its source in tests, else from `dist`. */
import { fileURLToPath } from 'node:url';

const BENCH = new URL(import.meta.url.endsWith('.ts') ? '../' : '../../', import.meta.url);

function inBench(path: string): string {
  return fileURLToPath(new URL(path, BENCH));
}

export const CEILING = inBench('dist/ceiling.js');
/** Libraries and programs of other systems; its own package, which may not be installed. */
export const PEERS = inBench('peers/');
export const REPLICA = inBench('dist/peers/replica-process.js');
export const RESULTS = inBench('results/');
/** What is measured. CAUSEWAY_BIN names another build, or a wrapper that makes it slow (slowed.ts). */
export const PROGRAM = process.env['CAUSEWAY_BIN'] ?? inBench('../packages/cli/bin/causeway.js');
