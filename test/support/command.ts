/** The command `causeway`, run to its end. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CAUSEWAY = fileURLToPath(new URL('../../packages/cli/bin/causeway.js', import.meta.url));
const OUTPUT_BYTES_MAX = 64 << 20;

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export function causeway(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  return new Promise((resolve) => {
    const options = {
      env: { PATH: process.env['PATH'], NO_COLOR: '1', ...env },
      maxBuffer: OUTPUT_BYTES_MAX,
    };
    const child = execFile(process.execPath, [CAUSEWAY, ...args], options, (_, out, err) => {
      resolve({ code: child.exitCode ?? -1, out: out.trimEnd(), err: err.trimEnd() });
    });
  });
}
