/** What processes have used, as Linux tells it. Elsewhere everything is NaN, and the figures made of it are left out. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface Usage {
  /** Of all threads, user and system. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Handed to the block layer. */
  readonly writtenBytes: number;
}

/** Clock ticks of /proc are hundredths of a second on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;
const NOTHING: Usage = { cpuSeconds: Number.NaN, residentBytes: Number.NaN, writtenBytes: Number.NaN };

/** Of all of them together. */
export async function usageOf(pids: readonly number[]): Promise<Usage> {
  const all = await Promise.all(pids.map(usageOfOne));
  const sum = (of: (usage: Usage) => number) => all.reduce((total, usage) => total + of(usage), 0);
  if (all.length === 0) return NOTHING;
  return {
    cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
    residentBytes: sum(({ residentBytes }) => residentBytes),
    writtenBytes: sum(({ writtenBytes }) => writtenBytes),
  };
}

async function usageOfOne(pid: number): Promise<Usage> {
  if (process.platform !== 'linux') return NOTHING;
  const [line, status, io] = await Promise.all(
    ['stat', 'status', 'io'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8')),
  );
  // The name of the program, in parentheses, may hold blanks.
  const fields = (line ?? '').slice((line ?? '').lastIndexOf(')') + 2).split(' ');
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    residentBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(status ?? '')?.[1]) * 1024,
    writtenBytes: Number(/^write_bytes: (\d+)/m.exec(io ?? '')?.[1]),
  };
}

/** Bytes of all files below a directory. One that goes away meanwhile counts as nothing. */
export async function bytesOfDirectory(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    try {
      bytes += (await stat(join(entry.parentPath, entry.name))).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return bytes;
}
