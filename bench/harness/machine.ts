/** What a run ran on: without it a figure says nothing. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SOFTWARE_VERSION } from '@causeway/protocol';
import type { BenchResult, Machine } from './result.js';

const LIBRARIES = ['ws', 'level', 'classic-level', 'msgpackr'];

export function describeMachine(): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    // What a distribution adds to the version says nothing of the figures.
    kernel: `${type()} ${release().replace(/[-+].*/, '')}`,
    node: process.version,
  };
}

export function packageVersions(): Record<string, string> {
  const require = createRequire(import.meta.url);
  const versions: Record<string, string> = { causeway: SOFTWARE_VERSION };
  for (const name of LIBRARIES) {
    // Not every package exports its package.json.
    const file = (require.resolve.paths(name) ?? [])
      .map((directory) => join(directory, name, 'package.json'))
      .find(existsSync);
    if (file !== undefined) versions[name] = (require(file) as { version: string }).version;
  }
  return versions;
}

export async function gitRevision(): Promise<BenchResult['revision']> {
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  const git = async (...args: string[]) => (await promisify(execFile)('git', args, { cwd })).stdout.trim();
  try {
    const commit = await git('rev-parse', 'HEAD');
    return { commit, changed: (await git('status', '--porcelain', '--untracked-files=no')) !== '' };
  } catch {
    // Not a checkout, or no git: a released archive can be measured too.
    return null;
  }
}
