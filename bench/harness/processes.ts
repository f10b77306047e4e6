/** Processes that a benchmark measures: a node, or the ceiling, each with a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { NODE_FLAGS } from '@causeway/cli';
import { CEILING, PROGRAM } from './paths.js';

export interface Server {
  /** Client URL. */
  readonly url: string;
  readonly directory: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export async function startCeiling(): Promise<Server> {
  const directory = await mkdtemp(join(tmpdir(), 'causeway-bench-'));
  const child = spawn(process.execPath, [...NODE_FLAGS, CEILING, join(directory, 'db')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const url = await firstLine(child, (line) => line);
  return serverOf(child, url, directory, () => child.stdin?.end());
}

export async function startNodeProcess(
  args: readonly string[] = [],
  nodeOptions: readonly string[] = [],
): Promise<Server> {
  const directory = await mkdtemp(join(tmpdir(), 'causeway-bench-'));
  const listen = [
    '--client-listen',
    '127.0.0.1:0',
    '--peer-listen',
    '127.0.0.1:0',
    '--admin-listen',
    '127.0.0.1:0',
  ];
  const child = spawn(
    process.execPath,
    [
      ...NODE_FLAGS,
      ...nodeOptions,
      PROGRAM,
      'start',
      '--region',
      'bench',
      '--data',
      directory,
      ...listen,
      ...args,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const url = await firstLine(child, (line) => {
    const { client } = JSON.parse(line) as { client?: string };
    return client === undefined ? undefined : `ws://${client}`;
  });
  return serverOf(child, url, directory, () => child.kill('SIGTERM'));
}

async function firstLine(child: ChildProcess, urlOf: (line: string) => string | undefined): Promise<string> {
  if (child.stdout === null) throw new Error('the child has no standard output');
  for await (const line of createInterface({ input: child.stdout })) {
    const url = urlOf(line);
    if (url === undefined) continue;
    child.stdout.resume();
    return url;
  }
  throw new Error('the server ended before it was ready');
}

function serverOf(child: ChildProcess, url: string, directory: string, end: () => void): Server {
  if (child.pid === undefined) throw new Error('the server did not start');
  // An interrupted run leaves nothing behind.
  const endAtExit = () => {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  process.on('exit', endAtExit);
  return {
    url,
    directory,
    pid: child.pid,
    stop: async () => {
      const ended = once(child, 'exit');
      end();
      await ended;
      process.off('exit', endAtExit);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
