/** What a peer is built of: a temporary directory, processes and links, all of which end together. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, until } from '@causeway/cli';
import { createWanLink, type WanLink } from '@causeway/wan-link';
import type { TargetNetwork } from '../harness/target.js';
import { programPath } from './installed.js';

/** A process that does not end by then is killed. */
const END_MS = 5_000;

export class Site {
  private readonly processes: ChildProcess[] = [];
  private readonly links: { readonly link: WanLink; readonly ofFirst: boolean }[] = [];

  private constructor(readonly directory: string) {
    process.on('exit', this.endAtExit);
  }

  /** Builds on a new site; one that cannot be built is cleared away. */
  static async build<T>(build: (site: Site) => Promise<T>): Promise<T> {
    const site = new Site(await mkdtemp(join(tmpdir(), 'causeway-peer-')));
    try {
      return await build(site);
    } catch (error) {
      await site.clear();
      throw error;
    }
  }

  ports(count: number): Promise<number[]> {
    return freePorts(count);
  }

  async subdirectory(name: string): Promise<string> {
    const path = join(this.directory, name);
    await mkdir(path, { recursive: true });
    return path;
  }

  /** Starts a program in a directory of its own; resolves when it listens. What it tells is kept for the error. */
  async program(name: string, args: readonly string[], listensAt: number): Promise<void> {
    const directory = await this.subdirectory(`${name}-${listensAt}`);
    const logPath = join(directory, 'output.log');
    const log = await open(logPath, 'w');
    const child = spawn(programPath(name), args, { cwd: directory, stdio: ['ignore', log.fd, log.fd] });
    this.add(child);
    await log.close();
    try {
      await until(`${name} at port ${listensAt}`, () => child.exitCode === null && isListening(listensAt));
    } catch (cause) {
      throw new Error(`${name} does not start: ${(await readFile(logPath, 'utf8')).slice(-500)}`, { cause });
    }
  }

  add(child: ChildProcess): void {
    this.processes.push(child);
  }

  get pids(): number[] {
    return this.processes.flatMap(({ pid }) => pid ?? []);
  }

  /** A link to a port of this machine; the port to dial instead. `ofFirst`: whether it is between the first place and another. */
  async link(port: number, delayMs: number, ofFirst: boolean): Promise<number> {
    const link = await createWanLink({ to: `127.0.0.1:${port}`, delayMs });
    this.links.push({ link, ofFirst });
    return link.port;
  }

  get network(): TargetNetwork {
    const ofFirst = () => this.links.filter((each) => each.ofFirst).map(({ link }) => link);
    return {
      cut: (mode) => {
        for (const link of ofFirst()) link.cut({ mode });
      },
      heal: () => {
        for (const link of ofFirst()) link.heal();
      },
      bytesDelivered: () =>
        this.links
          .map(({ link }) => link.stats())
          .reduce((sum, { up, down }) => sum + up.bytesDelivered + down.bytesDelivered, 0),
    };
  }

  /** An interrupted run leaves nothing behind. */
  private readonly endAtExit = (): void => {
    for (const child of this.processes) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  };

  async clear(): Promise<void> {
    await Promise.all(this.processes.map(end));
    await Promise.all(this.links.map(({ link }) => link.close()));
    process.off('exit', this.endAtExit);
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const impatience = setTimeout(() => child.kill('SIGKILL'), END_MS);
  await ended;
  clearTimeout(impatience);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
    socket.once('connect', () => socket.destroy());
  });
}
